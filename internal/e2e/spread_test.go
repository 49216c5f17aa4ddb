//go:build linux

package e2e

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/exporter"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Exporters of all formats are spread over partitions, each over three: nothing is lost,
// each domain keeps its order, and templates and the watch for losses are right, as
// without.
func TestSpreadExporters(t *testing.T) {
	const rate = 50_000
	shareMachine(t, rate)
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_SPREAD=127.1.0.0/24=3")
	p.awaitReady(t)
	sent := startLoad(t, exporter.Config{
		Target: p.UDP, Exporters: exporters, Rate: rate, Flows: 300_000, Domains: 16, SamplingInterval: 100,
		Formats:        []exporter.Format{exporter.NetFlow5, exporter.NetFlow9, exporter.IPFIX, exporter.SFlow},
		TemplateChange: 2 * time.Second,
	}).result(t)
	p.awaitDatagrams(t, sent.Datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	last := p.terminate(t)
	if last.SetsReceived != last.SetsDecoded || last.KernelDropped == 0 && last.FlowsMissed+sum(last.PacketsMissed) != 0 {
		t.Errorf("received %d data sets, decoded %d; flows missed %d, packets %v",
			last.SetsReceived, last.SetsDecoded, last.FlowsMissed, last.PacketsMissed)
	}

	read := readSpread(t, k, sent, 3)
	if read.flows() != last.FlowsDelivered || last.KernelDropped == 0 && read.flows() != sent.Flows {
		t.Errorf("%d flows were sent, %d are called delivered, the topic has %d", sent.Flows, last.FlowsDelivered, read.flows())
	}
	for key, s := range read {
		// Ports are not chosen here: that 16 domains meet in one partition of three is likely
		// once in 10 million times.
		if one := s.format == exporter.NetFlow5; one != (len(s.partitions) == 1) {
			t.Errorf("%s, %v: %d domains are in %d partitions", key, s.format, len(s.domains), len(s.partitions))
		}
	}
}

// Divided by datagram, one stream fills as many partitions as asked for, about equally.
func TestSpreadDatagrams(t *testing.T) {
	const rate = 50_000
	shareMachine(t, rate)
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_SPREAD=127.1.0.1/32=4/datagram")
	p.awaitReady(t)
	sent := startLoad(t, exporter.Config{Target: p.UDP, Rate: rate, Flows: 240_000}).result(t)
	p.awaitDatagrams(t, sent.Datagrams)
	last := p.terminate(t)
	flows := make(map[int32]uint64)
	type packet struct{ sequence, index uint32 }
	seen := make(map[packet]bool)
	homes := make(map[uint32]int32)
	var f flowv1.FlowRecord
	k.read(t, func(r *kgo.Record) {
		if err := proto.Unmarshal(r.Value, &f); err != nil {
			t.Fatal(err)
		}
		partition := r.Partition
		id := packet{f.GetFlowSequence(), f.GetRecordIndex()}
		if at, known := homes[id.sequence]; seen[id] || known && at != partition {
			t.Fatalf("partition %d: record %d of packet %d is there twice, or its packet in partition %d, too", partition, id.index, id.sequence, at)
		}
		seen[id], homes[id.sequence] = true, partition
		flows[partition]++
	})
	if len(flows) != 4 || uint64(len(seen)) != last.FlowsDelivered {
		t.Errorf("%d flows are called delivered, %d are in %d partitions, want 4", last.FlowsDelivered, len(seen), len(flows))
	}
	for partition, n := range flows {
		if n < last.FlowsDelivered*22/100 || n > last.FlowsDelivered*28/100 { // more than five standard deviations
			t.Errorf("partition %d has %d flows of %d", partition, n, last.FlowsDelivered)
		}
	}
}
