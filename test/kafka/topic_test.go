//go:build kafka

package kafka_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
	kafkacluster "github.com/flowpub/flowpub/publisher/cluster"
)

// Keys go to the partitions that other producers choose for them: Kafka's own,
// and librdkafka with either of its two ways.
func (c *cluster) partitionsAsOthersChoose(t *testing.T) {
	t.Parallel()
	const partitions = 7
	var keys []*exporter
	var lines strings.Builder
	for i := range 300 {
		e := newExporter(20, 37*i, i%2 == 1)
		keys = append(keys, e)
		fmt.Fprintf(&lines, "%s,flow\n", e.from.Addr())
	}
	for name, other := range map[string]struct {
		partitioner publisher.Partitioner
		write       func(t *testing.T, c *cluster, topic, lines string)
	}{
		"Java":               {publisher.PartitionerMurmur2, writeWithJava},
		"librdkafka":         {publisher.PartitionerCRC32, writeWithKcat},
		"librdkafka murmur2": {publisher.PartitionerMurmur2, writeWithKcatMurmur2},
	} {
		t.Run(name, func(t *testing.T) {
			theirs, ours := c.createTopic(t, "theirs", partitions), c.createTopic(t, "ours", partitions)
			other.write(t, c, theirs, lines.String())
			p := startPublisher(t, c.brokers, ours, func(cfg *publisher.Config) { cfg.Partitioner = other.partitioner })
			traffic(keys).publish(t, p, 1, 1)
			closeExactly(t, p, uint64(len(keys)))

			want, got := c.homes(t, theirs), c.homes(t, ours)
			if len(want) != len(keys) {
				t.Fatalf("%d keys were written, want %d", len(want), len(keys))
			}
			for key, partition := range want {
				if got[key] != partition {
					t.Errorf("%s is in partition %d, others put it in %d", key, got[key], partition)
				}
			}
		})
	}
}

// writeWithJava publishes a message for each line: key, comma, value.
func writeWithJava(t *testing.T, c *cluster, topic, lines string) {
	t.Helper()
	needJava(t)
	c.script(t, nil, lines, "produce", topic, "--reader-property", "parse.key=true", "--reader-property", "key.separator=,")
}

func writeWithKcat(t *testing.T, c *cluster, topic, lines string) {
	t.Helper()
	c.kcat(t, lines, "-P", "-t", topic, "-K", ",")
}

func writeWithKcatMurmur2(t *testing.T, c *cluster, topic, lines string) {
	t.Helper()
	c.kcat(t, lines, "-P", "-t", topic, "-K", ",", "-X", "topic.partitioner=murmur2")
}

// homes returns the partition of each key in a topic.
func (c *cluster) homes(t *testing.T, name string) map[string]int {
	t.Helper()
	homes := make(map[string]int)
	for number, messages := range readWithFranzGo(t, c, name, c.ends(t, name)) {
		for _, m := range messages {
			homes[string(m.key)] = number
		}
	}
	return homes
}

// What is published before there is a topic is delivered once there is one.
func (c *cluster) topicCreatedLater(t *testing.T) {
	t.Parallel()
	name := newName("later")
	tr := newTraffic(21)
	p := startPublisher(t, c.brokers, name, nil)
	tr.publish(t, p, 100, 30)
	testwait.Until(t, 30*time.Second, "the missing topic is named", func() bool {
		missing := strings.Join(p.Missing(), "; ")
		return strings.Contains(missing, name) && strings.Contains(missing, "Unknown Topic Or Partition")
	})
	wantFound(t, checkConfig(c.brokers, name, nil), "topic "+name+": it does not exist (create it: kafka-topics.sh ")
	c.createNamed(t, name, 3)
	testwait.Until(t, 30*time.Second, "all is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	tr.publish(t, p, 10, 30)
	c.account(t, p, name, tr, terms{})
}

// Replicas that want the same topic create it together, as they were told to.
func (c *cluster) topicCreatedByPublisher(t *testing.T) {
	t.Parallel()
	name := newName("wanted")
	trs := []traffic{newTraffic(28), newTraffic(29)}
	var replicas []*publisher.Publisher
	for _, tr := range trs {
		p := startPublisher(t, c.brokers, name, func(cfg *publisher.Config) {
			cfg.CreateTopic = kafkacluster.TopicShape{Partitions: 5, Replicas: 1}
		})
		tr.publish(t, p, 10, 30)
		replicas = append(replicas, p)
	}
	for i, p := range replicas {
		awaitReady(t, p)
		if got := closeExactly(t, p, trs[i].flows()).Partitions; got != 5 {
			t.Errorf("the topic has %d partitions, want 5", got)
		}
	}
	tr := slices.Concat(trs...)
	tr.checkFlows(t, readWithFranzGo(t, c, name, c.ends(t, name)), 1)
}

// More replicas than brokers: the reason is what is missing, and nothing is
// created until somebody does it otherwise.
func (c *cluster) topicCannotBeCreated(t *testing.T) {
	t.Parallel()
	name := newName("impossible")
	tr := newTraffic(30)
	p := startPublisher(t, c.brokers, name, func(cfg *publisher.Config) {
		cfg.CreateTopic = kafkacluster.TopicShape{Partitions: 1, Replicas: 100}
	})
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the reason is told", func() bool {
		missing := strings.Join(p.Missing(), "; ")
		return strings.Contains(missing, name) && strings.Contains(missing, "Invalid Replication Factor")
	})
	wantFound(t, checkConfig(c.brokers, name, func(cfg *publisher.Config) {
		cfg.CreateTopic = kafkacluster.TopicShape{Partitions: 1, Replicas: 100}
	}), "topic "+name+": it does not exist and cannot be created: [38] Invalid Replication Factor")
	c.createNamed(t, name, 1)
	awaitReady(t, p)
	closeExactly(t, p, tr.flows())
}

