//go:build kafka

package kafka_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
)

// rate of the loads below, in flows a second.
const rate = 20_000

// TestThreeBrokers takes brokers away, and the network to them, under a steady
// load, one way after the other. Topics have three replicas and need two. Whatever
// happens, each flow is delivered once, in its exporter's order, and no flow is
// dropped or called doubtful, unless the row says so.
func TestThreeBrokers(t *testing.T) {
	c := startProxied(t, 3)
	// These measure time, with the machine for themselves.
	t.Run("CollectorKilled", c.collectorKilled)
	t.Run("LeaderMoves", c.leaderMoves)
	t.Parallel()
	t.Run("MinInsyncWarning", c.minInsyncWarning)
	t.Run("PreferredElection", c.preferredElection)
	t.Run("NetworkCut", c.networkCut)
	t.Run("AnswersLost", c.answersLost)
	t.Run("AnswersLostNotIdempotent", c.answersLostNotIdempotent)
	t.Run("FencedAfterLostAnswer", c.fencedAfterLostAnswer)
	t.Run("AdvertisedUnreachable", c.advertisedUnreachable)
	// These start brokers again, which is quicker once other tests have ended.
	t.Run("LeaderKilled", c.leaderKilled)
	t.Run("PartitionWithoutLeader", c.partitionWithoutLeader)
	t.Run("NotEnoughReplicas", c.notEnoughReplicas)
	t.Run("TooFewReplicas", c.tooFewReplicas)
	t.Run("RollingRestart", c.rollingRestart)
	t.Run("SlowNetwork", c.slowNetwork)
	// These run at the same time: brokers and network stay as they are.
	t.Run("ProducerFenced", c.producerFenced)
	t.Run("NameResolvesLater", c.nameResolvesLater)
	t.Run("TopicCreatedLater", c.topicCreatedLater)
	t.Run("TopicCreatedAnew", c.topicCreatedAnew)
	t.Run("PartitionsAdded", c.partitionsAdded)
	t.Run("SmallMessages", c.smallMessages)
	t.Run("TimeRefused", c.timeRefused)
	t.Run("ClientSlowedDown", c.clientSlowedDown)
}

// TestLongOutages has the rows that last: a minute without brokers, and a broker
// that stands still for longer than any request waits, with every setting at its
// default but the linger.
func TestLongOutages(t *testing.T) { //nolint:tparallel // one row would take the brokers from the other
	t.Parallel()
	c := startCluster(t, 3)
	t.Run("LeaderPaused", c.leaderPaused)
	t.Run("AllBrokersGone", c.allBrokersGone)
}

// load is a steady stream to a topic.
type load struct {
	network byte
	brokers []string
	change  func(*publisher.Config)
	// create makes the topic; one of six partitions if nil.
	create  func() string
	allowed terms
	errors  []string // by name, of which some attempts are to fail
}

// underLoad has faults happen while a stream flows, and accounts for it.
func (c *cluster) underLoad(t *testing.T, l load, faults func(topic string, p *publisher.Publisher)) {
	t.Helper()
	s := c.begin(t, l)
	faults(s.topic, s.p)
	s.end(t)
}

// flowing is a load that has begun.
type flowing struct {
	load
	c     *cluster
	topic string
	tr    traffic
	p     *publisher.Publisher
	stop  func()
}

func (c *cluster) begin(t *testing.T, l load) *flowing {
	t.Helper()
	if l.create == nil {
		l.create = func() string { return c.createTopic(t, "faults", 6) }
	}
	if l.brokers == nil {
		l.brokers = c.brokers
	}
	s := &flowing{load: l, c: c, topic: l.create(), tr: newTraffic(l.network)}
	s.p = startPublisher(t, l.brokers, s.topic, l.change)
	awaitReady(t, s.p)
	s.stop = s.tr.load(t, s.p, rate)
	awaitMore(t, s.p, rate)
	return s
}

// end accounts for a stream once more of it has been delivered.
func (s *flowing) end(t *testing.T) {
	t.Helper()
	awaitMore(t, s.p, rate)
	s.stop()
	stats := s.c.account(t, s.p, s.topic, s.tr, s.allowed)
	seen := maps.Clone(stats.ProduceErrors)
	maps.DeleteFunc(seen, func(_ string, n uint64) bool { return n == 0 })
	t.Logf("attempts that failed: %v", seen)
	for _, name := range s.errors {
		if seen[name] == 0 {
			t.Errorf("no attempt failed with %s", name)
		}
	}
}

