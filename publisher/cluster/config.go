package cluster

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// Config says which cluster to connect to, as whom, and for which topics.
type Config struct {
	// Brokers are asked first, each as host:port; the others are learned from them.
	Brokers []string
	// ClientID names this program in the brokers' logs and quotas.
	ClientID string
	// Auth is how connections are encrypted and authenticated.
	Auth auth.Config
	// Topics are those for flow records, DeadLetters another one, which may be empty; its settings
	// are not checked.
	Topics      []string
	DeadLetters string
	// CreateTopic, when not zero, is the shape in which a missing topic is created.
	CreateTopic TopicShape
	// Settings, when not nil, are those that a created topic gets, with one partition, instead of
	// those for flow records.
	Settings []Setting
	// Unacknowledged: brokers acknowledge no batch, so that each must get all of them
	// over one connection, which keeps their order.
	Unacknowledged bool
	// Idempotent asks for a producer id. Unless it is Required, a refusal
	// by the cluster is accepted, and batches go without one.
	Idempotent, Required bool
	// Log and Notices tell operators.
	Log     *slog.Logger
	Notices *notice.Limiter
}

// Observer is told what is learned of the cluster, by one goroutine at a time except for Ready. It
// must not wait for the cluster.
type Observer interface {
	// Learn takes over what the cluster says of a topic.
	Learn(t *Topic)
	// Unreached takes note that the cluster could not be asked, and why.
	Unreached(err error)
	// Check looks at the settings of one of Config.Topics.
	Check(topic string, s *Settings)
	// Ready says that requests may be possible now that were not before. Any
	// goroutine may call it.
	Ready()
}

// Topic is what the cluster says of a topic.
type Topic struct {
	Name string
	// Leaders are the broker ids of the partitions' leaders, -1 where there is
	// none.
	Leaders []int32
	// Err, when not nil, is why they are not known, and Cure what helps.
	Err  error
	Cure string
}

// allTopics lists all topics, the one for dead letters last.
func (c *Config) allTopics() []string {
	if c.DeadLetters == "" {
		return c.Topics
	}
	return append(slices.Clip(c.Topics), c.DeadLetters)
}

// checker returns what checks the answers of brokers. It tells throttled of their
// pauses.
func (c *Config) checker(throttled func(address string, pause time.Duration)) *answers.Checker {
	checker := &answers.Checker{TLS: c.Auth.TLS != nil, Throttled: throttled}
	if c.Auth.SASL != nil {
		checker.Mechanism = strings.ToUpper(c.Auth.SASL.Mechanism)
	}
	return checker
}