// Two topics: the flows of one go on, at their rate, while the other is created
// late and deleted later, and nothing of either is in the other.
func (c *cluster) topicsAreApart(t *testing.T) {
	t.Parallel()
	steady, troubled := c.createTopic(t, "steady", 3), newName("troubled")
	tr, customer := newTraffic(31), newTraffic(32)
	p := startPublisher(t, c.brokers, steady, func(cfg *publisher.Config) {
		cfg.Routes = routesOf(32, troubled)
	})
	customer.publish(t, p, 10, 30)
	stop := tr.load(t, p, 5000)
	goOn := func(what string) {
		had := sum(c.ends(t, steady))
		took := testwait.Until(t, 30*time.Second, what, func() bool { return sum(c.ends(t, steady)) > had+2500 })
		if took > 5*time.Second {
			t.Errorf("%s: 2,500 flows took %v, want half a second", what, took)
		}
	}
	goOn("flows go on while the other topic is missing")
	if missing := p.Missing(); len(missing) != 1 || !strings.Contains(missing[0], troubled) {
		t.Errorf("missing %q, want topic %s", missing, troubled)
	}
	c.createNamed(t, troubled, 2)
	awaitReady(t, p)
	testwait.Until(t, 30*time.Second, "what waited is delivered", func() bool { return uint64(sum(c.ends(t, troubled))) == customer.flows() })
	customer.checkFlows(t, readWithFranzGo(t, c, troubled, c.ends(t, troubled)), 1)

	c.deleteTopic(t, troubled)
	gone := newTraffic(32)
	gone.publish(t, p, 10, 30)
	testwait.Until(t, 30*time.Second, "the topic is missed", func() bool { return p.Stats().ProduceErrors["unknown_topic_or_partition"] > 0 })
	goOn("flows go on when the other topic is deleted")
	c.createNamed(t, troubled, 2)
	stop()
	closeExactly(t, p, tr.flows()+customer.flows()+gone.flows())
	tr.checkFlows(t, readWithFranzGo(t, c, steady, c.ends(t, steady)), 1)
	gone.checkFlows(t, readWithFranzGo(t, c, troubled, c.ends(t, troubled)), 1)
}

// A topic deleted and created anew has lost what it had, and gets all that comes
// after. What came meanwhile may still have gone to the one that was deleted.
func (c *cluster) topicCreatedAnew(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "anew", 3)
	before, meanwhile, after := newTraffic(22), newTraffic(24)[:1], newTraffic(23)
	p := startPublisher(t, c.brokers, name, nil)
	before.publish(t, p, 10, 30)
	testwait.Until(t, 30*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == before.flows() })
	c.deleteTopic(t, name)
	testwait.Until(t, 30*time.Second, "the topic is missed", func() bool {
		if err := meanwhile[0].publish(p, 1); err != nil {
			t.Fatal(err)
		}
		return p.Stats().ProduceErrors["unknown_topic_or_partition"] > 0
	})
	c.createNamed(t, name, 3)
	after.publish(t, p, 10, 30)
	sent := before.flows() + meanwhile.flows() + after.flows()
	s := closeExactly(t, p, sent)
	got := c.tally(t, name, slices.Concat(meanwhile, after), 1)
	if got.copies > 0 {
		t.Errorf("the topic has %d copies, want none", got.copies)
	}
	for _, e := range after {
		if missing := slices.Index(got.exporters[e.from.Addr().String()].times, 0); missing >= 0 {
			t.Errorf("flow %d of %s is missing", missing, e.from)
		}
	}
	report(t, sent, s, got)
}

// Partitions are added while flows come in: exporters that move to one leave
// nothing behind that is older.
func (c *cluster) partitionsAdded(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "added", 2)
	tr := newTraffic(24)
	p := startPublisher(t, c.brokers, name, nil)
	awaitReady(t, p)
	stop := tr.load(t, p, 5000)
	testwait.Until(t, 30*time.Second, "some flows are delivered", func() bool { return p.Stats().Delivered > 1000 })
	c.addPartitions(t, name, 7)
	testwait.Until(t, 30*time.Second, "the new partitions are known", func() bool { return p.Stats().Partitions == 7 })
	known := p.Stats().Delivered
	testwait.Until(t, 30*time.Second, "more flows are delivered", func() bool { return p.Stats().Delivered > known+5000 })
	stop()
	c.account(t, p, name, tr, terms{homes: 2})
	ends := c.ends(t, name)
	tr.checkFlows(t, readWithFranzGo(t, c, name, ends), 2) // which has an eye for where the pieces meet
	if sum(ends[2:]) == 0 {
		t.Errorf("the new partitions are empty: %v", ends)
	}
}

