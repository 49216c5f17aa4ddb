//go:build linux

package e2e

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/flowtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Recordings of NetFlow v9 and IPFIX, made with real exporters and by hand, go through one
// collector, each exporter from an address of its own: each record that an independent decoder
// found comes out, equal in every field, and no other.
func TestTemplatedCaptures(t *testing.T) {
	t.Parallel()
	testdata := filepath.Join("..", "..", "decoder", "template", "testdata")
	for _, test := range []struct {
		form     string
		elements []elementNumber
	}{
		{"protobuf", nil},
		{"json", nil},
		{"protobuf", []elementNumber{{0, 12}, {0, 8}, {0, 82}, {0, 410}, {reversePEN, 2}}},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			t.Parallel()
			replayTemplated(t, test.form, test.elements, 13,
				filepath.Join(testdata, "*", "exporters", "*.pcap.gz"), filepath.Join(testdata, "*", "crafted", "*_semantics.pcap.gz"),
				filepath.Join(testdata, "*", "crafted", "*_malformed.pcap.gz"))
		})
	}
}

// Those that flood a collector with templates have one each.
func TestTemplateFloods(t *testing.T) {
	t.Parallel()
	testdata := filepath.Join("..", "..", "decoder", "template", "testdata")
	for _, name := range []string{"netflow9/crafted/v9_flood", "ipfix/crafted/ipfix_flood"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			replayTemplated(t, "protobuf", nil, 1, filepath.Join(testdata, filepath.FromSlash(name)+".pcap.gz"))
		})
	}
}

// Recordings of exporters in the field.
func TestRealTemplatedCaptures(t *testing.T) {
	t.Parallel()
	replayTemplated(t, "protobuf", nil, 60, filepath.Join(corpus.FieldRecordings(t, "netflow9"), "*.pcap"), filepath.Join(corpus.FieldRecordings(t, "ipfix"), "*.pcap"))
}

// replayTemplated replays the captures that match patterns, at least so many, to one
// collector that is asked for some elements, and compares what comes out, in a form of values.
func replayTemplated(t *testing.T, form string, elements []elementNumber, atLeast int, patterns ...string) {
	t.Helper()
	paths := corpus.Find(t, atLeast, patterns...)
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_FORMATS=netflow_v9,ipfix", "FLOWPUB_SOCKETS=1",
		"FLOWPUB_KAFKA_LINGER=5ms", "FLOWPUB_KAFKA_VALUE="+form, "FLOWPUB_ELEMENTS="+elementList(elements))
	wanted := newWantedFlows(elements)
	begun := time.Now()
	sent := replayAll(t, p.UDP, paths, 20, func(path string, sources map[netip.AddrPort]netip.AddrPort) { wanted.addCapture(t, path, sources) })
	m := p.awaitDatagrams(t, sent)
	checkKernelDrops(t, m)
	ledger := p.terminate(t)
	if got := sum(ledger.FlowsDropped); got != 0 {
		t.Errorf("%d flows were dropped", got)
	}
	wanted.compare(t, form, readFranz(t, k), span{begun, time.Now()})
}