// awaitMore waits until so many more flows are delivered than are now.
func awaitMore(t *testing.T, p *publisher.Publisher, flows int) {
	t.Helper()
	before := p.Stats().Delivered
	testwait.Until(t, 60*time.Second, "more flows are delivered", func() bool {
		return p.Stats().Delivered >= before+uint64(flows)
	})
}

// awaitError waits until an attempt has failed with an error.
func awaitError(t *testing.T, p *publisher.Publisher, name string, limit time.Duration) {
	t.Helper()
	testwait.Until(t, limit, "an attempt fails with "+name, func() bool { return p.Stats().ProduceErrors[name] > 0 })
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
		testwait.Until(t, 30*time.Second, "all is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
		c.moveLeader(t, name, 0)
		tr.publish(t, p, 1, 30)
		took = append(took, testwait.Until(t, 30*time.Second, "the new leader has all", func() bool {
			return p.Stats().Delivered == tr.flows()
		}))
	}
	slices.Sort(took)
	if median := took[1]; median > 2*time.Second {
		t.Errorf("the new leader was found after %v, want 2s at most", median)
	}
	s := c.account(t, p, name, tr, terms{})
	if s.ProduceErrors["not_leader"] == 0 {
		t.Errorf("errors %v, want the old leader's refusals", s.ProduceErrors)
	}
}

// A topic that counts a flow as stored when one of three brokers has it is
// warned of.
func (c *cluster) minInsyncWarning(t *testing.T) {
	name := c.createTopic(t, "insync", 1, "min.insync.replicas", "1")
	p := startPublisher(t, c.brokers, name, nil)
	testwait.Until(t, 30*time.Second, "the warning stands", func() bool { return p.Stats().TopicWarnings["min_insync_replicas"] })
	if warnings := p.Stats().TopicWarnings; warnings["one_replica"] || warnings["compaction"] {
		t.Errorf("warnings %v, want that of min.insync.replicas only", warnings)
	}
}

// The leaders of all partitions change at the same time, to those that should
// lead.
func (c *cluster) preferredElection(t *testing.T) {
	l := load{network: 45, errors: []string{"not_leader"}}
	c.underLoad(t, l, func(topic string, p *publisher.Publisher) {
		for number := range int32(6) {
			replicas := c.partitions(t, topic)[number].Replicas
			c.reassign(t, topic, number, append(replicas[1:], replicas[0]))
		}
		before := p.Stats().ProduceErrors["not_leader"]
		c.electPreferred(t, topic)
		testwait.Until(t, 30*time.Second, "old leaders refuse", func() bool { return p.Stats().ProduceErrors["not_leader"] > before })
	})
}

// electPreferred has each partition of a topic led by the first of its replicas.
func (c *cluster) electPreferred(t *testing.T, name string) {
	t.Helper()
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic = name
	for number := range c.partitions(t, name) {
		topic.Partitions = append(topic.Partitions, int32(number))
	}
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Topics = append(elect.Topics, topic)
	testwait.Until(t, 20*time.Second, "the preferred replicas lead", func() bool {
		if _, err := elect.RequestWith(t.Context(), c.admin); err != nil {
			t.Fatalf("electing leaders of topic %s: %v", name, err)
		}
		return !slices.ContainsFunc(c.partitions(t, name), func(p kmsg.MetadataResponseTopicPartition) bool {
			return p.Leader != p.Replicas[0]
		})
	})
}

// Each broker ends properly and is started again, as in an update of the cluster:
// it hands its partitions over before it ends.
func (c *cluster) rollingRestart(t *testing.T) {
	c.underLoad(t, load{network: 46, errors: []string{"not_leader"}}, func(topic string, p *publisher.Publisher) {
		for id := range int32(3) {
			c.end(t, id+1)
			awaitMore(t, p, rate)
			c.restart(t, id+1)
			c.awaitInSync(t, topic)
		}
	})
}

// A broker dies and comes back.
func (c *cluster) leaderKilled(t *testing.T) {
	c.underLoad(t, load{network: 41, errors: []string{"connection_lost", "connection_refused"}}, func(topic string, p *publisher.Publisher) {
		id := c.leader(t, topic, 0)
		c.kill(t, id)
		pass(t, 5*time.Second)
		awaitMore(t, p, rate)
		c.restart(t, id)
	})
}

