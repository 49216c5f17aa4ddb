//go:build linux

package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
)

// In the middle of the load SIGTERM comes. Of each exporter all is delivered
// that the kernel had accepted before its socket refused: what was sent up to
// some moment after the signal, without a gap, and no datagram is left unread in
// a queue.
func TestTerminateUnderLoad(t *testing.T) {
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	kernel := readKernelCounts(t)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: fullRate})
	p.during(t, time.Second)

	p.signal(t, syscall.SIGSTOP) // so that the signal finds full queues
	testwait.Until(t, 10*time.Second, "the load goes on", l.furtherBy(fullRate/5))
	before := l.generator.Stats()
	begun := time.Now()
	p.signal(t, syscall.SIGTERM, syscall.SIGCONT)
	last := p.ending(t)
	t.Logf("ended within %v", time.Since(begun).Round(time.Millisecond))
	sent := l.stop(t)

	ended := readKernelCounts(t) - kernel
	t.Logf("the kernel knows the end of %d datagrams, other programs' among them; %d were sent", ended, sent.Datagrams)
	if ended < sent.Datagrams {
		t.Errorf("%d datagrams were neither read nor refused", sent.Datagrams-ended)
	}
	received := last.DatagramsReceived + last.KernelDropped
	if received < before.Datagrams || received > sent.Datagrams {
		t.Errorf("received %d datagrams, of which the kernel dropped %d; %d were sent before the signal, %d in all",
			received, last.KernelDropped, before.Datagrams, sent.Datagrams)
	}
	if last.FlowsDecoded != last.DatagramsReceived*perDatagram || last.FlowsDelivered != last.FlowsDecoded {
		t.Errorf("received %d datagrams, decoded %d flows, delivered %d", last.DatagramsReceived, last.FlowsDecoded, last.FlowsDelivered)
	}
	read := readSequences(t, k, sent)
	if read.flows() != last.FlowsDelivered {
		t.Errorf("the topic has %d flows, %d are called delivered", read.flows(), last.FlowsDelivered)
	}
	if most := last.KernelDropped * perDatagram; read.skipped() > most {
		t.Errorf("%d flows are missing between others, the kernel dropped %d", read.skipped(), most)
	}
	checkReached(t, read, before, last.KernelDropped)
	t.Logf("%d flows were sent before the signal, %d delivered", before.Flows, read.flows())
}

// checkReached fails the test unless of each exporter all is in the topic that
// had been sent before, but for what the kernel dropped.
func checkReached(t *testing.T, read sequences, before exporter.Stats, dropped uint64) {
	t.Helper()
	for _, e := range before.Exporters {
		s := read[e.Address.Addr().String()]
		if s.flows+s.skipped+dropped*perDatagram < e.Flows {
			t.Errorf("%v sent %d flows before the signal, %d are in the topic", e.Address, e.Flows, s.flows)
		}
	}
}

// While flowpub cannot run, the kernel queues datagrams; then SIGTERM comes
// before flowpub can read them. All are delivered.
func TestTerminateWithFullQueues(t *testing.T) {
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	p.signal(t, syscall.SIGSTOP)
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: fullRate, Flows: 300_000}).result(t)
	p.signal(t, syscall.SIGTERM, syscall.SIGCONT)
	last := p.ending(t)
	t.Logf("the kernel dropped %d of %d datagrams", last.KernelDropped, sent.Datagrams)
	checkDelivered(t, k, sent, last)
}
