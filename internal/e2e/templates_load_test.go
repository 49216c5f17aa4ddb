//go:build linux

package e2e

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Nothing is lost of formats with templates either, though exporters have several domains and change
// their templates again and again; and the books, with those of data sets, are right at
// every moment.
func TestFullLoadOfTemplates(t *testing.T) {
	for _, format := range []exporter.Format{exporter.NetFlow9, exporter.IPFIX} {
		t.Run(format.String(), func(t *testing.T) {
			k := startKafka(t, 16)
			p := startFlowpub(t, k.gate.address)
			p.awaitReady(t)
			l := startLoad(t, exporter.Config{
				Target: p.UDP, Exporters: exporters, Rate: fullRate, Flows: 5_000_000,
				Formats: []exporter.Format{format}, TemplateChange: 2 * time.Second, Domains: 2, SamplingInterval: 100,
			})
			p.watch(t, l.done, func(metrics) {})
			sent := l.result(t)
			p.awaitDatagrams(t, sent.Datagrams)
			m := p.awaitEmpty(t)
			checkKernelDrops(t, m)
			t.Logf("%d templates changed, peak memory %d MiB, CPU %.0f ns a flow",
				m.count("template_changes_total"), p.peakMemory(t)>>20, m["process_cpu_seconds_total"]*1e9/float64(sent.Flows))
			last := p.terminate(t)

			if changes := m.count("template_changes_total"); changes < 2*2*exporters {
				t.Errorf("%d templates were new or changed, want more", changes)
			}
			if last.SetsReceived != last.SetsDecoded {
				t.Errorf("received %d data sets, but decoded %d, dropped %v", last.SetsReceived, last.SetsDecoded, last.SetsDropped)
			}
			// A datagram that the kernel dropped may have had a template.
			if last.KernelDropped == 0 && (last.FlowsDelivered != sent.Flows || last.FlowsMissed+sum(last.PacketsMissed) != 0) {
				t.Errorf("delivered %d flows of %d, dropped %v, missed %d and packets %v",
					last.FlowsDelivered, sent.Flows, last.FlowsDropped, last.FlowsMissed, last.PacketsMissed)
			}
			checkOrder(t, k, sent, last)
		})
	}
}

// In the middle of the load, of both formats, SIGTERM comes: all that was sent before is delivered.
func TestTerminateUnderLoadOfTemplates(t *testing.T) {
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	l := startLoad(t, exporter.Config{
		Target: p.UDP, Exporters: exporters, Rate: fullRate,
		Formats: []exporter.Format{exporter.NetFlow9, exporter.IPFIX}, TemplateChange: time.Second, Domains: 2,
	})
	p.during(t, 2*time.Second)
	p.signal(t, syscall.SIGSTOP) // so that the signal finds full queues
	testwait.Until(t, 10*time.Second, "the load goes on", l.furtherBy(fullRate/5))
	before := l.generator.Stats()
	p.signal(t, syscall.SIGTERM, syscall.SIGCONT)
	last := p.ending(t)
	sent := l.stop(t)

	if last.FlowsDelivered != last.FlowsDecoded || last.SetsReceived != last.SetsDecoded {
		t.Errorf("decoded %d flows, delivered %d; received %d data sets, decoded %d, dropped %v",
			last.FlowsDecoded, last.FlowsDelivered, last.SetsReceived, last.SetsDecoded, last.SetsDropped)
	}
	if last.KernelDropped == 0 && last.FlowsMissed+sum(last.PacketsMissed) != 0 {
		t.Errorf("%d flows and packets %v are missing between others", last.FlowsMissed, last.PacketsMissed)
	}
	read := checkOrder(t, k, sent, last)
	for _, e := range before.Exporters {
		if got := read[e.Address.Addr()]; last.KernelDropped == 0 && got < e.Flows {
			t.Errorf("%v sent %d flows before the signal, %d are in the topic", e.Address, e.Flows, got)
		}
	}
	t.Logf("%d flows were sent before the signal, %d delivered, the kernel dropped %d datagrams", before.Flows, last.FlowsDelivered, last.KernelDropped)
}

// domainOf names an observation domain of an exporter.
type domainOf struct {
	exporter netip.Addr
	domain   uint32
}

// packetOrder is the packet of a domain that is being read.
type packetOrder struct{ sequence, records, read uint32 }

// checkOrder reads the topic, and returns how many flows of each exporter are there. It fails the
// test unless each is there once at most, whole packets only, those of a domain in their
// order, and as many in all as the ledger says.
func checkOrder(t *testing.T, k *kafka, sent exporter.Stats, last *ledger) map[netip.Addr]uint64 {
	t.Helper()
	domains, flows, all := make(map[domainOf]*packetOrder), make(map[netip.Addr]uint64), uint64(0)
	var flow flowv1.FlowRecord
	k.read(t, func(r *kgo.Record) {
		if err := proto.Unmarshal(r.Value, &flow); err != nil {
			t.Fatal(err)
		}
		from, _ := netip.AddrFromSlice(flow.GetExporterAddress())
		d := domainOf{from, flow.GetObservationDomainId()}
		o := domains[d]
		if o == nil {
			o = &packetOrder{sequence: flow.GetFlowSequence() - 1}
			domains[d] = o
		}
		if err := o.see(&flow); err != nil {
			t.Fatalf("partition %d, offset %d, %+v: %v", r.Partition, r.Offset, d, err)
		}
		flows[from]++
		all++
	})
	if all != last.FlowsDelivered {
		t.Errorf("the topic has %d flows, %d are called delivered", all, last.FlowsDelivered)
	}
	for _, e := range sent.Exporters {
		if got := flows[e.Address.Addr()]; got > e.Flows || got == 0 {
			t.Errorf("%v sent %d flows, %d are in the topic", e.Address, e.Flows, got)
		}
	}
	return flows
}

// see takes the next record of the domain.
func (o *packetOrder) see(f *flowv1.FlowRecord) error {
	if o.read == o.records {
		if ahead := f.GetFlowSequence() - o.sequence; int32(ahead) <= 0 {
			return fmt.Errorf("after the packet %d comes %d: it is there twice or late", o.sequence, f.GetFlowSequence())
		}
		*o = packetOrder{sequence: f.GetFlowSequence(), records: f.GetRecordCount()}
	}
	if f.GetFlowSequence() != o.sequence || f.GetRecordIndex() != o.read || f.GetRecordCount() != o.records {
		return fmt.Errorf("record %d of the %d of packet %d was due, found %d of %d of %d",
			o.read, o.records, o.sequence, f.GetRecordIndex(), f.GetRecordCount(), f.GetFlowSequence())
	}
	o.read++
	return nil
}