// Batches fit a topic that takes only small ones: made so from the start, or
// split when the broker refuses them because the topic has changed.
func (c *cluster) smallMessages(t *testing.T) {
	t.Parallel()
	for _, changed := range []bool{false, true} {
		var config []string
		if !changed {
			config = []string{"max.message.bytes", "20000"}
		}
		name := c.createTopic(t, "small", 1, config...)
		tr := newTraffic(25)
		p := startPublisher(t, c.brokers, name, nil)
		testwait.Until(t, 30*time.Second, "the topic is checked", func() bool {
			return p.Stats().TopicWarnings["max_message_bytes"] || changed && p.Stats().Partitions > 0
		})
		tr.publish(t, p, 1, 30)
		testwait.Until(t, 30*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == tr.flows() })
		if changed {
			c.setTopic(t, name, "max.message.bytes", "20000")
		}
		tr.publish(t, p, 100, 30)
		s := c.account(t, p, name, tr, terms{})
		if refused := s.ProduceErrors["message_too_large"]; (refused > 0) != changed {
			t.Errorf("changed while running: %v, %d batches were refused", changed, refused)
		}
	}
}

// A compacted topic is warned of, and one with a single replica; flows are
// delivered to it all the same.
func (c *cluster) topicWarnings(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "compacted", 1, "cleanup.policy", "compact")
	replicas := len(c.partitions(t, name)[0].Replicas)
	tr := newTraffic(26)
	p := startPublisher(t, c.brokers, name, nil)
	testwait.Until(t, 30*time.Second, "the warning stands", func() bool { return p.Stats().TopicWarnings["compaction"] })
	want := map[string]bool{
		"compaction": true, "one_replica": replicas == 1, "min_insync_replicas": false, "max_message_bytes": false,
	}
	if got := p.Stats().TopicWarnings; replicas == 1 && !maps.Equal(got, want) {
		t.Errorf("warnings %v, want %v", got, want)
	}
	tr.publish(t, p, 1, 30)
	closeExactly(t, p, tr.flows())
}

// A receive time that the broker takes for wrong costs the batch, not what comes
// after.
func (c *cluster) timeRefused(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "ahead", 1, "message.timestamp.before.max.ms", "600000")
	tr := newTraffic(27) // their receive times begin an hour ago
	p := startPublisher(t, c.brokers, name, nil)
	awaitReady(t, p)
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 60*time.Second, "the batch is given up", func() bool {
		return p.Stats().Dropped[publisher.DropRefused] == tr.flows()
	})
	if errors := p.Stats().ProduceErrors; errors["invalid_timestamp"] != 5 {
		t.Errorf("errors %v, want the timestamp refused five times", errors)
	}
	// The broker may learn of it late, and refuse what comes next once more.
	c.setTopic(t, name, "message.timestamp.before.max.ms", "86400000")
	later := newTraffic(28)
	later.publish(t, p, 1, 30)
	testwait.Until(t, 60*time.Second, "the rest is delivered", func() bool { return p.Stats().Delivered == later.flows() })
	s := p.Stats()
	checkLedger(t, s)
	got := c.tally(t, name, later, 1)
	if got.different != later.flows() || got.copies > 0 {
		t.Errorf("the topic has %d flows, %d copies, want %d", got.different, got.copies, later.flows())
	}
	report(t, tr.flows()+later.flows(), s, got)
}

// A broker that slows us down is left alone for as long as it asks: it would
// not read a request before, and the request would time out.
func (c *cluster) clientSlowedDown(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "slow", 1)
	client := newName("slow")
	c.limit(t, client, 30_000)
	tr := newTraffic(29)
	p := startPublisher(t, c.brokers, name, func(cfg *publisher.Config) {
		cfg.ClientID = client
		cfg.Compression = publisher.CompressionNone
		cfg.RequestTimeout = 3 * time.Second // less than we are slowed down for
	})
	awaitReady(t, p)
	tr.publish(t, p, 7, 30) // 450 kB, where 300 kB may be sent in the first ten seconds
	testwait.Until(t, 60*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	began := time.Now()
	tr.publish(t, p, 1, 30)
	s := c.account(t, p, name, tr, terms{})
	if took := time.Since(began); took < 3*time.Second {
		t.Errorf("all was delivered after %v: the broker did not slow us down", took)
	}
	if s.ProduceErrors["timeout"] > 0 {
		t.Errorf("errors %v, want no time-out", s.ProduceErrors)
	}
}