// replayAll replays captures to a collector, one after the other and each exporter from an address of
// its own, in networks from 127.first.0.0/16 on. It returns how many datagrams were sent.
func replayAll(t *testing.T, target string, paths []string, first int, replayed func(path string, sources map[netip.AddrPort]netip.AddrPort)) (sent uint64) {
	t.Helper()
	for i, path := range paths {
		replay, err := exporter.NewReplay(exporter.ReplayConfig{
			Files: []string{path}, Target: target, OwnSources: true, KeepPorts: true, Pace: exporter.PaceFixed, Rate: 4000,
			FirstSource: netip.AddrFrom4([4]byte{127, byte(first + i), 0, 1}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := replay.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		sent += replay.Stats().Datagrams
		replayed(path, replay.Sources())
	}
	return sent
}

// flowGroup names flows that come in one order: those of equal packets of an exporter, or of
// their sets that waited for one template.
type flowGroup struct {
	exporter                     netip.AddrPort
	format                       int
	domain, sequence, exportTime uint32
	waited                       uint32 // template id
}

// wantedFlow is a record and what is known of its packet.
type wantedFlow struct {
	corpus.Row
	elements []elementNumber // that are copied
	from     netip.AddrPort
	datagram []byte
	index    int // among those of its packet that did not wait
	count    int // of those, or of those that waited with it
}

// wantedFlows are what captures hold.
type wantedFlows struct {
	elements []elementNumber
	flows    map[flowGroup][]wantedFlow
	// contested groups are those whose records are only counted; cases, of which crafted case a
	// group is.
	contested map[flowGroup]bool
	counts    map[string]caseCount
	caseOf    map[flowGroup]string
}

// caseCount is how many records, and late ones, a case has.
type caseCount struct{ records, late int }

func newWantedFlows(elements []elementNumber) *wantedFlows {
	return &wantedFlows{
		elements: elements, flows: make(map[flowGroup][]wantedFlow), contested: make(map[flowGroup]bool),
		counts: make(map[string]caseCount), caseOf: make(map[flowGroup]string),
	}
}

// addCapture adds what a capture holds, whose exporters sent from elsewhere in the replay.
func (w *wantedFlows) addCapture(t *testing.T, path string, sources map[netip.AddrPort]netip.AddrPort) {
	t.Helper()
	datagrams := corpus.Datagrams(t, path)
	plain := strings.TrimSuffix(path, ".gz")
	rows := corpus.Lines[corpus.Row](t, plain+".expected.jsonl")
	counts := make(map[[2]int]int) // by packet and template of those that waited
	for i := range rows {
		counts[placeOf(&rows[i])]++
	}
	index := make(map[int]int)
	for i := range rows {
		r := &rows[i]
		d := datagrams[r.Pkt]
		from, known := sources[d.From]
		if !known {
			t.Fatalf("%s: the replay has not sent from %v", path, d.From)
		}
		f := wantedFlow{Row: *r, elements: w.elements, from: from, datagram: d.Payload, count: counts[placeOf(r)]}
		if r.Late == nil {
			f.index = index[r.Pkt]
			index[r.Pkt]++
		}
		g := flowGroup{from, r.Version, r.Domain, r.Sequence, r.ExportTime, 0}
		if r.Late != nil {
			g.waited = uint32(r.TemplateID)
		}
		w.flows[g] = append(w.flows[g], f)
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	w.contest(t, path, name, datagrams, sources)
}

// placeOf is where records are together: in a packet, or in a set that waited.
func placeOf(r *corpus.Row) [2]int {
	if r.Late == nil {
		return [2]int{r.Pkt, -1}
	}
	return [2]int{r.Pkt, r.Set}
}

// contest notes the packets in which this project decides otherwise than the independent decoder
// did, and how many records each crafted case is to give.
func (w *wantedFlows) contest(t *testing.T, path, name string, datagrams []corpus.Datagram, sources map[netip.AddrPort]netip.AddrPort) {
	t.Helper()
	group := func(pkt int) flowGroup {
		d := datagrams[pkt]
		return packetGroup(sources[d.From], d.Payload)
	}
	for pkt, n := range corpus.Contested[name] {
		w.contested[group(pkt)] = true
		c := fmt.Sprintf("%s, packet %d", name, pkt)
		w.caseOf[group(pkt)] = c
		w.counts[c] = caseCount{records: n}
	}
	plain := strings.TrimSuffix(path, ".pcap.gz")
	if _, err := os.Stat(plain + ".index.json"); err != nil {
		return
	}
	for _, c := range corpus.Lines[struct{ Cases []corpus.Case }](t, plain+".index.json")[0].Cases {
		count, label := caseCount{c.Canonical, c.Late}, name+": "+c.Name
		differs, only := corpus.OnlyAcceptable[c.Name]
		if only {
			count = caseCount{differs.Records, differs.Late}
		}
		w.counts[label] = count
		for pkt := c.Pkts[0]; pkt <= c.Pkts[1]; pkt++ {
			w.caseOf[group(pkt)] = label
			if only {
				w.contested[group(pkt)] = true
			}
		}
	}
}

// compare fails the test unless the messages are the wanted flows.
func (w *wantedFlows) compare(t *testing.T, form string, messages []message, received span) {
	t.Helper()
	got := make(map[flowGroup][]*flowv1.FlowRecord)
	counts := make(map[string]caseCount)
	for i := range messages {
		m := &messages[i]
		flow, err := flowtest.Read(form, 0, m.value)
		if err != nil {
			t.Fatal(err)
		}
		checkReceived(t, m, flow.GetReceiveTimeNs(), received)
		from, _ := netip.AddrFromSlice(flow.GetExporterAddress())
		g := flowGroup{
			netip.AddrPortFrom(from, uint16(flow.GetExporterPort())), int(flow.GetFormat()),
			flow.GetObservationDomainId(), flow.GetFlowSequence(), uint32(flow.GetExportTimeNs() / 1e9), 0,
		}
		if string(m.key) != from.String() {
			t.Errorf("key %q, exporter %v", m.key, from)
		}
		n := counts[w.caseOf[g]]
		waited := flow.GetAnomalies()&uint32(flowv1.Anomaly_ANOMALY_WAITED) != 0
		if waited {
			n.late++
		} else {
			n.records++
		}
		counts[w.caseOf[g]] = n
		if w.contested[g] {
			continue
		}
		if waited {
			g.waited = flow.GetTemplateId()
		}
		got[g] = append(got[g], flow)
	}
	w.checkCounts(t, counts)
	for g, flows := range got {
		if len(w.flows[g]) == 0 {
			t.Errorf("%+v: %d flows that nobody sent, such as %v", g, len(flows), flows[0])
		}
	}
	compared := 0
	for g, flows := range w.flows {
		packet := g
		packet.waited = 0
		if !w.contested[packet] {
			compareGroup(t, g, got[g], flows)
			compared += len(flows)
		}
	}
	t.Logf("%d flows compared, %d cases counted", compared, len(w.counts))
}

// checkCounts compares how many records the cases gave.
func (w *wantedFlows) checkCounts(t *testing.T, got map[string]caseCount) {
	t.Helper()
	for name, want := range w.counts {
		if got[name] != want {
			t.Errorf("%s: %+v, want %+v", name, got[name], want)
		}
	}
}

func compareGroup(t *testing.T, g flowGroup, got []*flowv1.FlowRecord, want []wantedFlow) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%+v: %d flows, want %d", g, len(got), len(want))
		return
	}
	slices.SortStableFunc(want, func(a, b wantedFlow) int { return cmp.Compare(a.Pkt, b.Pkt) })
	for i := range want {
		for _, difference := range want[i].differences(t, got[i]) {
			t.Errorf("%+v, packet %d, flow %d: %s", g, want[i].Pkt, i, difference)
		}
	}
}
