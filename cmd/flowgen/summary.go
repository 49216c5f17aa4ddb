package main

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

// summary is what is printed in the end.
func summary(s sender, took time.Duration) []string {
	sent := s.counts()
	what := fmt.Sprintf("sent %s flows in %s datagrams in %.2f s: %s flows/s",
		thousands(sent.flows), thousands(sent.datagrams), took.Seconds(), thousands(perSecond(sent.flows, took)))
	if sent.flows == 0 && sent.uncounted > 0 { // "0 flows" would read as a failure
		what = fmt.Sprintf("sent %s datagrams in %.2f s: %s datagrams/s",
			thousands(sent.datagrams), took.Seconds(), thousands(perSecond(sent.datagrams, took)))
	}
	return append([]string{what}, s.remarks()...)
}

func perSecond(n uint64, took time.Duration) uint64 {
	return uint64(float64(n) / max(took, time.Microsecond).Seconds())
}

// thousands writes n with commas.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// synthetic is the sender that is synthetic exporters.
type synthetic struct{ *exporter.Generator }

func (s synthetic) counts() counts {
	stats := s.Stats()
	return counts{flows: stats.Flows + stats.MalformedFlows, datagrams: stats.Datagrams}
}

func (s synthetic) remarks() []string {
	stats := s.Stats()
	return remarks(
		remark{stats.Templates, "of the datagrams are templates and options"},
		remark{stats.WithheldTemplates, "datagrams with templates numbered that were not sent"},
		remark{stats.Malformed, fmt.Sprintf("malformed datagrams, in which %s flows can be read", thousands(stats.MalformedFlows))},
		remark{stats.WithheldFlows, "flows numbered that were not sent, or not readable"},
		remark{stats.Refused, refused},
	)
}

func (s synthetic) unheard() bool { return s.Stats().Unheard }

// replay is the sender that is a replay.
type replay struct {
	*exporter.Replay
	// showSources: the summary tells where each exporter sent from.
	showSources bool
}

func (r replay) counts() counts {
	stats := r.Stats()
	return counts{flows: stats.Flows, datagrams: stats.Datagrams, uncounted: stats.Others}
}

func (r replay) remarks() []string {
	stats := r.Stats()
	lines := remarks(
		remark{stats.Others, "of the datagrams are not NetFlow version 5; flows in them are not counted"},
		remark{stats.Foreign, "datagrams left out: they are not NetFlow version 5"},
		remark{stats.Truncated, "datagrams left out: the capture holds only a part of them; capture with -s 0"},
		remark{stats.Refused, refused},
	)
	if r.showSources {
		lines = append(lines, sourceLines(r.Sources())...)
	}
	return lines
}

func (r replay) unheard() bool { return r.Stats().Unheard }

func sourceLines(sources map[netip.AddrPort]netip.AddrPort) []string {
	lines := make([]string, 0, len(sources))
	for _, from := range slices.SortedFunc(maps.Keys(sources), netip.AddrPort.Compare) {
		name := "bare payloads"
		if from.IsValid() {
			name = "packets of " + from.String()
		}
		lines = append(lines, fmt.Sprintf("%s were sent from %v", name, sources[from]))
	}
	return lines
}

// refused is the remark about a target where nobody listened.
const refused = "refusals or more: nobody listened at the target, for a while at least"

// remark is a number that is worth a line unless it is 0.
type remark struct {
	n    uint64
	text string
}

func remarks(all ...remark) []string {
	var lines []string
	for _, r := range all {
		if r.n > 0 {
			lines = append(lines, thousands(r.n)+" "+r.text)
		}
	}
	return lines
}
