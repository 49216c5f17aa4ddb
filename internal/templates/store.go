package templates

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/failure"
)

// LoadPatience bounds how long a starting process waits until the topic has been read.
const LoadPatience = 5 * time.Second

// Config says where the store is, and for which table.
type Config struct {
	// Topic is for the store alone: nothing else writes to it.
	Topic string
	// Brokers, ClientID and Auth are as for flow records.
	Brokers  []string
	ClientID string
	Auth     auth.Config
	// CreateTopic, when not zero, has a missing topic created, with one partition and its number of
	// replicas.
	CreateTopic cluster.TopicShape
	// Deployment names the processes that may share the topic. The log warns when others write to it.
	Deployment string
	// Table has the templates. It tracks changes.
	Table *template.Table
	// Now returns the current moment by the clock of the table.
	Now func() time.Duration
	// Restored is called by one goroutine, after templates were taken from the topic. Reading waits for it.
	Restored func()
	// Log must not be nil.
	Log *slog.Logger
}

// Store keeps the topic and the table alike. It is safe for concurrent use.
type Store struct {
	cfg     Config
	notices *notice.Limiter
	kafka   kafkaCluster
	counts  *counts
	began   time.Time

	found  chan struct{} // closed once the topic has a leader
	loaded chan struct{} // closed once what the topic had at the start was read
	ready  chan struct{} // has a token when trying again may help
	once   sync.Once     // closes found

	ctx     context.Context // ends with everything
	cancel  context.CancelFunc
	stop    chan struct{} // closed when only what has changed is to be written yet
	working sync.WaitGroup
	writing sync.WaitGroup

	writer *writer
	reader *reader
}

// kafkaCluster is what a store needs of a cluster.Cluster.
type kafkaCluster interface {
	kafka.RoundTripper
	Start(ctx context.Context, topic string, partition int32) (int64, error)
	TopicID(ctx context.Context, topic string) (cluster.TopicID, error)
	Fetch(ctx context.Context, topic string, partition int32, offset int64, wait time.Duration) (*cluster.Log, error)
	Discreet(err error) error
	Refresh()
	Close()
}

// New starts a store, which Close ends. It copies cfg and does not wait for Kafka. The error is about
// files that the configuration names.
func New(cfg *Config) (*Store, error) {
	s := newStore(cfg)
	c, err := cluster.New(s.ctx, cfg.cluster(s.notices), s)
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("templates: %w", err)
	}
	s.kafka = c
	s.working.Go(func() { c.Run(s.ctx) })
	s.start()
	return s, nil
}

// cluster returns the configuration of the connections.
func (c *Config) cluster(notices *notice.Limiter) *cluster.Config {
	return &cluster.Config{
		Brokers: c.Brokers, ClientID: c.ClientID, Auth: c.Auth, Topics: []string{c.Topic},
		CreateTopic: c.CreateTopic, Settings: topicSettings(), Log: c.Log, Notices: notices,
	}
}

func newStore(cfg *Config) *Store {
	s := &Store{
		cfg: *cfg, notices: notice.New(cfg.Log), counts: newCounts(), began: time.Now(),
		found: make(chan struct{}), loaded: make(chan struct{}), ready: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.writer, s.reader = newWriter(s), newReader(s)
	return s
}

func (s *Store) start() {
	s.working.Go(s.reader.run)
	s.writing.Go(s.writer.run)
}

// Learn is part of cluster.Observer.
func (s *Store) Learn(t *cluster.Topic) {
	switch {
	case t.Err != nil:
		s.counts.fail(Finding, failure.Sentence(t.Err), t.Cure)
		s.notices.Warn("template_topic", "no metadata of the topic for templates, trying again",
			"topic", s.cfg.Topic, "error", failure.Sentence(t.Err), "cure", t.Cure)
	case t.Leaders[0] < 0:
		s.unfound(kafka.LeaderNotAvailable)
	default:
		s.counts.succeed(Finding)
		s.countPartitions(len(t.Leaders))
		s.once.Do(func() { close(s.found) })
	}
}

// Unreached is part of cluster.Observer. The cluster has logged the error.
func (s *Store) Unreached(err error) { s.unfound(err) }

// unfound notes why it is not known who has the topic.
func (s *Store) unfound(err error) {
	s.counts.fail(Finding, failure.Sentence(err), failure.Of(err).Cure)
}

// Ready is part of cluster.Observer.
func (s *Store) Ready() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Missing lists what the start of the process still waits for, one item per string. It returns nothing
// once the topic has been read, or after LoadPatience.
func (s *Store) Missing() []string {
	select {
	case <-s.loaded:
		return nil
	default:
	}
	if time.Since(s.began) >= LoadPatience {
		return nil
	}
	return []string{fmt.Sprintf("the templates in Kafka topic %q have not been read yet", s.cfg.Topic)}
}

// Close writes what has changed, until ctx ends, and gives up the rest. It must be called once.
func (s *Store) Close(ctx context.Context) {
	close(s.stop)
	done := make(chan struct{})
	go func() {
		s.writing.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.cancel()
	s.working.Wait()
	<-done
	s.kafka.Close()
}

// messages are what the log says when an operation fails, and when it works again.
func (o Operation) messages() (fails, works string) {
	if o == Writing {
		return "the topic for templates could not be written, trying again", "the topic for templates is written again"
	}
	return "the topic for templates could not be read, trying again", "the topic for templates is read again"
}

// failed notes and logs a failed attempt, and returns how long to wait before the next.
func (s *Store) failed(o Operation, err error) time.Duration {
	kind := failure.Of(err)
	if errors.Is(err, kafka.TopicAuthorizationFailed) {
		kind.Cure = "give this user READ, WRITE and DESCRIBE on the topic"
	}
	s.counts.fail(o, failure.Sentence(err), kind.Cure)
	fails, _ := o.messages()
	s.notices.Warn(fails, fails, "topic", s.cfg.Topic, "error", failure.Sentence(err), "cure", kind.Cure)
	if kind.Moved {
		s.kafka.Refresh()
	}
	if kind.Slow {
		return failure.SlowPause
	}
	return pause
}

// pause is how long to wait after an attempt that failed.
const pause = time.Second

// worked notes that an attempt did not fail.
func (s *Store) worked(o Operation) {
	if s.counts.succeed(o) {
		_, works := o.messages()
		s.cfg.Log.Info(works, "topic", s.cfg.Topic) //nolint:sloglint // one of two texts
	}
}

// addr is the address of requests, which the cluster ignores.
func (s *Store) addr() net.Addr { return kafka.TCP(s.cfg.Brokers...) }
