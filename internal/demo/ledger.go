package demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/telemetry"
)

// ledger is what every part counted, once all of them have ended.
type ledger struct {
	exporters *exporter.Stats // nil when there were none
	collector telemetry.Snapshot
	broker    int64 // records that the topic got
}

// printLedger prints the ledger, and returns ErrImbalance when it does not add up.
func (d *demo) printLedger() error {
	l := ledger{collector: d.collector.Snapshot(), broker: d.broker.Produced()}
	if d.generator != nil {
		stats := d.generator.Stats()
		l.exporters = &stats
	}
	l.show(d.cfg.Out)
	return l.check()
}

// show prints the equations with their numbers, and what the exporters and the
// broker say to them.
func (l *ledger) show(out io.Writer) {
	s := &l.collector
	fmt.Fprintln(out, "\nLedger")
	if l.exporters != nil {
		fmt.Fprintf(out, "  exporters here  %d datagrams with %d flows sent\n", l.exporters.Datagrams, l.exporters.Flows)
	}
	fmt.Fprintf(out, "  datagrams       %d received = %s + %s\n",
		s.DatagramsReceived, reasons("decoded", s.DatagramsDecoded), reasons("rejected", s.DatagramsRejected))
	if s.DataSetsReceived > 0 {
		fmt.Fprintf(out, "  data sets       %d received = %d decoded + %s + %d waiting\n",
			s.DataSetsReceived, s.DataSetsDecoded, reasons("dropped", s.DataSetsDropped), s.DataSetsWaiting)
	}
	fmt.Fprintf(out, "  flows           %d decoded = %d delivered + %s + %d buffered\n",
		s.FlowsDecoded, s.FlowsDelivered, reasons("dropped", s.FlowsDropped), s.FlowsBuffered)
	fmt.Fprintf(out, "  broker          %d records in the topic\n", l.broker)
	if s.DatagramsKernelDropped > 0 {
		fmt.Fprintf(out, "  before us       %d datagrams dropped by the kernel: the receive buffer was full\n", s.DatagramsKernelDropped)
	}
	if s.FlowsMissed > 0 {
		fmt.Fprintf(out, "  before us       %d flows missing by the exporters' sequences\n", s.FlowsMissed)
	}
	if l.check() == nil {
		fmt.Fprintln(out, "Everything adds up.")
	}
}

// check returns ErrImbalance, with what is wrong, unless the equations hold,
// nothing is left in the collector, and the broker has what was delivered.
func (l *ledger) check() error {
	datagrams, sets, flows := l.collector.Imbalance()
	delivered := int64(l.collector.FlowsDelivered)
	if datagrams == 0 && sets == 0 && flows == 0 && l.collector.FlowsBuffered == 0 && l.broker == delivered {
		return nil
	}
	others := ""
	if l.broker > delivered {
		others = "; did another producer write to it?"
	}
	return fmt.Errorf("%w: %d datagrams, %d data sets and %d flows are not accounted for, %d flows are still buffered, and the topic got %d records of %d delivered%s",
		ErrImbalance, datagrams, sets, flows, l.collector.FlowsBuffered, l.broker, delivered, others)
}

// reasons is the sum of counts and what they are, and in brackets those that are
// not 0.
func reasons(what string, counts map[string]uint64) string {
	var sum uint64
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[reason]; n > 0 {
			sum += n
			parts = append(parts, fmt.Sprintf("%d %s", n, reason))
		}
	}
	if sum == 0 {
		return "0 " + what
	}
	return fmt.Sprintf("%d %s (%s)", sum, what, strings.Join(parts, ", "))
}
