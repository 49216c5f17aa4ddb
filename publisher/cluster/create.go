package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/createtopics"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher/failure"
)

// maxCreatedPartitions bounds TopicShape.Partitions. More would be a typing error that burdens
// the brokers for good: partitions cannot be removed.
const maxCreatedPartitions = 10_000

// TopicShape says how a topic is created. The zero value says that it is not.
type TopicShape struct {
	// Partitions is their number, from 1 to 10,000.
	Partitions int
	// Replicas is how many brokers keep each of them, from 1 to the number of
	// brokers in the cluster.
	Replicas int
}

// MarshalText returns "partitions,replicas"; nothing for the zero value.
func (s TopicShape) MarshalText() ([]byte, error) {
	if s == (TopicShape{}) {
		return nil, nil
	}
	return fmt.Appendf(nil, "%d,%d", s.Partitions, s.Replicas), nil
}

// UnmarshalText accepts "partitions,replicas", as in 12,3.
func (s *TopicShape) UnmarshalText(text []byte) error {
	partitions, replicas, both := strings.Cut(string(text), ",")
	p, errPartitions := strconv.Atoi(strings.TrimSpace(partitions))
	r, errReplicas := strconv.Atoi(strings.TrimSpace(replicas))
	if !both || errPartitions != nil || errReplicas != nil || p < 1 || r < 1 {
		return fmt.Errorf("topic shape %q is not partitions,replication: write two numbers from 1, as in 12,3", text)
	}
	*s = TopicShape{Partitions: p, Replicas: r}
	return nil
}

// Validate returns what is wrong with a shape that is not zero.
func (s TopicShape) Validate() error {
	if s == (TopicShape{}) {
		return nil
	}
	if s.Partitions < 1 || s.Partitions > maxCreatedPartitions || s.Replicas < 1 || s.Replicas > math.MaxInt16 {
		return fmt.Errorf("topic shape is %d,%d: partitions must be from 1 to %d, replication from 1 to %d",
			s.Partitions, s.Replicas, maxCreatedPartitions, math.MaxInt16)
	}
	return nil
}

// Setting is one of a topic's.
type Setting struct{ Name, Value string }

// shaped returns the shape in which a topic of this configuration is created if s is asked for.
func (c *Config) shaped(s TopicShape) TopicShape {
	if c.Settings != nil {
		s.Partitions = 1
	}
	return s
}

// settings are those that a new topic needs whatever the cluster's defaults are.
// A compacted topic would keep one flow an exporter. With three replicas or more
// acks=all is to mean two of them; with two, each broker that is away would stop
// the flows.
func (c *Config) settings(s TopicShape) []createtopics.RequestConfig {
	all := []createtopics.RequestConfig{{Name: "cleanup.policy", Value: "delete"}}
	if c.Settings != nil {
		all = nil
		for _, e := range c.Settings {
			all = append(all, createtopics.RequestConfig{Name: e.Name, Value: e.Value})
		}
	}
	if s.Replicas >= 3 {
		all = append(all, createtopics.RequestConfig{Name: "min.insync.replicas", Value: "2"})
	}
	return all
}

// command is what an operator types to create a topic of that shape.
func (c *Config) command(topic string, s TopicShape) string {
	s = c.shaped(s)
	var b strings.Builder
	fmt.Fprintf(&b, "kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d --replication-factor %d",
		strings.Join(c.Brokers, ","), topic, s.Partitions, s.Replicas)
	for _, e := range c.settings(s) {
		fmt.Fprintf(&b, " --config %s=%s", e.Name, e.Value)
	}
	return b.String()
}

// suggestedShape is the shape to suggest for a topic, by the number of brokers: partitions for
// several consumers, and replicas that survive the loss of a broker.
func suggestedShape(brokers int) TopicShape {
	return TopicShape{Partitions: 12, Replicas: max(1, min(3, brokers))}
}

// missingCure tells how to create a missing topic, by the number of brokers.
func (c *Config) missingCure(topic string, brokers int) string {
	if c.CreateTopic != (TopicShape{}) {
		return "it is being created, as " + variable.CreateTopic + " asks for; or run: " + c.command(topic, c.CreateTopic)
	}
	shape := suggestedShape(brokers)
	return fmt.Sprintf("create it: %s; or set %s=%d,%d to have it created",
		c.command(topic, shape), variable.CreateTopic, shape.Partitions, shape.Replicas)
}

