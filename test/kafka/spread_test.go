//go:build kafka

package kafka_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher"
)

// Of two large exporters one is spread by stream, one by datagram; a third is not. Then
// partitions are added. Nothing is lost or there twice, streams keep their order, and
// each flow is where the placer says.
func (c *cluster) spread(t *testing.T) {
	t.Parallel()
	const partitions, added, domains, datagrams, records = 6, 14, 16, 480, 24
	name := c.createTopic(t, "spread", partitions)
	tr := newTraffic(43)
	byStream, byDatagram, other := tr[4], tr[8], tr[0] // NetFlow v9, IPFIX, v5
	spreads := []publisher.Spread{
		{Network: netip.PrefixFrom(byStream.from.Addr(), 32), Partitions: 4},
		{Network: netip.PrefixFrom(byDatagram.from.Addr(), 32), Partitions: 5, Datagrams: true},
	}
	p := startPublisher(t, c.brokers, name, func(cfg *publisher.Config) { cfg.Spreads = spreads })
	send := func() {
		for i := range uint32(datagrams) {
			byStream.domain = i % domains
			traffic{byStream, byDatagram, other}.publish(t, p, 1, records)
		}
	}
	awaitReady(t, p)
	send()
	c.addPartitions(t, name, added)
	testwait.Until(t, 30*time.Second, "the new partitions are known", func() bool { return p.Stats().Partitions == added })
	send()
	closeExactly(t, p, 3*2*datagrams*records)

	placer := publisher.NewPlacer(publisher.PartitionerMurmur2, spreads)
	type phase struct { // of an exporter, with so many partitions
		exporter   *exporter
		partitions int
	}
	used := make(map[phase]map[int32]bool)
	c.eachOnce(t, name, []*exporter{byStream, byDatagram, other}, func(e *exporter, n uint32, r *kgo.Record, m *flowv1.FlowRecord) {
		at := phase{e, partitions}
		if n >= datagrams*records {
			at.partitions = added
		}
		h := decoder.Header{
			ObservationDomain: m.GetObservationDomainId(), FlowSequence: m.GetFlowSequence(),
			SystemUptime: decoder.Uptime(1_000_000 + m.GetFlowSequence()), ExportSeconds: uint32(e.received(m.GetFlowSequence()) / 1e9),
		}
		if want := placer.Partition(e.from, &h, at.partitions); int(r.Partition) != want {
			t.Fatalf("flow %d of %v is in partition %d of %d, want %d", n, e.from, r.Partition, at.partitions, want)
		}
		if used[at] == nil {
			used[at] = make(map[int32]bool)
		}
		used[at][r.Partition] = true
	})
	for _, n := range []int{partitions, added} {
		if got := [...]int{len(used[phase{byStream, n}]), len(used[phase{byDatagram, n}]), len(used[phase{other, n}])}; got != [...]int{4, 5, 1} {
			t.Errorf("of %d partitions, %v are used by the exporters, want 4, 5 and 1", n, got)
		}
	}
}

// eachOnce reads all flows of exporters, with their numbers. It fails the test unless
// each is there once, and those of a datagram, of an observation domain in a partition
// too, are in order.
func (c *cluster) eachOnce(t *testing.T, name string, exporters []*exporter, take func(e *exporter, n uint32, r *kgo.Record, m *flowv1.FlowRecord)) {
	t.Helper()
	times := make(map[*exporter][]int)
	byKey := make(map[string]*exporter)
	for _, e := range exporters {
		byKey[e.from.Addr().String()], times[e] = e, make([]int, e.sent)
	}
	type row struct {
		exporter  *exporter
		partition int32
		domain    uint32
	}
	next := make(map[row]uint32)
	var m flowv1.FlowRecord
	c.each(t, name, c.ends(t, name), func(r *kgo.Record) {
		e := byKey[string(r.Key)]
		if err := proto.Unmarshal(r.Value, &m); err != nil || e == nil {
			t.Fatalf("partition %d, offset %d: key %q, %v", r.Partition, r.Offset, r.Key, err)
		}
		n, at := m.GetFlowSequence()+m.GetRecordIndex(), row{e, r.Partition, m.GetObservationDomainId()}
		if n < next[at] {
			t.Fatalf("partition %d, offset %d: flow %d of %s comes after %d", r.Partition, r.Offset, n, r.Key, next[at]-1)
		}
		next[at] = n + 1
		times[e][n]++
		take(e, n, r, &m)
	})
	for e, all := range times {
		for n, k := range all {
			if k != 1 {
				t.Fatalf("flow %d of %v is there %d times", n, e.from, k)
			}
		}
	}
}
