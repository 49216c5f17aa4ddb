//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/exporter"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// loadLimit bounds how long a load takes.
const loadLimit = 3 * time.Minute

// load is a generator at work.
type load struct {
	generator *exporter.Generator
	cancel    context.CancelFunc
	begun     time.Time
	took      time.Duration
	done      chan struct{} // closed when it has ended
	err       error
}

// startLoad starts a generator. It ends with the test at the latest.
func startLoad(t *testing.T, cfg exporter.Config) *load {
	t.Helper()
	g, err := exporter.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{generator: g, cancel: cancel, begun: time.Now(), done: make(chan struct{})}
	go func() {
		l.err = g.Run(ctx)
		l.took = time.Since(l.begun)
		close(l.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-l.done
	})
	return l
}

// furtherBy returns a condition: so many more flows have been sent.
func (l *load) furtherBy(flows uint64) func() bool {
	due := l.generator.Stats().Flows + flows
	return func() bool { return l.generator.Stats().Flows >= due }
}

// result waits for the end of the load and returns what was sent.
func (l *load) result(t *testing.T) exporter.Stats {
	t.Helper()
	select {
	case <-l.done:
	case <-time.After(loadLimit):
		t.Fatalf("the load has not ended within %v", loadLimit)
	}
	if l.err != nil {
		t.Fatal(l.err)
	}
	stats := l.generator.Stats()
	t.Logf("sent %d flows in %d datagrams within %v: %.0f flows/s",
		stats.Flows, stats.Datagrams, l.took.Round(time.Millisecond), float64(stats.Flows)/l.took.Seconds())
	return stats
}

// stop ends the load and returns what was sent.
func (l *load) stop(t *testing.T) exporter.Stats {
	t.Helper()
	l.cancel()
	return l.result(t)
}

// sequences are the generated exporters' flows in a topic, by exporter address.
type sequences map[string]*sequence

// sequence is what was read of an exporter's flows.
type sequence struct {
	source     netip.AddrPort
	format     exporter.Format
	first      uint32 // its first packet's number
	most       int    // partitions it may be in
	partitions map[int32]bool
	domains    map[uint32]*packetOrder
	// flows were read; skipped were numbered before the last of them and are
	// not there: of version 5 only, where each flow has a number.
	flows, skipped uint64
}

// packetOrder is where the reading of an observation domain is, so that it takes no more memory
// than this.
type packetOrder struct {
	partition int32
	// The packet being read: its number, how many records it has, and how many
	// of them were read.
	current, records, read uint32
	next                   uint32 // the least number that the packet after it may have
}

// readSequences reads the topic. It fails the test unless each flow is there
// once at most, whole packets only, those of an exporter in one partition, and those
// of its domain in their order.
func readSequences(t *testing.T, k *kafka, sent exporter.Stats) sequences {
	t.Helper()
	return readSpread(t, k, sent, 1)
}

// readSpread does the same for exporters that may be in more partitions than one, but each
// domain in one.
func readSpread(t *testing.T, k *kafka, sent exporter.Stats, most int) sequences {
	t.Helper()
	all := make(sequences)
	for _, e := range sent.Exporters {
		all[e.Address.Addr().String()] = &sequence{
			source: e.Address, format: e.Format, first: e.FirstSequence, most: most,
			partitions: make(map[int32]bool), domains: make(map[uint32]*packetOrder),
		}
	}
	begun := time.Now()
	var flow flowv1.FlowRecord
	k.read(t, func(r *kgo.Record) {
		if err := proto.Unmarshal(r.Value, &flow); err != nil {
			t.Fatalf("partition %d, offset %d: %v", r.Partition, r.Offset, err)
		}
		s := all[string(r.Key)]
		if s == nil {
			t.Fatalf("partition %d, offset %d: key %q is no exporter's", r.Partition, r.Offset, r.Key)
		}
		if err := s.see(r.Partition, &flow); err != nil {
			t.Fatalf("partition %d, offset %d, exporter %s: %v", r.Partition, r.Offset, r.Key, err)
		}
	})
	for key, s := range all {
		for domain, o := range s.domains {
			if o.read != o.records {
				t.Errorf("%s, domain %d: of the packet %d only %d records of %d are there", key, domain, o.current, o.read, o.records)
			}
		}
	}
	t.Logf("read %d flows within %v", all.flows(), time.Since(begun).Round(time.Millisecond))
	return all
}

// see takes the next record of the exporter.
func (s *sequence) see(partition int32, f *flowv1.FlowRecord) error {
	if from, _ := netip.AddrFromSlice(f.GetExporterAddress()); netip.AddrPortFrom(from, uint16(f.GetExporterPort())) != s.source {
		return fmt.Errorf("it came from %v port %d, not %v", from, f.GetExporterPort(), s.source)
	}
	if s.partitions[partition] = true; len(s.partitions) > s.most {
		return fmt.Errorf("its flows are in %d partitions, want at most %d", len(s.partitions), s.most)
	}
	s.flows++
	o := s.domain(partition, f)
	if o.partition != partition {
		return fmt.Errorf("earlier flows of domain %d are in partition %d", f.GetObservationDomainId(), o.partition)
	}
	return o.see(f, s)
}

// domain returns where the reading of a flow's observation domain is.
func (s *sequence) domain(partition int32, f *flowv1.FlowRecord) *packetOrder {
	o := s.domains[f.GetObservationDomainId()]
	if o == nil {
		o = &packetOrder{partition: partition, next: f.GetFlowSequence()}
		if s.format == exporter.NetFlow5 {
			o.next = s.first
		}
		s.domains[f.GetObservationDomainId()] = o
	}
	return o
}

// see takes the next record of a domain of the exporter s.
func (o *packetOrder) see(f *flowv1.FlowRecord, s *sequence) error {
	if o.read == o.records {
		ahead := f.GetFlowSequence() - o.next
		if int32(ahead) < 0 {
			return fmt.Errorf("sequence %d was due, found %d: it is there twice or late", o.next, f.GetFlowSequence())
		}
		*o = packetOrder{partition: o.partition, current: f.GetFlowSequence(), records: f.GetRecordCount(), next: f.GetFlowSequence() + 1}
		if s.format == exporter.NetFlow5 {
			s.skipped += uint64(ahead)
			o.next = o.current + o.records
		}
	}
	if f.GetFlowSequence() != o.current || f.GetRecordIndex() != o.read || f.GetRecordCount() != o.records {
		return fmt.Errorf("record %d of the %d of packet %d was due, found %d of %d of %d",
			o.read, o.records, o.current, f.GetRecordIndex(), f.GetRecordCount(), f.GetFlowSequence())
	}
	o.read++
	return nil
}

// flows is how many flows were read.
func (all sequences) flows() (n uint64) {
	for _, s := range all {
		n += s.flows
	}
	return n
}

// skipped is how many are missing before others of the same exporter.
func (all sequences) skipped() (n uint64) {
	for _, s := range all {
		n += s.skipped
	}
	return n
}
