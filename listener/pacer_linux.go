//go:build !portable

package listener

import "time"

const (
	// worthReading is how many datagrams a pause is meant to collect at most.
	worthReading = 4 * batchSize
	// bufferADatagram is the receive buffer in bytes that there must be for each
	// of them: eight times what the kernel's count, which doubles the buffer and
	// charges up to 4 KiB for a datagram of 30 records, would need.
	bufferADatagram = 16 << 10
	// worthPausing is how many must be expected in the longest pause for one to
	// be made: with fewer, waiting for the datagram is cheaper than for a timer.
	worthPausing = 1
	// leastBuffer is the receive buffer in bytes below which there are no pauses.
	// The kernel charges it up to 4 KiB for a datagram of 30 records, so a
	// smaller one holds hardly more than a burst.
	leastBuffer = 1 << 20
)

// pacer decides how long to leave a socket alone after a read. Being woken for
// each datagram costs several times as much as reading it, so at low and middle
// rates the kernel's queue is given time to collect some.
//
// A pause lasts as long as some datagrams take to arrive at the rate seen lately,
// and never longer than the budget. While more is queued than one read takes there
// is none. So little is ever queued, however high the rate, and the buffer has
// room for what rises during a pause.
type pacer struct {
	budget time.Duration // longest pause; 0 means there are none
	enough float64       // datagrams for a pause to collect

	last  time.Time
	count int     // datagrams read since
	rate  float64 // datagrams a second, smoothed
}

// newPacer returns a pacer for a socket with a receive buffer of so many bytes.
func newPacer(budget time.Duration, buffer int) *pacer {
	if buffer < leastBuffer {
		budget = 0
	}
	return &pacer{budget: budget, enough: float64(min(worthReading, buffer/bufferADatagram))}
}

// pause returns how long to wait after a read at a time that brought so many
// datagrams: all there were, unless it was a whole batch.
func (p *pacer) pause(at time.Time, datagrams int) time.Duration {
	p.count += datagrams
	if p.budget == 0 || datagrams >= batchSize {
		return 0
	}
	if elapsed := at.Sub(p.last).Seconds(); elapsed > 0 {
		p.rate += (float64(p.count)/elapsed - p.rate) / 4
		p.last, p.count = at, 0
	}
	if p.rate*p.budget.Seconds() < worthPausing {
		return 0
	}
	return min(p.budget, time.Duration(p.enough/p.rate*float64(time.Second)))
}
