package collector

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/publisher"
)

// rateWindow is over how many looks of the watch, a second apart, rates are measured.
const rateWindow = 5

// monitor keeps what the status page shows of the past: samples of the last seconds, for
// rates, the points of the last minutes, and what stands that should not. The watch writes
// it; it is safe for concurrent use.
type monitor struct {
	mu      sync.Mutex
	recent  []sample // the oldest first, rateWindow+1 at most
	ring    status.Ring
	pointed sample // of the last point

	standing atomic.Pointer[standingProblems]
}

// standingProblems are what the watch saw last. They are immutable.
type standingProblems struct {
	problems []status.Problem
	lastLoss time.Time
	full     time.Duration // until the buffer is full
	filling  bool
}

// see takes a sample.
func (m *monitor) see(s *sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.recent) > rateWindow {
		m.recent = slices.Delete(m.recent, 0, 1)
	}
	m.recent = append(m.recent, *s)
	if m.pointed.at.IsZero() {
		m.pointed = *s
		return
	}
	// A tick that comes a little early belongs to the point, too.
	if s.at.Sub(m.pointed.at) > status.HistoryEvery-watchEvery/2 {
		p := pointOf(&m.pointed, s)
		m.ring.Add(s.at, &p)
		m.pointed = *s
	}
}

// window returns the newest sample and the one that rates are measured from, which is the same
// while there is no other; zero before the first.
func (m *monitor) window() (from, to sample, history status.History) {
	m.mu.Lock()
	defer m.mu.Unlock()
	history = m.ring.History()
	if len(m.recent) == 0 {
		return from, to, history
	}
	return m.recent[0], m.recent[len(m.recent)-1], history
}

// pointOf returns the point that is between two samples.
func pointOf(from, to *sample) status.Point {
	seconds := to.at.Sub(from.at).Seconds()
	rate := func(a, b uint64) float64 { return whole(float64(b-a) / seconds) }
	return status.Point{
		Received:       rate(from.datagrams.received, to.datagrams.received),
		KernelDropped:  rate(from.kernelDropped, to.kernelDropped),
		Rejected:       rate(total(from.datagrams.rejected[:]), total(to.datagrams.rejected[:])),
		FlowsDecoded:   rate(from.decoded, to.decoded),
		FlowsDelivered: rate(from.delivered, to.delivered),
		FlowsDropped:   rate(dropped(from), dropped(to)),
		Missed:         rate(missed(from), missed(to)),
		FlowsBuffered:  to.buffered,
		BufferBytes:    to.bytes,
		Latency:        latency(&from.produce, &to.produce),
	}
}

// missed is all that never arrived, in whatever unit its sequence counts.
func missed(s *sample) uint64 {
	return s.flowsMissed + s.packetsMissed + s.datagrams.samples.missed
}

// whole rounds to a tenth: more digits say nothing, and cost bytes.
func whole(rate float64) float64 { return float64(int64(rate*10+.5)) / 10 }

func total(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func dropped(s *sample) (n uint64) {
	for _, reason := range publisher.DropReasons() {
		n += s.dropped[reason]
	}
	return n
}

// latency returns the mean of what was observed between two states of a histogram, in
// seconds; 0 when that was nothing.
func latency(from, to *publisher.Histogram) float64 {
	n := total(to.Counts) - total(from.Counts)
	if n == 0 {
		return 0
	}
	return (to.Sum - from.Sum) / float64(n)
}

// quantile returns a bound below which that part of what was observed is, in seconds.
func quantile(part float64, from, to *publisher.Histogram) float64 {
	n := total(to.Counts) - total(from.Counts)
	if n == 0 {
		return 0
	}
	var below uint64
	for i, bound := range to.Bounds {
		below += to.Counts[i]
		if i < len(from.Counts) {
			below -= from.Counts[i]
		}
		if float64(below) >= part*float64(n) {
			return bound
		}
	}
	return to.Bounds[len(to.Bounds)-1]
}
