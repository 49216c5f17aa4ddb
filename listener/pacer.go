package listener

import "time"

const (
	// worthReading is how many datagrams a pause is meant to collect: most of
	// what one read takes, so that the queue does not grow from read to read.
	worthReading = batchSize * 3 / 4
	// worthPausing is how many must be expected in the longest pause for one to
	// be made: with fewer, waiting for the datagram is cheaper than for a timer.
	worthPausing = 3
	// mostSkipped bounds for how many reads there are no pauses after some that
	// collected nothing.
	mostSkipped = 64
	// leastBuffer is the receive buffer in bytes below which there are no pauses.
	// The kernel charges it up to 4 KiB for a datagram of 30 records, so a
	// smaller one holds hardly more than a burst.
	leastBuffer = 1 << 20
)

// pacer decides how long to leave a socket alone after a read. Being woken for
// each datagram costs several times as much as reading it, so at middle rates
// the kernel's queue is given time to collect some.
//
// A pause lasts as long as worthReading datagrams take to arrive at the rate
// seen lately, and never longer than the budget. While more is queued than one
// read takes there is none. So little is ever queued, however high the rate, and
// a buffer that is not small has room for what rises during a pause.
//
// Senders that send in bursts are read a burst at a time anyway, and a pause
// after it collects nothing. So pauses that did become rare, until one pays.
type pacer struct {
	budget time.Duration // longest pause; 0 means there are none

	last time.Time
	rate float64 // datagrams a second, smoothed

	paused        bool // before the last read
	skip, skipped int  // how many reads to skip pauses for, and how many it were
}

// newPacer returns a pacer for a socket with a receive buffer of so many bytes.
func newPacer(budget time.Duration, buffer int) *pacer {
	if buffer < leastBuffer {
		budget = 0
	}
	return &pacer{budget: budget}
}

// pause returns how long to wait after a read at a time that brought so many
// datagrams, all there were unless full. waited tells that there were none at
// first.
func (p *pacer) pause(at time.Time, datagrams int, full, waited bool) time.Duration {
	if p.budget == 0 {
		return 0
	}
	p.learn(at, datagrams, waited)
	p.paused = false
	if full || p.rate*p.budget.Seconds() < worthPausing {
		return 0
	}
	if p.skipped < p.skip {
		p.skipped++
		return 0
	}
	p.paused, p.skipped = true, 0
	return min(p.budget, time.Duration(worthReading/p.rate*float64(time.Second)))
}

// learn takes note of the rate, and of what the last pause was good for.
func (p *pacer) learn(at time.Time, datagrams int, waited bool) {
	elapsed := at.Sub(p.last).Seconds()
	p.last = at
	if elapsed > 0 {
		p.rate += (float64(datagrams)/elapsed - p.rate) / 4
	}
	switch {
	case p.paused && waited:
		p.skip = min(2*p.skip+1, mostSkipped)
	case p.paused:
		p.skip = 0
	}
}
