//go:build linux

package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
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
				Target: p.UDP, Exporters: exporters, Rate: fullRate, Flows: 2_500_000,
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
			if last.KernelDropped == 0 && sum(last.PacketsMissed) != 0 {
				t.Errorf("packets %v are called missed", last.PacketsMissed)
			}
			checkDelivered(t, k, sent, last)
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
	read := readSequences(t, k, sent)
	if read.flows() != last.FlowsDelivered {
		t.Errorf("the topic has %d flows, %d are called delivered", read.flows(), last.FlowsDelivered)
	}
	checkReached(t, read, before, last.KernelDropped)
	t.Logf("%d flows were sent before the signal, %d delivered, the kernel dropped %d datagrams", before.Flows, last.FlowsDelivered, last.KernelDropped)
}
