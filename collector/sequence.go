package collector

import (
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// The rules of the sequence watch; docs/sequence-watch.md tells why. Moments
// are durations since the collector started, by the monotonic clock.
const (
	// gapPatience is how long a gap stays open to packets that come late.
	gapPatience = time.Second
	// maxGaps is how many gaps a stream may have open; one more counts the oldest.
	maxGaps = 4
	// minSilence is the least silence after which a sequence is forgotten; if
	// more, silenceFactor times the usual interval is.
	minSilence    = time.Minute
	silenceFactor = 10
	// bootTolerance is how far the boot time may move: clocks are adjusted.
	bootTolerance = 10 * time.Second
	// clockDrift is how well an uptime and a wall clock keep together at worst:
	// to one part in so many.
	clockDrift = 1000
	// A gap is plausible up to plausibleFlows and plausibleFactor times what
	// the stream would have sent meanwhile at its recent rate.
	plausibleFlows  = 1000
	plausibleFactor = 10
	// unsequencedAfter packets in a row that do not count flows make a stream
	// unsequenced, sequencedAfter in a row that do make it sequenced again.
	unsequencedAfter = 3
	sequencedAfter   = 10
	// meterWindow is the least time over which rate and interval are measured.
	meterWindow = time.Second
	// intervalWeight is the part of a new interval in the usual one: one in so
	// many.
	intervalWeight = 8
)

// sighting is what the sequence watch looks at of one export packet.
type sighting struct {
	streamKey
	flowSequence uint32           // of the packet's first record
	records      uint32           // decoded, at least 1
	uptime       decoder.Uptime   // the exporter's, when it sent the packet
	exported     decoder.UnixNano // the same moment by the exporter's wall clock
	skewed       bool             // that clock is far from ours
}

// bootTime returns the exporter's boot time in milliseconds, modulo 2^32 as the
// uptime is: so it stands still when the uptime wraps.
func (s *sighting) bootTime() uint32 {
	return uint32(uint64(s.exported)/uint64(time.Millisecond)) - uint32(s.uptime)
}

// verdict is what a packet told about its stream.
type verdict struct {
	missed      uint64 // flows that are now known to be missing
	restarted   bool
	unsequenced bool // the stream has just been found to be so
}

// sequence follows the flow sequence of one stream. The zero value has seen no
// packet. It never allocates and knows no clock; it is for one goroutine.
type sequence struct {
	heard time.Duration // when the last packet came

	// Of the first packet since the sequence began, began anew or was forgotten.
	since     time.Duration
	sinceBoot uint32

	// Of the newest packet, in the exporter's order.
	first, next    uint32 // its flow sequence, and the one to follow it
	uptime         decoder.Uptime
	exported       decoder.UnixNano
	boot           uint32
	begun          bool
	unsequenced    bool  // the sequence is known not to count flows
	short, erratic uint8 // packets in a row whose sequence moved too little, or at random
	counted        uint8 // packets in a row, while unsequenced, that counted flows
	gapCount       uint8
	gaps           [maxGaps]gap // the first gapCount, oldest first

	// What the stream does usually, and the window in which it is measured.
	windowed      bool          // usual holds a first value
	rate          uint64        // flows a second: up at once, down slowly
	usual         time.Duration // longest interval between packets in a window
	windowStart   time.Duration
	windowFlows   uint64
	windowLongest time.Duration
}

// gap is a range of the sequence that did not arrive yet.
type gap struct {
	from, to uint32 // to is the first that did arrive
	missing  uint32 // of them: late packets lower it
	opened   time.Duration
}

// see takes the next packet of the stream, which arrived at the moment now.
func (q *sequence) see(s *sighting, now time.Duration) verdict {
	missed := q.settle(now)
	var v verdict
	switch {
	case !q.begun || now-q.heard > q.patience():
		q.begin(s, now)
	case q.unsequenced:
		q.reconsider(s)
	default:
		v = q.judge(s, now)
	}
	v.missed += missed
	q.meter(now, s.records)
	q.heard = now
	return v
}

// settle closes the gaps that were open long enough and returns what is missing
// of them.
func (q *sequence) settle(now time.Duration) (missed uint64) {
	for q.gapCount > 0 && now-q.gaps[0].opened >= gapPatience {
		missed += q.closeOldest()
	}
	return missed
}

// judge compares the packet with what was to come.
func (q *sequence) judge(s *sighting, now time.Duration) verdict {
	ahead := int32(s.flowSequence - q.next)
	moved := int32(s.flowSequence - q.first)
	switch {
	case q.rebooted(s):
		return q.restart(s, now)
	case ahead == 0:
		q.confirm()
		q.follow(s)
		return verdict{}
	case ahead > 0 && q.plausible(uint32(ahead), now):
		missed := q.open(gap{from: q.next, to: s.flowSequence, missing: uint32(ahead), opened: now})
		q.follow(s)
		return verdict{missed: missed}
	case ahead > 0:
		return q.restart(s, now)
	case moved > 0, moved == 0 && q.newer(s):
		return q.fallShort(s)
	case q.fill(s), !q.newer(s):
		return verdict{} // late, or a copy of one that was there
	default:
		return q.restart(s, now)
	}
}

// begin makes the packet the first one.
func (q *sequence) begin(s *sighting, now time.Duration) {
	q.begun = true
	q.since, q.sinceBoot = now, s.bootTime()
	q.follow(s)
}

// follow makes the packet the newest one.
func (q *sequence) follow(s *sighting) {
	q.first, q.next = s.flowSequence, s.flowSequence+s.records
	q.uptime, q.exported, q.boot = s.uptime, s.exported, s.bootTime()
}

// rebooted reports whether the boot time moved by more than clocks do. An
// uptime that stands still tells nothing, nor does an exporter without a clock.
func (q *sequence) rebooted(s *sighting) bool {
	if s.exported == 0 && q.exported == 0 {
		return false
	}
	return s.uptime != q.uptime && bootDistance(s.bootTime(), q.boot) > bootTolerance
}

// bootKnown reports whether boot is to be believed: the first packet and the
// newest agree on it, give or take what two clocks drift apart meanwhile. The
// boot time of an uptime that stands still moves away.
func (q *sequence) bootKnown() bool {
	tolerance := bootTolerance + (q.heard-q.since)/clockDrift
	return q.uptime != 0 && q.heard > q.since && bootDistance(q.boot, q.sinceBoot) <= tolerance
}

// bootDistance is how far two boot times are apart.
func bootDistance(a, b uint32) time.Duration {
	apart := int64(int32(a - b))
	return time.Duration(max(apart, -apart)) * time.Millisecond
}

// newer reports whether the packet was sent after the newest one.
func (q *sequence) newer(s *sighting) bool {
	if s.uptime == q.uptime {
		return s.exported > q.exported
	}
	return int32(s.uptime-q.uptime) > 0
}

// restart begins anew from the packet. What was open is not counted: it cannot
// be told from the restart.
func (q *sequence) restart(s *sighting, now time.Duration) verdict {
	v := verdict{restarted: true}
	if s.flowSequence != q.next {
		q.erratic++
		v.unsequenced = q.doubt()
	}
	q.gapCount = 0
	q.begin(s, now)
	return v
}

// fallShort takes a packet whose sequence moved by less than the flows sent
// before it: it counts something else.
func (q *sequence) fallShort(s *sighting) verdict {
	q.short++
	unsequenced := q.doubt()
	q.follow(s)
	return verdict{unsequenced: unsequenced}
}

// doubt declares the stream unsequenced after enough odd packets in a row.
func (q *sequence) doubt() bool {
	if q.short < unsequencedAfter && q.erratic < unsequencedAfter {
		return false
	}
	q.unsequenced = true
	q.short, q.erratic, q.counted, q.gapCount = 0, 0, 0, 0
	return true
}

// confirm takes note of a packet that counted flows. After a packet of a single
// record, one that counts packets does the same.
func (q *sequence) confirm() {
	q.erratic = 0
	if q.next-q.first > 1 {
		q.short = 0
	}
}

// reconsider follows an unsequenced stream, which may learn to count.
func (q *sequence) reconsider(s *sighting) {
	if s.flowSequence == q.next {
		q.counted++
	} else {
		q.counted = 0
	}
	q.unsequenced = q.counted < sequencedAfter
	q.follow(s)
}

// open adds a gap. It returns what is missing of the oldest, if that had to go.
func (q *sequence) open(g gap) (missed uint64) {
	if q.gapCount == maxGaps {
		missed = q.closeOldest()
	}
	q.gaps[q.gapCount] = g
	q.gapCount++
	return missed
}

// closeOldest removes the oldest gap and returns what is missing of it.
func (q *sequence) closeOldest() (missed uint64) {
	missed = uint64(q.gaps[0].missing)
	copy(q.gaps[:], q.gaps[1:q.gapCount])
	q.gapCount--
	return missed
}

// fill reports whether a late packet lies in an open gap, and makes the gap
// smaller by it.
func (q *sequence) fill(s *sighting) bool {
	for i := range q.gaps[:q.gapCount] {
		g := &q.gaps[i]
		if s.flowSequence-g.from < g.to-g.from {
			g.missing -= min(g.missing, s.records)
			return true
		}
	}
	return false
}

// plausible reports whether the stream may have sent so many flows since its
// last packet.
func (q *sequence) plausible(flows uint32, now time.Duration) bool {
	// In whole milliseconds, which keeps the product far from 2^64 for any
	// rate that fits through a network.
	meanwhile := uint64(max(now-q.heard, time.Second) / time.Millisecond)
	rate := max(q.rate, q.windowFlows)
	return uint64(flows) <= plausibleFlows+plausibleFactor*rate*meanwhile/1000
}

// patience is how long the stream may be silent without being forgotten.
func (q *sequence) patience() time.Duration {
	return max(minSilence, silenceFactor*q.usual)
}

// meter measures rate and interval, window by window. It goes on when the
// sequence is forgotten: how else would it learn of an interval that is longer
// than its patience?
func (q *sequence) meter(now time.Duration, records uint32) {
	if q.windowFlows == 0 { // the first packet ever
		q.windowStart = now
	} else {
		q.windowLongest = max(q.windowLongest, now-q.heard)
	}
	if elapsed := now - q.windowStart; elapsed >= meterWindow {
		q.closeWindow(elapsed)
		q.windowStart, q.windowFlows, q.windowLongest = now, 0, 0
	}
	q.windowFlows += uint64(records)
}

// closeWindow takes over what a window of the given length measured.
func (q *sequence) closeWindow(elapsed time.Duration) {
	rate := q.windowFlows * 1000 / uint64(elapsed/time.Millisecond)
	q.rate = max(rate, (3*q.rate+rate)/4)
	if q.windowed {
		q.usual += (q.windowLongest - q.usual) / intervalWeight
	} else {
		q.windowed, q.usual = true, q.windowLongest
	}
}
