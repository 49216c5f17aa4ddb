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

// sequence is what was read of an exporter's flows. The generator numbers them
// without gaps, so that an exporter takes no more memory than this.
type sequence struct {
	source    netip.AddrPort
	partition int32
	// The packet being read: its flow sequence, how many records it has, and
	// how many of them were read.
	current, records, read uint32
	next                   uint32 // flow sequence of the packet after it
	// flows were read; skipped were numbered before the last of them and are
	// not there.
	flows, skipped uint64
}

// readSequences reads the topic. It fails the test unless each flow is there
// once at most, whole packets only, and those of an exporter in their order and
// in one partition.
func readSequences(t *testing.T, k *kafka, sent exporter.Stats) sequences {
	t.Helper()
	all := make(sequences)
	for _, e := range sent.Exporters {
		all[e.Address.Addr().String()] = &sequence{source: e.Address, next: e.FirstSequence}
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
		if s.read != s.records {
			t.Errorf("%s: of the packet %d only %d records of %d are there", key, s.current, s.read, s.records)
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
	if s.flows > 0 && s.partition != partition {
		return fmt.Errorf("earlier flows are in partition %d", s.partition)
	}
	s.partition = partition
	if s.read == s.records {
		ahead := f.GetFlowSequence() - s.next
		if int32(ahead) < 0 {
			return fmt.Errorf("sequence %d was due, found %d: it is there twice or late", s.next, f.GetFlowSequence())
		}
		s.skipped += uint64(ahead)
		s.current, s.records, s.read = f.GetFlowSequence(), f.GetRecordCount(), 0
		s.next = s.current + s.records
	}
	if f.GetFlowSequence() != s.current || f.GetRecordIndex() != s.read || f.GetRecordCount() != s.records {
		return fmt.Errorf("record %d of the %d of packet %d was due, found %d of %d of %d",
			s.read, s.records, s.current, f.GetRecordIndex(), f.GetRecordCount(), f.GetFlowSequence())
	}
	s.read++
	s.flows++
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
