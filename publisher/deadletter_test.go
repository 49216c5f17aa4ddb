package publisher

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/publisher/cluster"
)

const testDead = "dead"

// bury offers n dead letters, whose datagrams are numbers.
func bury(p *Publisher, reason string, n int) {
	for i := range n {
		p.PublishDeadLetter(testExporter(uint64(i)), testReceived(uint64(i)), reason, fmt.Append(nil, i))
	}
}

// lettersAre reports whether the outcomes are these, and all others 0.
func lettersAre(p *Publisher, want map[DeadLetterOutcome]uint64) bool {
	got := p.Stats().DeadLetters
	maps.DeleteFunc(got, func(_ DeadLetterOutcome, n uint64) bool { return n == 0 })
	return maps.Equal(got, want)
}

func wantLetters(t *testing.T, p *Publisher, want map[DeadLetterOutcome]uint64) {
	t.Helper()
	if !lettersAre(p, want) {
		t.Errorf("outcomes of dead letters are %v, want %v", p.Stats().DeadLetters, want)
	}
}

func withDead(c *Config) { c.DeadLetterTopic = testDead }

// A letter is what the documentation says, and where a flow of its exporter
// would be in a topic of as many partitions.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1, kfake.SeedTopics(3, testDead))
	p := startPublisher(t, broker.ListenAddrs(), withDead)
	datagram := []byte("\x00\x09 not version 5")
	p.PublishDeadLetter(netip.MustParseAddrPort("[::ffff:192.0.2.1]:4711"), 1_767_225_600_123_456_789, "version", datagram)
	datagram[0] = 'x' // it was copied
	p.PublishDeadLetter(netip.MustParseAddrPort("[2001:db8::1%eth0]:1"), 1_767_225_600_000_000_000, "short", nil)
	eventually(t, patience, "they are delivered", func() bool {
		return lettersAre(p, map[DeadLetterOutcome]uint64{DeadLetterDelivered: 2})
	})
	got := make(map[string]*kgo.Record)
	for partition, records := range consumeTopic(t, broker.ListenAddrs(), testDead, 2) {
		for _, r := range records {
			got[string(r.Key)] = r
			if want := PartitionerMurmur2.partition(PartitionerMurmur2.hash(r.Key), 3); int(partition) != want {
				t.Errorf("%s is in partition %d, want %d", r.Key, partition, want)
			}
		}
	}
	want := map[string]string{
		"192.0.2.1":   "\x00\x09 not version 5 at 1767225600123 [{reason version} {receive_time 2026-01-01T00:00:00.123456789Z} {exporter_port 4711}]",
		"2001:db8::1": " at 1767225600000 [{reason short} {receive_time 2026-01-01T00:00:00Z} {exporter_port 1}]",
	}
	for key, content := range want {
		r := got[key]
		if r == nil {
			t.Errorf("there is no letter of %s; letters %v", key, got)
			continue
		}
		if have := fmt.Sprintf("%s at %d %s", r.Value, r.Timestamp.UnixMilli(), r.Headers); have != content {
			t.Errorf("%s:\n got %q\nwant %q", key, have, content)
		}
	}
}

// Each letter that is offered has one outcome, whatever happens.
func TestDeadLetterOutcomes(t *testing.T) {
	t.Parallel()
	fault := func(err *kerr.Error, count int) kfake.Fault {
		return kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: testDead, Err: err, Count: count}
	}
	tests := []struct {
		name  string
		fault kfake.Fault
		sizes map[string]int // of the reasons
		want  map[DeadLetterOutcome]uint64
	}{
		{"delivered", fault(kerr.NotLeaderForPartition, 1), map[string]int{"short": 300}, map[DeadLetterOutcome]uint64{DeadLetterDelivered: 300}},
		// One in a hundred seconds more is what fills the bucket meanwhile.
		{"each reason has its limit", kfake.Fault{Observe: true}, map[string]int{"version": 1000 + 50_000, "short": 1000}, nil},
		{"all refused", fault(kerr.MessageTooLarge, -1), map[string]int{"short": 9}, map[DeadLetterOutcome]uint64{DeadLetterFailed: 9}},
		{"in parts", fault(kerr.MessageTooLarge, 3), map[string]int{"short": 64}, map[DeadLetterOutcome]uint64{DeadLetterDelivered: 64}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1)
			p := startPublisher(t, broker.ListenAddrs(), withDead)
			broker.Fault(tt.fault)
			var offered uint64
			for reason, n := range tt.sizes {
				bury(p, reason, n)
				offered += uint64(n)
			}
			// The topic comes when all wait, so that they go together.
			if err := broker.CreateTopic(testDead, 1, nil); err != nil {
				t.Fatal(err)
			}
			p.cluster.Refresh()
			eventually(t, 20*time.Second, "each has an outcome", func() bool {
				var sum uint64
				for _, n := range p.Stats().DeadLetters {
					sum += n
				}
				return sum == offered
			})
			if tt.want != nil {
				wantLetters(t, p, tt.want)
			} else if got := p.Stats().DeadLetters; got[DeadLetterRateLimited] < 49_000 || got[DeadLetterDelivered] < 2*1000 {
				t.Errorf("outcomes %v, want the bursts of both reasons delivered, and nearly all of the rest not", got)
			}
		})
	}
}