// The only replica of a partition is on a broker that ends, while the other two go
// on: what is in other partitions is delivered, what is in that one waits.
func (c *cluster) partitionWithoutLeader(t *testing.T) {
	const id = 2
	create := func() string {
		name := c.createTopic(t, "leaderless", 6)
		c.reassign(t, name, 0, []int32{id})
		testwait.Until(t, 30*time.Second, "a partition has one replica", func() bool { return len(c.partitions(t, name)[0].Replicas) == 1 })
		return name
	}
	c.underLoad(t, load{network: 47, create: create}, func(topic string, p *publisher.Publisher) {
		c.end(t, id) // killed, it might not be let lead again: the cluster cannot know that its log is whole
		awaitError(t, p, "no_leader", 30*time.Second)
		wantFound(t, checkConfig(c.brokers, topic, nil),
			"broker "+c.brokers[id-1]+": no connection to "+c.brokers[id-1]+": connection refused (nothing listens there",
			"topic "+topic+": 1 of 6 partitions without a leader: 0 (the partition is without a broker")
		awaitMore(t, p, 3*rate)
		if waiting := p.Stats().Buffered; waiting < rate/4 {
			t.Errorf("%d flows wait: those without a leader should", waiting)
		}
		c.restart(t, id)
	})
}

// One broker dies, and the topic needs all three: the leaders refuse what comes.
func (c *cluster) notEnoughReplicas(t *testing.T) {
	create := func() string { return c.createTopic(t, "allinsync", 6, "min.insync.replicas", "3") }
	c.underLoad(t, load{network: 48, create: create}, func(topic string, p *publisher.Publisher) {
		c.kill(t, 3)
		awaitError(t, p, "not_enough_replicas", 30*time.Second)
		wantFound(t, checkConfig(c.brokers, topic, nil),
			"broker "+c.brokers[2]+": no connection",
			"settings of topic "+topic+": a partition has 2 replicas in sync, and min.insync.replicas is 3 (fewer replicas are in sync")
		delivered := p.Stats().Delivered
		pass(t, 5*time.Second)
		if now := p.Stats().Delivered; now > delivered+rate {
			t.Errorf("%d flows count as delivered without the third replica", now-delivered)
		}
		c.restart(t, 3)
	})
}

// Two brokers of three die, and with them the majority: nothing can be stored
// until one is back.
func (c *cluster) tooFewReplicas(t *testing.T) {
	c.underLoad(t, load{network: 43, errors: []string{"connection_refused"}}, func(_ string, _ *publisher.Publisher) {
		c.kill(t, 2)
		c.kill(t, 3)
		pass(t, 8*time.Second)
		c.restart(t, 2, 3)
	})
}

// A broker stands still for 40 seconds or more, longer than the 30 that requests
// wait for it. The others take over while it does.
func (c *cluster) leaderPaused(t *testing.T) {
	c.underLoad(t, load{network: 42, errors: []string{"timeout"}}, func(topic string, p *publisher.Publisher) {
		id := c.leader(t, topic, 0)
		c.pause(t, id)
		t.Cleanup(func() { c.resume(t, id) })
		began := time.Now()
		awaitError(t, p, "timeout", 60*time.Second)
		testwait.Until(t, 60*time.Second, "the others have what waited", func() bool { return p.Stats().Buffered < rate })
		t.Logf("the others have taken over after %v", time.Since(began))
		wantFound(t, checkConfig(c.brokers, topic, nil), "broker "+c.brokers[id-1]+": the broker did not answer in time")
		pass(t, 40*time.Second-time.Since(began))
		c.resume(t, id)
	})
}

// All brokers die and come back after a minute. The default budget has room for
// what comes meanwhile. Of another publisher, whose budget has not, the newest
// flows are dropped.
func (c *cluster) allBrokersGone(t *testing.T) {
	roomy := c.begin(t, load{network: 44, errors: []string{"connection_refused"}})
	tight := c.begin(t, load{network: 49, allowed: terms{overflow: true}, change: func(cfg *publisher.Config) {
		cfg.BufferBytes = 16 << 20
	}})
	for id := range int32(3) {
		c.kill(t, id+1)
	}
	wantFound(t, checkConfig(c.brokers, roomy.topic, nil), "broker "+c.brokers[0], "broker "+c.brokers[1], "broker "+c.brokers[2])
	delivered := roomy.p.Stats().Delivered
	pass(t, time.Minute)
	s := roomy.p.Stats()
	if s.Delivered > delivered+rate {
		t.Errorf("%d flows were delivered to nobody", s.Delivered-delivered)
	}
	t.Logf("%d flows wait in %d of %d MiB", s.Buffered, s.BufferBytes>>20, s.BufferLimitBytes>>20)
	c.restart(t, 1, 2, 3)
	t.Run("DefaultBudget", roomy.end)
	t.Run("SmallBudget", tight.end)
}
