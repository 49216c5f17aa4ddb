//go:build linux

package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/flowtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Recordings of sFlow, made with real agents and by hand, go through one collector: each flow
// sample that an independent decoder found comes out, equal in every field, and no other.
func TestSFlowCaptures(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"protobuf", "json"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			replaySFlow(t, form, 3, filepath.Join("..", "..", "decoder", "sflow", "testdata", "*", "*.pcap.gz"))
		})
	}
}

// Recordings of agents in the field.
func TestRealSFlowCaptures(t *testing.T) {
	t.Parallel()
	replaySFlow(t, "protobuf", 12, filepath.Join(corpus.FieldRecordings(t, "sflow"), "*.pcap"))
}

// replaySFlow replays the captures that match a pattern, at least so many, to one collector, each
// agent from an address of its own, and compares what comes out, in a form of values.
func replaySFlow(t *testing.T, form string, atLeast int, pattern string) {
	t.Helper()
	paths := corpus.Find(t, atLeast, pattern)
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_FORMATS=sflow", "FLOWPUB_SOCKETS=1",
		"FLOWPUB_KAFKA_LINGER=5ms", "FLOWPUB_KAFKA_VALUE="+form)
	wanted := make(wantedSamples)
	var counts sampleTotals
	begun := time.Now()
	sent := replayAll(t, p.UDP, paths, 120, func(path string, sources map[netip.AddrPort]netip.AddrPort) { wanted.add(t, path, sources, &counts) })
	m := p.awaitDatagrams(t, sent)
	checkKernelDrops(t, m)
	counts.check(t, m)
	ledger := p.terminate(t)
	if got := sum(ledger.FlowsDropped); got != 0 {
		t.Errorf("%d flows were dropped", got)
	}
	wanted.compare(t, form, readFranz(t, k), span{begun, time.Now()}, counts.discarded)
}

// agent names flow records that come in one order: those of equal datagrams of an agent.
type agent struct {
	exporter           netip.AddrPort
	subAgent, sequence uint32
}

// wantedSamples are the flow records that captures hold.
type wantedSamples map[agent][]*flowv1.FlowRecord

// sampleTotals are the samples that captures hold.
type sampleTotals struct{ flows, counters, discarded uint64 }

// add adds what a capture holds, whose agents sent from elsewhere in the replay.
func (w wantedSamples) add(t *testing.T, path string, sources map[netip.AddrPort]netip.AddrPort, totals *sampleTotals) {
	t.Helper()
	datagrams, samples := corpus.SFlow(t, path)
	for i := range datagrams {
		d := &datagrams[i]
		totals.flows += uint64(d.Flows)
		totals.counters += uint64(d.Counters)
		totals.discarded += uint64(d.Discarded)
		recorded := netip.AddrPortFrom(netip.MustParseAddr(d.Exporter), d.Port)
		from, known := sources[recorded]
		if !known {
			t.Fatalf("%s: the replay has not sent from %v", path, recorded)
		}
		for _, m := range d.Messages(t, samples[i]) {
			m.ExporterAddress, m.ExporterPort = from.Addr().AsSlice(), uint32(from.Port())
			of := agent{from, m.GetObservationDomainId(), m.GetFlowSequence()}
			w[of] = append(w[of], m)
		}
	}
}

// check compares how many samples the collector has counted.
func (c *sampleTotals) check(t *testing.T, m metrics) {
	t.Helper()
	for kind, want := range map[string]uint64{"flow": c.flows, "counters": c.counters, "discarded": c.discarded} {
		name := fmt.Sprintf("flowpub_sflow_samples_total{kind=%q}", kind)
		if got := m[name]; got != float64(want) {
			t.Errorf("%s is %v, want %d", name, got, want)
		}
	}
}

// compare fails the test unless the messages are the wanted ones, and so many for packets that
// were discarded, which the independent decoder counts only.
func (w wantedSamples) compare(t *testing.T, form string, messages []message, received span, discarded uint64) {
	t.Helper()
	got := make(wantedSamples)
	for i := range messages {
		m := &messages[i]
		flow, err := flowtest.Read(form, 0, m.value)
		if err != nil {
			t.Fatal(err)
		}
		checkReceived(t, m, flow.GetReceiveTimeNs(), received)
		flow.ReceiveTimeNs = 0
		from, _ := netip.AddrFromSlice(flow.GetExporterAddress())
		if string(m.key) != from.String() {
			t.Errorf("key %q, exporter %v", m.key, from)
		}
		if flow.GetForwardingStatus() == 128 && flow.GetSamplingSource() == 0 {
			discarded--
			continue
		}
		of := agent{netip.AddrPortFrom(from, uint16(flow.GetExporterPort())), flow.GetObservationDomainId(), flow.GetFlowSequence()}
		got[of] = append(got[of], flow)
	}
	if discarded != 0 {
		t.Errorf("%d discarded packets more were to come", int64(discarded))
	}
	for of, flows := range got {
		if len(flows) != len(w[of]) {
			t.Errorf("%+v: %d flows, want %d", of, len(flows), len(w[of]))
			continue
		}
		for i, want := range w[of] {
			if !proto.Equal(flows[i], want) {
				t.Errorf("%+v, flow %d:\n%v, want\n%v", of, i, flows[i], want)
			}
		}
	}
	compared := 0
	for of, flows := range w {
		if len(got[of]) == 0 {
			t.Errorf("%+v: no flow, want %d", of, len(flows))
		}
		compared += len(flows)
	}
	t.Logf("%d flows compared", compared)
}
