package publisher

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// A missing topic is created with the shape and the settings asked for, and only
// once however many replicas try.
func TestMissingTopicIsCreated(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	created := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, Observe: true, Count: -1})
	var replicas []*Publisher
	for range 3 {
		replicas = append(replicas, startPublisher(t, broker.ListenAddrs(), func(c *Config) {
			c.Topic, c.CreateTopic = "wanted", cluster.TopicShape{Partitions: 5, Replicas: 1}
		}))
	}
	var n uint64
	for _, p := range replicas {
		n = publish(t, p, 0, 10, 30)
		eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
		closeWithin(t, p, patience)
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
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 1)
	refused := broker.Fault(kfake.Fault{
		Topic: "wanted", Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.TopicAuthorizationFailed, Count: 1,
	})
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Topic, c.CreateTopic, c.Logger = "wanted", cluster.TopicShape{Partitions: 2, Replicas: 1}, log.Logger()
	})
	n := publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the refusal is told", func() bool {
		return refused.Hits() > 0 && log.Has("could not be created") && log.Has("allow this user CREATE") &&
			log.Has(fmt.Sprintf("broker=%s", broker.ListenAddrs()[0]))
	})
	eventually(t, 10*time.Second, "the refusal is what is missing", func() bool {
		missing := strings.Join(p.Missing(), "")
		return strings.Contains(missing, `"wanted"`) && strings.Contains(missing, "Topic Authorization Failed")
	})
	eventually(t, 20*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// Nothing is created that was not asked for.
func TestTopicIsNotCreatedUnasked(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Topic, c.Logger = "wanted", log.Logger() })
	eventually(t, 10*time.Second, "the command is told", func() bool {
		return log.Has("kafka-topics.sh --bootstrap-server "+broker.ListenAddrs()[0]+" --create --topic wanted") &&
			log.Has("FLOWPUB_KAFKA_CREATE_TOPIC=12,1")
	})
	if missing := p.Missing(); len(missing) != 1 || broker.TopicInfo("wanted") != nil {
		t.Errorf("missing %q, topic %v", missing, broker.TopicInfo("wanted"))
	}
}
