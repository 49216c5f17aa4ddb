package main

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// gapsShown is how many gaps of an exporter are printed, the longest ones.
const gapsShown = 5

// tally counts how often each flow of some exporters was found.
type tally struct {
	began     time.Time // of the first exporter
	exporters map[exporterID]*exporterTally
	// strangers are the flows found that no exporter has sent, by the address they
	// bear: an address that was rewritten on the way is one.
	strangers map[netip.AddrPort]uint64
	// waited and provisional are the flows found that came before their template, and
	// those decoded with one that was kept of another time or collector.
	waited, provisional uint64
}

type exporterTally struct {
	report
	seen []uint8 // how often, of each flow; 255 is as often or more
}

func newTally(reports []report) *tally {
	t := &tally{exporters: make(map[exporterID]*exporterTally), strangers: make(map[netip.AddrPort]uint64)}
	for i := range reports {
		r := reports[i]
		t.exporters[r.exporterID] = &exporterTally{report: r, seen: make([]uint8, r.numbers())}
		if t.began.IsZero() || r.Began.Before(t.began) {
			t.began = r.Began
		}
	}
	return t
}

// add counts a flow that was found. Those received before anything was sent are of
// others.
func (t *tally) add(f *flowv1.FlowRecord) {
	if f.GetReceiveTimeNs() < uint64(t.began.UnixNano()) {
		return
	}
	address, _ := netip.AddrFromSlice(f.GetExporterAddress())
	id := exporterID{netip.AddrPortFrom(address, uint16(f.GetExporterPort())), f.GetEngineType(), f.GetEngineId()}
	e := t.exporters[id]
	if e == nil {
		t.strangers[id.Address]++
		return
	}
	n := e.number(f.GetFlowSequence(), f.GetRecordIndex())
	if n >= uint64(len(e.seen)) {
		t.strangers[id.Address]++
		return
	}
	if e.seen[n] < 255 {
		e.seen[n]++
	}
	if f.GetAnomalies()&uint32(flowv1.Anomaly_ANOMALY_WAITED) != 0 {
		t.waited++
	}
	if f.GetAnomalies()&uint32(flowv1.Anomaly_ANOMALY_TEMPLATE_PROVISIONAL) != 0 {
		t.provisional++
	}
}

// found is how many flows were found, and how many more of the same.
func (e *exporterTally) found() (once, again uint64) {
	for _, n := range e.seen {
		if n > 0 {
			once++
			again += uint64(n) - 1
		}
	}
	return once, again
}

// gap is flows in a row that were not found, from one number up to another.
type gap struct{ from, to int }

// gaps returns the longest ones, in the order of time, without as many of one packet
// as are of datagrams with templates.
func (e *exporterTally) gaps() []gap {
	var gaps []gap
	for n, seen := range e.seen {
		switch {
		case seen > 0:
		case len(gaps) > 0 && gaps[len(gaps)-1].to == n:
			gaps[len(gaps)-1].to++
		default:
			gaps = append(gaps, gap{n, n + 1})
		}
	}
	templates := e.numbers()/uint64(e.Records) - e.Flows/uint64(e.Records)
	gaps = slices.DeleteFunc(gaps, func(g gap) bool {
		if templates == 0 || g.to-g.from != e.Records {
			return false
		}
		templates--
		return true
	})
	slices.SortStableFunc(gaps, func(a, b gap) int { return (b.to - b.from) - (a.to - a.from) })
	gaps = gaps[:min(len(gaps), gapsShown)]
	slices.SortFunc(gaps, func(a, b gap) int { return a.from - b.from })
	return gaps
}

// sums are the tally's totals.
type sums struct{ sent, lost, duplicated, strange uint64 }

func (t *tally) sums() sums {
	var s sums
	for _, e := range t.exporters {
		once, again := e.found()
		s.sent += e.Flows
		s.lost += e.Flows - once
		s.duplicated += again
	}
	for _, n := range t.strangers {
		s.strange += n
	}
	return s
}

// print writes a line an exporter, then what is wrong.
func (t *tally) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "exporter\tsent\tlost\tduplicated\t")
	ids := slices.SortedFunc(maps.Keys(t.exporters), func(a, b exporterID) int { return a.Address.Compare(b.Address) })
	for _, id := range ids {
		e := t.exporters[id]
		once, again := e.found()
		fmt.Fprintf(table, "%v\t%d\t%d\t%d\t\n", id.Address, e.Flows, e.Flows-once, again)
	}
	s := t.sums()
	fmt.Fprintf(table, "all\t%d\t%d\t%d\t\n", s.sent, s.lost, s.duplicated)
	if err := table.Flush(); err != nil {
		return err
	}
	if t.waited > 0 || t.provisional > 0 {
		fmt.Fprintf(w, "%d flows waited for their template, %d were decoded with one that was kept\n", t.waited, t.provisional)
	}
	for _, id := range ids {
		e := t.exporters[id]
		for _, g := range e.gaps() {
			fmt.Fprintf(w, "%v: %d flows in a row are missing, sent over %.3f s, from %.3f s on\n",
				id.Address, g.to-g.from, float64(g.to-g.from)/e.Rate, float64(g.from)/e.Rate)
		}
	}
	for _, address := range slices.SortedFunc(maps.Keys(t.strangers), netip.AddrPort.Compare) {
		fmt.Fprintf(w, "%v: %d flows that no report tells of\n", address, t.strangers[address])
	}
	return nil
}
