package publisher

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/failure"
)

// counts are the flow records of one partition or stage, under its lock.
type counts struct {
	decoded, delivered, buffered, duplicated uint64
	dropped                                  [dropReasons]uint64
	batches, raw, wire                       uint64 // of what was delivered
	failing                                  int    // in sums: partitions that wait after a failed attempt
}

// pieceBytes is the most that the records may take which are queued together or
// not at all: more than those of a packet of usual size.
const pieceBytes = maxChunk - stagedHeader - 64 // with a key

// take counts the records of the packet in e, which keep takes piece by piece. Once
// it refuses one the rest of the packet is dropped.
func (c *counts) take(e *batch.Encoder, closed bool, keep func(from, to int) bool) error {
	n := e.Records()
	c.decoded += uint64(n)
	if closed {
		c.dropped[DropShutdown] += uint64(n)
		return ErrClosed
	}
	for kept := 0; kept < n; {
		to := e.Fit(kept, pieceBytes)
		if !keep(kept, to) {
			c.dropped[DropBufferFull] += uint64(n - kept)
			c.buffered += uint64(kept)
			return ErrBufferFull
		}
		kept = to
	}
	c.buffered += uint64(n)
	return nil
}

// add adds another's counts to c.
func (c *counts) add(other *counts) {
	c.decoded += other.decoded
	c.delivered += other.delivered
	c.buffered += other.buffered
	c.duplicated += other.duplicated
	for i := range c.dropped {
		c.dropped[i] += other.dropped[i]
	}
	c.batches += other.batches
	c.raw += other.raw
	c.wire += other.wire
	c.failing += other.failing
}

// failureCounts counts failed attempts by name. It is safe for concurrent use.
type failureCounts struct {
	mu     sync.Mutex
	byName map[string]uint64
}

func newFailureCounts() *failureCounts {
	f := &failureCounts{byName: make(map[string]uint64)}
	for _, name := range failure.Names() {
		f.byName[name] = 0
	}
	return f
}

func (f *failureCounts) add(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byName[name]++
}

func (f *failureCounts) snapshot() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.byName)
}

// histogram counts durations. It is safe for concurrent use.
type histogram struct {
	mu     sync.Mutex
	bounds []float64 // seconds
	counts []uint64
	sum    float64
}

// newHistogram returns a histogram from 1 ms to 60 s.
func newHistogram() *histogram {
	bounds := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	return &histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

func (h *histogram) observe(d time.Duration) {
	seconds := d.Seconds()
	bucket, _ := slices.BinarySearch(h.bounds, seconds)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[bucket]++
	h.sum += seconds
}

func (h *histogram) snapshot() Histogram {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Histogram{Bounds: h.bounds, Counts: slices.Clone(h.counts), Sum: h.sum}
}
