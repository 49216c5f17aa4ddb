//go:build kafka

package kafka_test

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
)

// A broker appends a batch, its answer is lost, and it dies. Started again, it
// knows the batch from its log, and the repeated one is not appended. Producer
// ids need no transaction coordinator for that.
func TestRestartedBrokerKnowsBatch(t *testing.T) {
	t.Parallel()
	c := startProxied(t, 1)
	proxy := c.proxies[0]
	name := c.createTopic(t, "restart", 1)
	tr := newTraffic(50)
	p := startPublisher(t, c.proxied, name, func(cfg *publisher.Config) {
		cfg.RequestTimeout = 2 * time.Second
	})
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the first batch is delivered", func() bool { return p.Stats().Delivered == tr.flows() })

	proxy.mute.Store(true)
	first := tr.flows()
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the broker has the second", func() bool { return uint64(sum(c.ends(t, name))) == tr.flows() })
	testwait.Until(t, 30*time.Second, "its answer is missed", func() bool { return p.Stats().ProduceErrors["timeout"] > 0 })
	c.kill(t, 1)
	if delivered := p.Stats().Delivered; delivered != first {
		t.Fatalf("%d flows count as delivered, want %d", delivered, first)
	}
	proxy.mute.Store(false)
	c.restart(t, 1)
	testwait.Until(t, 60*time.Second, "the second is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	tr.publish(t, p, 1, 30)
	c.account(t, p, name, tr, terms{})

	var ids []int64
	for _, r := range c.records(t, name, c.ends(t, name))[0] {
		ids = append(ids, r.ProducerID)
	}
	if ids = slices.Compact(ids); len(ids) != 1 || ids[0] < 0 {
		t.Errorf("the producer ids are %v, want one for all", ids)
	}
	if topics := c.topics(t); slices.Contains(topics, "__transaction_state") {
		t.Errorf("the topics are %q: a transaction coordinator was asked for", topics)
	}
}

// A broker appends a batch, its answer is lost, and the broker forgets the producer
// before the batch is repeated. It takes that for a new one, whatever its sequence
// numbers, and nothing tells that it is there twice. By default brokers forget after
// a day, and flows repeated so late are counted; this one does after half an hour.
// It reckons from the messages' own times, and those are an hour old.
func TestBrokerForgetsProducer(t *testing.T) {
	t.Parallel()
	c := startProxied(t, 1, "KAFKA_CONFIG="+writeFile(t, `
producer.id.expiration.ms=1800000
producer.id.expiration.check.interval.ms=200
`))
	name := c.createTopic(t, "forgetful", 1)
	tr := newTraffic(60)
	p := startPublisher(t, c.proxied, name, impatient)
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the first batch is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	c.mute(true)
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the second is stored", func() bool { return uint64(sum(c.ends(t, name))) == tr.flows() })
	testwait.Until(t, 30*time.Second, "its producer is forgotten", func() bool { return c.producers(t, name, 0) == 0 })
	c.mute(false)
	c.account(t, p, name, tr, terms{unnoticed: true})
}

// topics lists the cluster's topics.
func (c *cluster) topics(t *testing.T) []string {
	t.Helper()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = nil // all
	response, err := request.RequestWith(t.Context(), c.admin)
	if err != nil {
		t.Fatalf("listing topics: %v", err)
	}
	var names []string
	for _, topic := range response.Topics {
		names = append(names, *topic.Topic)
	}
	return names
}
