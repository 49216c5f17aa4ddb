package main

import (
	"slices"
	"time"
)

// result is one measurement. What is "a flow" is a delivered one.
type result struct {
	scenario
	product string

	sent, delivered uint64        // flows
	dropped         uint64        // datagrams, by the kernel
	took            time.Duration // to send
	figures         [figureCount]float64
}

// figure is a number of a result, in its unit.
type figure int

const (
	figureRate        figure = iota // flows delivered a second of sending
	figureLost                      // percent of the flows sent
	figureCPU                       // collector's ns a flow, user and system
	figureKernel                    // system's part of that
	figureAllocations               // collector's allocations a flow
	figureMemory                    // collector's peak of physical memory, MiB
	figureWire                      // bytes of record batches a flow
	figureBatch                     // flows a batch
	figureExporters                 // exporters' ns a flow sent
	figureBroker                    // broker's ns a flow
	figureCount
)

// figureInfo is how a figure is shown: its heading, digits after the point, and
// unit for benchstat.
var figureInfo = [figureCount]struct {
	heading string
	digits  int
	unit    string
}{
	figureRate:        {"flows/s", 0, "flows/s"},
	figureLost:        {"lost %", 3, "%lost"},
	figureCPU:         {"CPU ns", 1, "cpu-ns/flow"},
	figureKernel:      {"kernel ns", 1, "kernel-ns/flow"},
	figureAllocations: {"allocs", 4, "allocs/flow"},
	figureMemory:      {"peak MiB", 1, "peak-MiB"},
	figureWire:        {"wire B", 1, "wire-B/flow"},
	figureBatch:       {"a batch", 0, "flows/batch"},
	figureExporters:   {"gen. ns", 1, "generator-ns/flow"},
	figureBroker:      {"sink ns", 1, "sink-ns/flow"},
}

func newResult(b *bed, sent *generated, before, after *snapshot, peak uint64) result {
	r := result{
		scenario:  b.scenario,
		product:   b.collector.name,
		sent:      sent.Flows,
		delivered: after.broker.Records - before.broker.Records,
		dropped:   after.drops - before.drops,
		took:      sent.Took,
	}
	flows := float64(r.delivered)
	r.figures = [figureCount]float64{
		figureRate:        flows / sent.Took.Seconds(),
		figureLost:        100 * float64(r.lost()) / float64(r.sent),
		figureCPU:         float64(after.cpu-before.cpu) / flows,
		figureKernel:      float64(after.kernel-before.kernel) / flows,
		figureAllocations: (after.mallocs - before.mallocs) / flows,
		figureMemory:      float64(peak) / (1 << 20),
		figureWire:        float64(after.broker.Bytes-before.broker.Bytes) / flows,
		figureBatch:       flows / float64(after.broker.Batches-before.broker.Batches),
		figureExporters:   float64(sent.CPU) / float64(r.sent),
		figureBroker:      float64(after.broker.CPU-before.broker.CPU) / flows,
	}
	return r
}

// lost is how many flows did not arrive; below zero, how many came twice.
func (r *result) lost() int64 { return int64(r.sent - r.delivered) }

// median, lowest and highest of a figure over several results.
func spread(results []result, f figure) (median, lowest, highest float64) {
	values := make([]float64, len(results))
	for i := range results {
		values[i] = results[i].figures[f]
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]
}
