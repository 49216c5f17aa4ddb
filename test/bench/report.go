package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// report prints results, either as a table or as benchstat reads them.
type report struct {
	format string
	w      io.Writer
}

func newReport(format string, w io.Writer) *report { return &report{format: format, w: w} }

// machine is what figures depend on besides the program.
func machine() (facts [][2]string, err error) {
	receive, err := readNumber(receiveMaxPath)
	if err != nil {
		return nil, err
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return nil, err
	}
	return [][2]string{
		{"goos", runtime.GOOS},
		{"goarch", runtime.GOARCH},
		{"cpu", processor()},
		{"processors", fmt.Sprint(runtime.NumCPU())},
		{"kernel", strings.TrimSpace(string(release))},
		{"go", runtime.Version()},
		{"rmem_max", fmt.Sprint(receive)},
	}, nil
}

// processor is the model that Linux tells, if it does.
func processor() string {
	about, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(about)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// begin prints what comes before the first result.
func (r *report) begin() error {
	facts, err := machine()
	if err != nil {
		return err
	}
	mark := ""
	if r.format == formatTable {
		mark = "# "
	}
	for _, fact := range facts {
		fmt.Fprintf(r.w, "%s%s: %s\n", mark, fact[0], fact[1])
	}
	if r.format == formatTable {
		fmt.Fprintln(r.w, heading())
	}
	return nil
}

// Widths of the table's columns: names, and numbers.
const (
	nameWidth   = 10
	numberWidth = 9
)

// names are the columns that say what was measured.
var names = []string{"collector", "traffic", "rate", "codec", "partitions", "exporters", "delay"}

func heading() string {
	var line strings.Builder
	for _, name := range names {
		fmt.Fprintf(&line, "%-*s ", nameWidth, name)
	}
	fmt.Fprintf(&line, "%*s %*s %*s", numberWidth+2, "sent", numberWidth+2, "delivered", numberWidth, "kern.drop")
	for _, f := range figureInfo {
		fmt.Fprintf(&line, " %*s", numberWidth, f.heading)
	}
	return line.String()
}

// values are what stands under names.
func (r *result) values() []string {
	return []string{
		r.product, r.traffic.String(), rateName(r.rate), r.codec, fmt.Sprint(r.partitions), fmt.Sprint(r.exporters), r.delay.String(),
	}
}

// line prints one result.
func (r *report) line(res *result) {
	if r.format == formatBenchstat {
		r.benchstat(res)
		return
	}
	var line strings.Builder
	for _, v := range res.values() {
		fmt.Fprintf(&line, "%-*s ", nameWidth, v)
	}
	fmt.Fprintf(&line, "%*d %*d %*d", numberWidth+2, res.sent, numberWidth+2, res.delivered, numberWidth, res.dropped)
	for f, info := range figureInfo {
		fmt.Fprintf(&line, " %*.*f", numberWidth, info.digits, res.figures[f])
	}
	fmt.Fprintln(r.w, line.String())
}

// benchstat prints one result as go test prints a benchmark's.
func (r *report) benchstat(res *result) {
	fmt.Fprint(r.w, "BenchmarkCollector")
	values := res.values()
	for i, name := range names {
		fmt.Fprintf(r.w, "/%s=%s", name, values[i])
	}
	fmt.Fprintf(r.w, " %d", max(res.delivered, 1))
	for f, info := range figureInfo {
		fmt.Fprintf(r.w, " %.*f %s", info.digits, res.figures[f], info.unit)
	}
	fmt.Fprintln(r.w)
}

// sum prints the medians of several results with their spread.
func (r *report) sum(results []result) {
	if r.format == formatBenchstat || len(results) < 2 {
		return
	}
	fmt.Fprintf(r.w, "= median of %d (lowest to highest): %s\n", len(results), strings.Join(results[0].values(), " "))
	for f, info := range figureInfo {
		median, lowest, highest := spread(results, figure(f))
		fmt.Fprintf(r.w, "=   %-*s %*.*f (%.*f to %.*f)\n", numberWidth, info.heading,
			numberWidth, info.digits, median, info.digits, lowest, info.digits, highest)
	}
}
