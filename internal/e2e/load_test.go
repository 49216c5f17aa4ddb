//go:build linux

package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testwait"
)

// The load that flowpub is made for.
const (
	exporters = 64
	fullRate  = 250_000 // flows a second, of all exporters
)

// allFormats are what exporters speak.
var allFormats = []exporter.Format{exporter.NetFlow5, exporter.NetFlow9, exporter.IPFIX, exporter.SFlow}

// perDatagram is how many flows the generator puts into one.
const perDatagram = 30

// Nothing is lost, and the books are right at every moment.
func TestFullLoad(t *testing.T) {
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: fullRate, Flows: 2_500_000})
	var most uint64
	p.watch(t, l.done, func(m metrics) { most = max(most, m.count("flows_buffered")) })
	sent := l.result(t)

	p.awaitDatagrams(t, sent.Datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	t.Logf("at most %d flows buffered, peak memory %d MiB, CPU %.0f ns a flow, %d batches, %.1f of %.1f bytes a flow on the wire",
		most, p.peakMemory(t)>>20, m["process_cpu_seconds_total"]*1e9/float64(sent.Flows), m.count("kafka_batches_total"),
		m[`flowpub_kafka_bytes_total{stage="wire"}`]/float64(sent.Flows), m[`flowpub_kafka_bytes_total{stage="raw"}`]/float64(sent.Flows))
	checkDelivered(t, k, sent, p.terminate(t))
}

// checkDelivered fails the test unless every flow that was sent is in the topic
// once and in order, but for those that the kernel dropped, and the ledger says
// so.
func checkDelivered(t *testing.T, k *kafka, sent exporter.Stats, last *ledger) {
	t.Helper()
	if last.DatagramsReceived+last.KernelDropped != sent.Datagrams {
		t.Errorf("received %d datagrams, the kernel dropped %d, %d were sent", last.DatagramsReceived, last.KernelDropped, sent.Datagrams)
	}
	flows := sent.Flows - last.KernelDropped*perDatagram
	if last.KernelDropped > 0 && !onlyVersion5(sent) {
		flows = last.FlowsDecoded // nobody knows what those datagrams held
	}
	if last.FlowsDecoded != flows || last.FlowsDelivered != flows || last.FlowsDuplicated != 0 {
		t.Errorf("decoded %d flows, delivered %d, dropped %v, perhaps duplicated %d; want %d decoded and delivered",
			last.FlowsDecoded, last.FlowsDelivered, last.FlowsDropped, last.FlowsDuplicated, flows)
	}
	if last.FlowsMissed > sent.Flows-flows {
		t.Errorf("%d flows are called missed, %d are", last.FlowsMissed, sent.Flows-flows)
	}
	read := readSequences(t, k, sent)
	if read.flows() != flows {
		t.Errorf("the topic has %d flows, want %d", read.flows(), flows)
	}
}

// onlyVersion5 reports whether all exporters spoke NetFlow version 5.
func onlyVersion5(sent exporter.Stats) bool {
	return !slices.ContainsFunc(sent.Exporters, func(e exporter.SourceStats) bool { return e.Format != exporter.NetFlow5 })
}

// during lets the load go on for a while; each scrape meanwhile must add up.
func (p *process) during(t *testing.T, d time.Duration) {
	t.Helper()
	done := make(chan struct{})
	timer := time.AfterFunc(d, func() { close(done) })
	defer timer.Stop()
	p.watch(t, done, func(metrics) {})
}

// until lets the load go on until something holds; each scrape meanwhile must add up.
func (p *process) until(t *testing.T, what string, holds func(metrics) bool) {
	t.Helper()
	testwait.Until(t, loadLimit, what, func() bool { return holds(p.scrape(t)) })
}

// untilWorkedOff lets the load go on until as much is delivered as waits now.
func (p *process) untilWorkedOff(t *testing.T) {
	t.Helper()
	now := p.scrape(t).ledger()
	p.until(t, "what waited is delivered", func(m metrics) bool {
		return m.ledger().FlowsDelivered >= now.FlowsDelivered+now.FlowsBuffered
	})
}
