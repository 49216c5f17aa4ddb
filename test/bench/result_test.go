package main

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/sink"
)

// sampleResult is made from numbers that are easily divided: 1,000 flows sent in
// 2 s, 900 delivered in 30 batches.
func sampleResult() result {
	b := &bed{
		collector: &collector{product: product{name: "flowpub"}},
		scenario:  scenario{rate: 500, codec: "zstd", partitions: 16, exporters: 8, delay: 10 * time.Millisecond},
	}
	before := snapshot{cpu: time.Second, kernel: time.Second / 2, drops: 2, mallocs: 50, broker: brokerState{Stats: sink.Stats{Records: 100, Batches: 10, Bytes: 1000}}}
	after := snapshot{
		cpu: time.Second + 180*time.Microsecond, kernel: time.Second/2 + 90*time.Microsecond, drops: 6, mallocs: 140,
		broker: brokerState{Stats: sink.Stats{Records: 1000, Batches: 40, Bytes: 46_000}, CPU: 9 * time.Microsecond},
	}
	sent := generated{Flows: 1000, Took: 2 * time.Second, CPU: 70 * time.Microsecond}
	return newResult(b, &sent, &before, &after, 24<<20)
}

func TestFigures(t *testing.T) {
	t.Parallel()
	r := sampleResult()
	want := [figureCount]float64{
		figureRate: 450, figureLost: 10, figureCPU: 200, figureKernel: 100, figureAllocations: 0.1, figureMemory: 24,
		figureWire: 50, figureBatch: 30, figureExporters: 70, figureBroker: 10,
	}
	if r.figures != want || r.lost() != 100 || r.dropped != 4 {
		t.Errorf("figures %v, lost %d, dropped %d; want %v, 100, 4", r.figures, r.lost(), r.dropped, want)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	var results []result
	for _, v := range []float64{9, 1, 4, 2} {
		results = append(results, result{figures: [figureCount]float64{figureCPU: v}})
	}
	if median, low, high := spread(results, figureCPU); median != 3 || low != 1 || high != 9 {
		t.Errorf("median %v, from %v to %v; want 3, 1, 9", median, low, high)
	}
	if median, _, _ := spread(results[:3], figureCPU); median != 4 {
		t.Errorf("median of three is %v, want 4", median)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := sampleResult()
	var table, lines strings.Builder
	newReport(formatTable, &table).line(&r)
	newReport(formatBenchstat, &lines).line(&r)
	want := "flowpub v5 500 zstd 16 8 10ms 1000 900 4 450 10.000 200.0 100.0 0.1000 24.0 50.0 30 70.0 10.0"
	if got := strings.Join(strings.Fields(table.String()), " "); got != want {
		t.Errorf("the table has %q, want %q", got, want)
	}
	want = "BenchmarkCollector/collector=flowpub/traffic=v5/rate=500/codec=zstd/partitions=16/exporters=8/delay=10ms 900" +
		" 450 flows/s 10.000 %lost 200.0 cpu-ns/flow 100.0 kernel-ns/flow 0.1000 allocs/flow 24.0 peak-MiB 50.0 wire-B/flow" +
		" 30 flows/batch 70.0 generator-ns/flow 10.0 sink-ns/flow\n"
	if lines.String() != want {
		t.Errorf("for benchstat there is\n%s\nwant\n%s", lines.String(), want)
	}
	var sum strings.Builder
	newReport(formatTable, &sum).sum([]result{r, r, r})
	if !strings.Contains(sum.String(), "median of 3") || !strings.Contains(sum.String(), "200.0 (200.0 to 200.0)") {
		t.Errorf("the sum is\n%s", sum.String())
	}
}

func TestCheckOfQuick(t *testing.T) {
	t.Parallel()
	fine := sampleResult()
	fine.delivered = fine.sent
	lossy, untold := sampleResult(), fine
	untold.figures[figureAllocations] = math.NaN()
	for _, tt := range []struct {
		name  string
		quick bool
		r     result
		fails bool
	}{
		{"fine", true, fine, false},
		{"loss", true, lossy, true},
		{"a figure is missing", true, untold, true},
		{"not quick", false, lossy, false},
	} {
		if err := check(&options{quick: tt.quick}, []result{fine, tt.r}); (err != nil) != tt.fails {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
}
