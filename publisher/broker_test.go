package publisher

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/flowtest"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

const testTopic = "flows"

// startBroker runs an embedded cluster with the topic.
func startBroker(t *testing.T, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.SeedTopics(partitions, testTopic),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// startPublisher runs a publisher to the brokers, which ends with the test.
func startPublisher(t *testing.T, brokers []string, change func(*Config)) *Publisher {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Brokers = brokers
	cfg.Topic = testTopic
	cfg.Linger = 5 * time.Millisecond
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		p.Close(ended)
	})
	return p
}

// closeWithin closes p and fails the test if anything is given up.
func closeWithin(t *testing.T, p *Publisher, limit time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

// publish hands over the packets with the seeds from..to-1, and returns how
// many records they had.
func publish(t *testing.T, p *Publisher, from, to uint64, records int) uint64 {
	t.Helper()
	for seed := from; seed < to; seed++ {
		if err := p.Publish(testExporter(seed), testReceived(seed), testPacket(seed, records)); err != nil {
			t.Fatalf("packet %d: %v", seed, err)
		}
	}
	return (to - from) * uint64(records)
}

// checkLedger fails the test unless the counts add up.
func checkLedger(t *testing.T, s Stats) {
	t.Helper()
	right := s.Delivered + s.Buffered
	for _, n := range s.Dropped {
		right += n
	}
	if s.Decoded != right {
		t.Errorf("decoded %d, but delivered %d + buffered %d + dropped %v = %d",
			s.Decoded, s.Delivered, s.Buffered, s.Dropped, right)
	}
}

// wantDelivered fails the test unless all of n records were delivered.
func wantDelivered(t *testing.T, p *Publisher, n uint64) {
	t.Helper()
	s := p.Stats()
	checkLedger(t, s)
	if s.Decoded != n || s.Delivered != n {
		t.Errorf("decoded %d, delivered %d, want %d of both; buffered %d, dropped %v",
			s.Decoded, s.Delivered, n, s.Buffered, s.Dropped)
	}
}

// consumed is what an independent client read, one list a partition.
type consumed map[int32][]*kgo.Record

func (c consumed) size() int {
	n := 0
	for _, records := range c {
		n += len(records)
	}
	return n
}

// unframe puts the encoded message in the place of each value. It fails the test unless
// all records have the header, or none, as it should be.
func (c consumed) unframe(t *testing.T, f framing) {
	t.Helper()
	var want []kgo.RecordHeader
	if f.Headers != "" {
		want = []kgo.RecordHeader{{Key: testHeader, Value: []byte(f.Value.String() + "; flow.v1.FlowRecord")}}
	}
	for _, records := range c {
		for _, r := range records {
			if !slices.EqualFunc(r.Headers, want, equalHeaders) {
				t.Fatalf("partition %d, offset %d: headers are %s, want %s", r.Partition, r.Offset, r.Headers, want)
			}
			m, err := flowtest.Read(f.Value.String(), f.Schema, r.Value)
			if err == nil {
				r.Value, err = proto.Marshal(m)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func equalHeaders(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }

// consume reads the topic from its start until it has n records, and then all
// that is there besides.
func consume(t *testing.T, brokers []string, n int) consumed {
	t.Helper()
	return consumeTopic(t, brokers, testTopic, n)
}

func consumeTopic(t *testing.T, brokers []string, topic string, n int) consumed {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	got := make(consumed)
	for limit := 20 * time.Second; ; limit = 150 * time.Millisecond {
		for {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			fetches := client.PollFetches(ctx)
			cancel()
			before := got.size()
			fetches.EachRecord(func(r *kgo.Record) { got[r.Partition] = append(got[r.Partition], r) })
			if got.size() >= n || got.size() == before {
				break
			}
		}
		if got.size() < n || limit < time.Second {
			return got
		}
	}
}

// flowIdentity is what tells one flow record from all others.
type flowIdentity struct {
	exporter string
	sequence uint32
	index    uint32
}

// checkFlows fails the test unless the topic has each of the n records once,
// with its key, and those of an exporter in order and in one partition, in as
// many as may hold them.
func checkFlows(t *testing.T, got consumed, n uint64) {
	t.Helper()
	seen := make(map[flowIdentity]bool)
	home := make(map[string]int32)
	for number, records := range got {
		last := make(map[string]flowIdentity)
		for _, r := range records {
			id := identify(t, r)
			if seen[id] {
				t.Fatalf("partition %d: %v is there twice", number, id)
			}
			seen[id] = true
			if at, known := home[id.exporter]; known && at != number {
				t.Fatalf("%s is in partitions %d and %d", id.exporter, at, number)
			}
			home[id.exporter] = number
			if before, known := last[id.exporter]; known && !follows(before, id) {
				t.Fatalf("partition %d: %v comes after %v", number, id, before)
			}
			last[id.exporter] = id
		}
	}
	if uint64(len(seen)) != n {
		t.Errorf("the topic has %d flows, want %d", len(seen), n)
	}
}

func follows(a, b flowIdentity) bool {
	return b.sequence > a.sequence || (b.sequence == a.sequence && b.index == a.index+1)
}

func identify(t *testing.T, r *kgo.Record) flowIdentity {
	t.Helper()
	var flow flowv1.FlowRecord
	if err := proto.Unmarshal(r.Value, &flow); err != nil {
		t.Fatal(err)
	}
	exporter := net.IP(flow.GetExporterAddress()).String()
	if string(r.Key) != exporter {
		t.Fatalf("key %q, exporter %s", r.Key, exporter)
	}
	return flowIdentity{exporter, flow.GetFlowSequence(), flow.GetRecordIndex()}
}

// eventually waits until a condition holds.
var eventually = testwait.Until

// reserveAddress returns a TCP address that nobody listens on, for a broker to
// take later.
func reserveAddress(t *testing.T) (address string, port int) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String(), int(netip.MustParseAddrPort(l.Addr().String()).Port())
}

// kafkaClient returns a client for requests of an administrator.
func kafkaClient(t *testing.T, broker *kfake.Cluster) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// checkMoved is checkFlows for a topic that got more partitions: an exporter's
// records may be in two, but those in the second all come later.
func checkMoved(t *testing.T, got consumed, n uint64) {
	t.Helper()
	seen := make(map[flowIdentity]bool)
	type span struct{ first, last flowIdentity }
	homes := make(map[string][]span)
	for number, records := range got {
		spans := make(map[string]span)
		for _, r := range records {
			id := identify(t, r)
			if seen[id] {
				t.Fatalf("partition %d: %v is there twice", number, id)
			}
			seen[id] = true
			s, known := spans[id.exporter]
			if known && !follows(s.last, id) {
				t.Fatalf("partition %d: %v comes after %v", number, id, s.last)
			}
			if !known {
				s.first = id
			}
			s.last = id
			spans[id.exporter] = s
		}
		for exporter, s := range spans {
			homes[exporter] = append(homes[exporter], s)
		}
	}
	for exporter, spans := range homes {
		if len(spans) > 2 {
			t.Errorf("%s is in %d partitions", exporter, len(spans))
		}
		if len(spans) == 2 && !follows(spans[0].last, spans[1].first) && !follows(spans[1].last, spans[0].first) {
			t.Errorf("%s: %v and %v overlap", exporter, spans[0], spans[1])
		}
	}
	if uint64(len(seen)) != n {
		t.Errorf("the topic has %d flows, want %d", len(seen), n)
	}
}

// homeOf is the place of the exporter of a test packet.
func homeOf(seed uint64) place {
	return place{hash: PartitionerMurmur2.hash([]byte(testExporter(seed).Addr().String()))}
}
