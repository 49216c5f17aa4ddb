//go:build kafka

package kafka_test

import (
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// load of the tests below, in flows a second.
const steady = 5_000

// TestThreeBrokers takes brokers away under a steady load, one way after the
// other. Topics have three replicas and need two. Whatever happens, each flow is
// delivered once, in its exporter's order, and no flow is dropped or called
// doubtful.
func TestThreeBrokers(t *testing.T) {
	c := startCluster(t, 3)
	t.Run("CollectorKilled", c.collectorKilled)
	t.Run("LeaderMoves", c.leaderMoves)
	t.Run("MinInsyncWarning", c.minInsyncWarning)
	t.Run("LeaderKilled", c.leaderKilled)
	t.Run("LeaderPaused", c.leaderPaused)
	t.Run("TooFewReplicas", c.tooFewReplicas)
	t.Run("AllBrokersGone", c.allBrokersGone)
}

// underLoad publishes a steady stream to a new topic while faults happen, and
// checks what arrived.
func (c *cluster) underLoad(t *testing.T, network byte, change func(*publisher.Config), faults func(topic string, p *publisher.Publisher)) {
	t.Helper()
	name := c.createTopic(t, "faults", 6)
	tr := newTraffic(network)
	p := startPublisher(t, c.brokers, name, change)
	awaitReady(t, p)
	stop := tr.load(t, p, steady)
	awaitMore(t, p)
	faults(name, p)
	awaitMore(t, p)
	stop()
	closeExactly(t, p, tr.flows())
	tr.checkFlows(t, readWithFranzGo(t, c, name, c.ends(t, name)), 1)
}

// awaitMore waits until a second's load more is delivered than is now.
func awaitMore(t *testing.T, p *publisher.Publisher) {
	t.Helper()
	before := p.Stats().Delivered
	eventually(t, 60*time.Second, "more flows are delivered", func() bool {
		return p.Stats().Delivered >= before+steady
	})
}

// A partition gets another leader, as in a rolling update: it is found within
// two seconds, though the client by itself asks only every five on average.
func (c *cluster) leaderMoves(t *testing.T) {
	name := c.createTopic(t, "moves", 1)
	tr := newTraffic(40)
	p := startPublisher(t, c.brokers, name, nil)
	awaitReady(t, p)
	var took []time.Duration
	for range 3 {
		tr.publish(t, p, 1, 30)
		eventually(t, 30*time.Second, "all is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
		c.moveLeader(t, name, 0)
		tr.publish(t, p, 1, 30)
		took = append(took, eventually(t, 30*time.Second, "the new leader has all", func() bool {
			return p.Stats().Delivered == tr.flows()
		}))
	}
	slices.Sort(took)
	if median := took[1]; median > 2*time.Second {
		t.Errorf("the new leader was found after %v, want 2s at most", median)
	}
	s := closeExactly(t, p, tr.flows())
	if s.ProduceErrors["not_leader"] == 0 {
		t.Errorf("errors %v, want the old leader's refusals", s.ProduceErrors)
	}
	tr.checkFlows(t, readWithFranzGo(t, c, name, c.ends(t, name)), 1)
}

// A topic that counts a flow as stored when one of three brokers has it is
// warned of.
func (c *cluster) minInsyncWarning(t *testing.T) {
	name := c.createTopic(t, "insync", 1, "min.insync.replicas", "1")
	p := startPublisher(t, c.brokers, name, nil)
	eventually(t, 30*time.Second, "the warning stands", func() bool { return p.Stats().TopicWarnings["min_insync_replicas"] })
	if warnings := p.Stats().TopicWarnings; warnings["one_replica"] || warnings["compaction"] {
		t.Errorf("warnings %v, want that of min.insync.replicas only", warnings)
	}
}

// A broker dies and comes back.
func (c *cluster) leaderKilled(t *testing.T) {
	c.underLoad(t, 41, nil, func(topic string, p *publisher.Publisher) {
		id := c.leader(t, topic, 0)
		c.kill(t, id)
		pass(t, 5*time.Second)
		awaitMore(t, p)
		c.restart(t, id)
	})
}

// A broker stands still for 15 seconds or more, longer than requests wait for it.
// The others take over while it does.
func (c *cluster) leaderPaused(t *testing.T) {
	impatient := func(cfg *publisher.Config) { cfg.RequestTimeout = 3 * time.Second }
	c.underLoad(t, 42, impatient, func(topic string, p *publisher.Publisher) {
		id := c.leader(t, topic, 0)
		c.pause(t, id)
		t.Cleanup(func() { c.resume(t, id) })
		began := time.Now()
		eventually(t, 60*time.Second, "flows wait", func() bool { return p.Stats().Buffered > 2*steady })
		eventually(t, 60*time.Second, "the others have what waited", func() bool { return p.Stats().Buffered < steady })
		t.Logf("the others have taken over after %v", time.Since(began))
		pass(t, 15*time.Second-time.Since(began))
		c.resume(t, id)
	})
}

// Two brokers of three die, and with them the majority: nothing can be stored
// until one is back.
func (c *cluster) tooFewReplicas(t *testing.T) {
	c.underLoad(t, 43, nil, func(_ string, _ *publisher.Publisher) {
		c.kill(t, 2)
		c.kill(t, 3)
		pass(t, 8*time.Second)
		c.restart(t, 2, 3)
	})
}

// All brokers die and come back.
func (c *cluster) allBrokersGone(t *testing.T) {
	c.underLoad(t, 44, nil, func(_ string, p *publisher.Publisher) {
		for id := range int32(3) {
			c.kill(t, id+1)
		}
		delivered := p.Stats().Delivered
		pass(t, 15*time.Second)
		if now := p.Stats().Delivered; now > delivered+steady {
			t.Errorf("%d flows were delivered to nobody", now-delivered)
		}
		c.restart(t, 1, 2, 3)
	})
}