// creator creates missing topics, if the configuration says so. Brokers that refuse are asked
// again slowly: somebody has to mend something first.
type creator struct {
	cfg   *Config
	asked time.Time   // when it was last tried
	busy  atomic.Bool // a request is under way

	mu       sync.Mutex
	refusals map[string]error // why topics could not be created
}

// due reports whether there should be a request for topics that the cluster does
// not know, which the caller then makes.
func (c *creator) due(missing []string) bool {
	if missing == nil || c.cfg.CreateTopic == (TopicShape{}) || time.Since(c.asked) < failure.SlowPause || c.busy.Load() {
		return false
	}
	c.asked = time.Now()
	c.busy.Store(true)
	return true
}

// request creates topics and logs the result. If another replica of this program was faster, that
// is as good.
func (c *creator) request(ctx context.Context, l *link, missing []string, brokers int) {
	defer c.busy.Store(false)
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	shape := c.cfg.shaped(c.cfg.CreateTopic)
	came := l.create(ctx, c.cfg.creation(missing))
	for _, name := range missing {
		switch err := came[name]; {
		case err == nil:
			c.note(name, nil)
			c.cfg.Log.Info("topic created", "topic", name, "partitions", shape.Partitions, "replicas", shape.Replicas)
		case errors.Is(err, kafka.TopicAlreadyExists):
			c.note(name, nil)
		case !errors.Is(err, context.Canceled):
			c.refused(name, fmt.Errorf("creating topic %q: %w", name, err), l.addr, brokers)
		}
	}
}

// creation is the request for topics of the configured shape.
func (c *Config) creation(topics []string) *createtopics.Request {
	shape := c.shaped(c.CreateTopic)
	request := &createtopics.Request{TimeoutMs: int32(controlTimeout.Milliseconds())}
	for _, name := range topics {
		request.Topics = append(request.Topics, createtopics.RequestTopic{
			Name: name, NumPartitions: int32(shape.Partitions), ReplicationFactor: int16(shape.Replicas), Configs: c.settings(shape),
		})
	}
	return request
}

// create asks for topics, and returns why they were not created, by name.
func (l *link) create(ctx context.Context, request *createtopics.Request) map[string]error {
	response, err := exchange[*createtopics.Response](ctx, l, request)
	came := make(map[string]error, len(request.Topics))
	for _, t := range request.Topics {
		came[t.Name] = err
		if response != nil {
			came[t.Name] = l.secret.Discreet(creationError(response, t.Name))
		}
	}
	return came
}

// creationError is what the answer says of a topic.
func creationError(answer *createtopics.Response, topic string) error {
	for _, t := range answer.Topics {
		if t.Name == topic {
			return failure.Code(t.ErrorCode, t.ErrorMessage)
		}
	}
	return errors.New("the answer does not mention the topic")
}

// refused notes and tells why a topic could not be created.
func (c *creator) refused(topic string, err error, broker net.Addr, brokers int) {
	c.note(topic, err)
	c.cfg.Notices.Warn("create_topic "+topic, "the topic is missing and could not be created, trying again",
		"topic", topic, "broker", broker, "error", failure.Sentence(err), "cure", c.cfg.creationCure(err, topic, brokers))
}

func (c *creator) note(topic string, refusal error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusals[topic] = refusal
}

// refusal is why a missing topic could not be created; nil if nobody tried, or
// it could.
func (c *creator) refusal(topic string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusals[topic]
}

// creationCure tells what to do when a topic cannot be created, by the number of brokers.
func (c *Config) creationCure(err error, topic string, brokers int) string {
	byHand := c.command(topic, suggestedShape(brokers))
	switch {
	case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
		return "allow this user CREATE on the topic, or run as one who may: " + c.command(topic, c.CreateTopic)
	case errors.Is(err, kafka.InvalidReplicationFactor):
		return fmt.Sprintf("%d brokers are there: set a replication of at most that in %s, start more brokers, or run: %s",
			brokers, variable.CreateTopic, byHand)
	case errors.Is(err, kafka.PolicyViolation), errors.Is(err, kafka.InvalidPartitionNumber), errors.Is(err, kafka.InvalidConfiguration):
		return "the brokers' rules refuse it: change " + variable.CreateTopic + ", or run with other settings: " + byHand
	}
	if kind := failure.Of(err); kind.Name != failure.Other.Name {
		return kind.Cure
	}
	return "look at the controller's log, or run: " + byHand
}