// While Kafka is away letters wait in memory that is bounded and not the flows';
// flows wait for nothing but Kafka.
func TestDeadLettersWait(t *testing.T) {
	t.Parallel()
	address, port := reserveAddress(t)
	p := startPublisher(t, []string{address}, withDead)
	const size = 8 << 10
	for i := range uint64(1000) {
		p.PublishDeadLetter(testExporter(i), testReceived(i), "short", make([]byte, size))
	}
	const kept = (4 << 20) / (size + 512)
	full := map[DeadLetterOutcome]uint64{DeadLetterBufferFull: 1000 - kept}
	wantLetters(t, p, full)
	if s := p.Stats(); s.BufferBytes != 0 {
		t.Errorf("%d bytes of the flows' budget are taken", s.BufferBytes)
	}
	startBroker(t, 1, kfake.Ports(port), kfake.SeedTopics(4, testDead))
	full[DeadLetterDelivered] = kept
	eventually(t, patience, "what waited is delivered", func() bool { return lettersAre(p, full) })
}

// A topic for dead letters that is missing keeps nothing from being ready or
// delivered, is told with its cure, and holds up the end only a little.
func TestDeadLetterTopicIsMissing(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		withDead(c)
		c.Logger = log.Logger()
	})
	bury(p, "short", 10)
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	n := publish(t, p, 0, 100, 30)
	eventually(t, patience, "flows are delivered", func() bool { return p.Stats().Delivered == n })
	if !log.Has("kafka-topics.sh --bootstrap-server " + broker.ListenAddrs()[0] + " --create --topic " + testDead) {
		t.Error("the command that creates the topic is not told")
	}
	began := time.Now()
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("closing: %v; dead letters are no flows", err)
	}
	if took := time.Since(began); took > 2*time.Second+2*time.Second {
		t.Errorf("closing took %v", took)
	}
	wantLetters(t, p, map[DeadLetterOutcome]uint64{DeadLetterFailed: 10})
	bury(p, "short", 1)
	wantLetters(t, p, map[DeadLetterOutcome]uint64{DeadLetterFailed: 11})
}

// Letters offered just before the end are delivered, and the topic is created if
// topics are.
func TestDeadLettersAtTheEnd(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		withDead(c)
		c.CreateTopic = cluster.TopicShape{Partitions: 2, Replicas: 1}
	})
	bury(p, "short", 1)
	eventually(t, 15*time.Second, "the topic is created", func() bool { return p.Stats().DeadLetters[DeadLetterDelivered] == 1 })
	bury(p, "short", 200)
	closeWithin(t, p, patience)
	wantLetters(t, p, map[DeadLetterOutcome]uint64{DeadLetterDelivered: 201})
}

// Without a topic for them, and after the end, nothing is done.
func TestNoDeadLetters(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	bury(p, "short", 10)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(ended); err != nil {
		t.Error(err)
	}
	wantLetters(t, p, map[DeadLetterOutcome]uint64{})
}

func TestDeadLetterMistakes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "", "dead": "", "a/b": "cannot exist in Kafka", "flows": "is one of those for flow records", "customer": "is one of those"} {
		c := DefaultConfig()
		c.Brokers, c.DeadLetterTopic = []string{"a:9092"}, name
		routed(&c)
		if err := c.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", name, err, want)
		}
	}
}

// Without acknowledgements letters share one connection with flow records, so they
// ask for none either: a broker that keeps an answer back would hold both up.
func TestDeadLettersAreAcknowledgedAsFlowsAre(t *testing.T) {
	t.Parallel()
	for _, acks := range []Acks{AcksAll, AcksLeader, AcksNone} {
		t.Run(fmt.Sprint(acks), func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1, kfake.SeedTopics(1, testDead))
			asked := make(chan int16, 1)
			broker.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				if request, ok := r.(*kmsg.ProduceRequest); ok {
					asked <- request.Acks
				}
				return nil, nil, false
			})
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
				withDead(c)
				c.Acks, c.Idempotent = acks, acks == AcksAll
			})
			bury(p, "short", 1)
			if got := <-asked; got != int16(acks) {
				t.Errorf("letters ask for %d acknowledgements, flows for %d", got, acks)
			}
			eventually(t, patience, "the letter is delivered", func() bool {
				return lettersAre(p, map[DeadLetterOutcome]uint64{DeadLetterDelivered: 1})
			})
		})
	}
}
