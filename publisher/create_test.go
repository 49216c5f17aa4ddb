package publisher

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// logBuffer collects log lines; it is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(line)
}

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *logBuffer) has(text string) bool { return strings.Contains(b.text(), text) }

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestTopicShapeText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want TopicShape
		ok   bool
	}{
		{"12,3", TopicShape{12, 3}, true},
		{" 1 , 1 ", TopicShape{1, 1}, true},
		{"12", TopicShape{}, false},
		{"12,", TopicShape{}, false},
		{"0,3", TopicShape{}, false},
		{"12,-1", TopicShape{}, false},
		{"12,3,2", TopicShape{}, false},
		{"", TopicShape{}, false},
	}
	for _, tt := range tests {
		var got TopicShape
		if err := got.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: %v, error %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for shape, want := range map[TopicShape]string{{}: "", {12, 3}: "12,3"} {
		if got, err := shape.MarshalText(); string(got) != want || err != nil {
			t.Errorf("%v as text is %q, error %v; want %q", shape, got, err, want)
		}
	}
}

// The command is one that Kafka's own tool takes, for the cluster there is.
func TestCommandForMissingTopic(t *testing.T) {
	t.Parallel()
	const create = "kafka-topics.sh --bootstrap-server a:9092,b:9093 --create --topic flows"
	c := DefaultConfig()
	c.Brokers = []string{"a:9092", "b:9093"}
	for brokers, want := range map[int]string{
		1: "create it: " + create + " --partitions 12 --replication-factor 1 --config cleanup.policy=delete; or set FLOWPUB_KAFKA_CREATE_TOPIC=12,1 to have it created",
		5: "create it: " + create + " --partitions 12 --replication-factor 3 --config cleanup.policy=delete --config min.insync.replicas=2; " +
			"or set FLOWPUB_KAFKA_CREATE_TOPIC=12,3 to have it created",
	} {
		if got := c.missingCure("flows", brokers); got != want {
			t.Errorf("%d brokers:\n got %s\nwant %s", brokers, got, want)
		}
	}
	c.CreateTopic = TopicShape{24, 2}
	want := "it is being created, as FLOWPUB_KAFKA_CREATE_TOPIC asks for; or run: " + create +
		" --partitions 24 --replication-factor 2 --config cleanup.policy=delete"
	if got := c.missingCure("flows", 5); got != want {
		t.Errorf("to be created:\n got %s\nwant %s", got, want)
	}
}

func TestCreationCure(t *testing.T) {
	t.Parallel()
	c := DefaultConfig()
	c.Brokers, c.CreateTopic = []string{"a:9092"}, TopicShape{12, 3}
	for err, want := range map[error]string{
		kafka.TopicAuthorizationFailed: "allow this user CREATE on the topic, or run as one who may: kafka-topics.sh ",
		kafka.InvalidReplicationFactor: "1 brokers are there: set a replication of at most that in FLOWPUB_KAFKA_CREATE_TOPIC",
		kafka.PolicyViolation:          "the brokers' rules refuse it: change FLOWPUB_KAFKA_CREATE_TOPIC",
		kafka.Unknown:                  kinds.Of(kafka.Unknown).Cure,
		kafka.InvalidReplicaAssignment: "look at the controller's log, or run: kafka-topics.sh ",
		&kinds.Error{Kind: kinds.DNS}:  kinds.DNS.Cure,
	} {
		if got := c.creationCure(err, "flows", 1); !strings.HasPrefix(got, want) {
			t.Errorf("the cure is %q, want %q", got, want)
		}
	}
}

// A missing topic is created with the shape and the settings asked for, and only
// once however many replicas try.
func TestMissingTopicIsCreated(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	created := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Observe: true, Count: -1})
	var replicas []*Publisher
	for range 3 {
		replicas = append(replicas, startPublisher(t, broker.ListenAddrs(), func(c *Config) {
			c.Topic, c.CreateTopic = "wanted", TopicShape{5, 1}
		}))
	}
	var n uint64
	for _, p := range replicas {
		n = publish(t, p, 0, 10, 30)
		eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
		closeWithin(t, p, 10*time.Second)
		wantDelivered(t, p, n)
		if got := p.Stats().Partitions; got != 5 {
			t.Errorf("the topic has %d partitions, want 5", got)
		}
	}
	if info := broker.TopicInfo("wanted"); info == nil || *info.Configs["cleanup.policy"] != "delete" {
		t.Errorf("the topic is %+v, want one that is not compacted", info)
	}
	if created.Hits() == 0 {
		t.Error("nobody asked for the topic")
	}
}

// What the brokers refuse is told with topic, broker, error and cure, is what is
// missing, and is tried again until it succeeds.
func TestCreationIsRefused(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	refused := broker.Fault(kfake.Fault{
		Topic: "wanted", Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: 1,
	})
	var log logBuffer
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Topic, c.CreateTopic, c.Logger = "wanted", TopicShape{2, 1}, log.logger()
	})
	n := publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the refusal is told", func() bool {
		return refused.Hits() > 0 && log.has("could not be created") && log.has("allow this user CREATE") &&
			log.has(fmt.Sprintf("broker=%s", broker.ListenAddrs()[0]))
	})
	eventually(t, 10*time.Second, "the refusal is what is missing", func() bool {
		missing := strings.Join(p.Missing(), "")
		return strings.Contains(missing, `"wanted"`) && strings.Contains(missing, "Topic Authorization Failed")
	})
	eventually(t, 20*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	closeWithin(t, p, 10*time.Second)
	wantDelivered(t, p, n)
}

// Nothing is created that was not asked for.
func TestTopicIsNotCreatedUnasked(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	var log logBuffer
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Topic, c.Logger = "wanted", log.logger() })
	eventually(t, 10*time.Second, "the command is told", func() bool {
		return log.has("kafka-topics.sh --bootstrap-server "+broker.ListenAddrs()[0]+" --create --topic wanted") &&
			log.has("FLOWPUB_KAFKA_CREATE_TOPIC=12,1")
	})
	if missing := p.Missing(); len(missing) != 1 || broker.TopicInfo("wanted") != nil {
		t.Errorf("missing %q, topic %v", missing, broker.TopicInfo("wanted"))
	}
}
