package collector

import (
	"slices"
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
	// A gap is plausible up to plausiblePackets, or plausibleRecords, and
	// plausibleFactor times what the stream would have sent meanwhile at its
	// recent rate.
	plausiblePackets = 100
	plausibleRecords = 1000
	plausibleFactor  = 10
	// learnedAfter packets in a row that a unit predicted make it the stream's.
	// None that does so in triedFor packets, or unsequencedAfter in a row that
	// contradict the stream's, make it unsequenced; then a unit has to predict
	// sequencedAfter.
	learnedAfter     = 3
	triedFor         = 30
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
	number   uint32                        // what the exporter had counted before the packet
	steps    [decoder.SequenceUnits]uint32 // how much the packet adds to it, by unit
	partial  bool                          // steps in records are lower bounds
	uptime   decoder.Uptime                // the exporter's, when it sent the packet
	exported decoder.UnixNano              // the same moment by the exporter's wall clock; 0: it has none
	boot     uint32                        // the exporter's boot time, see bootTime
	offset   time.Duration                 // how far that clock is behind ours; 0 without one
	skewed   bool                          // that is far

	records   uint32 // flow records in the packet
	anomalies decoder.Anomalies
	sampling  sampling
}

// bootTime returns when an exporter booted whose uptime was u at a moment, in milliseconds, modulo
// 2^32 as the uptime is: so it does not change when the uptime wraps.
func bootTime(at decoder.UnixNano, u decoder.Uptime) uint32 {
	return uint32(uint64(at)/uint64(time.Millisecond)) - uint32(u)
}

// verdict is what a packet told about its stream.
type verdict struct {
	missed      uint64               // now known to be missing
	unit        decoder.SequenceUnit // of missed
	restarted   bool
	unsequenced bool // the stream has just been found to be so
}

// counting is what a stream's numbers count: a unit of what was sent before the
// packet, by the specifications, or with it, as some exporters do.
type counting uint8

const (
	inclusive = counting(decoder.SequenceUnits) // added to a unit: with the packet
	countings = 2 * inclusive
)

func (c counting) unit() decoder.SequenceUnit { return decoder.SequenceUnit(c % inclusive) }

// sequence follows the numbers of one stream, in whatever unit they count. The zero value has seen no
// packet. It never allocates and knows no clock; it is for one goroutine.
type sequence struct {
	heard time.Duration // when the last packet came

	// Of the first packet since the sequence began, began anew or was forgotten.
	since     time.Duration
	sinceBoot uint32

	// Of the newest packet, in the exporter's order.
	number      uint32 // its own
	first, next uint32 // what was counted before it, and with it
	steps       [decoder.SequenceUnits]uint32
	partial     bool
	begun       bool
	uptime      decoder.Uptime
	exported    decoder.UnixNano
	boot        uint32

	// What the stream counts. While it is not learned, nothing is missed.
	counts         counting // what the format says, or what was learned
	learned        bool
	unsequenced    bool             // not learned, though enough packets came
	fits           [countings]uint8 // packets in a row that each predicted, of those that tell them apart
	tried          uint8            // packets from which it could have been learned
	short, erratic uint8            // packets in a row whose number moved too little, or at random

	gapCount uint8
	gaps     [maxGaps]gap // the first gapCount, oldest first

	// What the stream does usually, and the window in which it is measured.
	windowed      bool          // usual holds a first value
	rate          uint64        // steps a second: up at once, down slowly
	usual         time.Duration // longest interval between packets in a window
	windowStart   time.Duration
	windowSteps   uint64
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
	if !q.begun {
		q.expect(s.Format)
		q.windowStart, q.heard = now, now
	}
	unit, missed := q.counts.unit(), q.closeGaps(now)
	v := q.take(s, now)
	v.unit, v.missed = unit, v.missed+missed
	q.meter(now, s.steps[q.counts.unit()])
	q.heard = now
	return v
}

// take brings the packet to where it belongs.
func (q *sequence) take(s *sighting, now time.Duration) verdict {
	if !q.begun || now-q.heard > q.patience() {
		q.begin(s, now)
		return verdict{}
	}
	predicted := q.score(s)
	if q.learned {
		return q.judge(s, now)
	}
	return q.learn(s, predicted, now)
}

// closeGaps closes the gaps that were open long enough and returns what is missing
// of them.
func (q *sequence) closeGaps(now time.Duration) (missed uint64) {
	for q.gapCount > 0 && now-q.gaps[0].opened >= gapPatience {
		missed += q.closeOldest()
	}
	return missed
}

// judge compares the packet with what was to come.
func (q *sequence) judge(s *sighting, now time.Duration) verdict {
	start := q.start(s)
	ahead, moved := int32(start-q.next), int32(start-q.first)
	switch {
	case q.rebooted(s):
		return q.restart(s, now)
	case ahead == 0:
		q.confirm(s)
		q.follow(s)
		return verdict{}
	case q.relearn():
		q.follow(s)
		return verdict{}
	case ahead > 0 && q.plausible(uint32(ahead), now):
		var missed uint64
		if !q.unclear(q.counts, s) {
			missed = q.open(gap{from: q.next, to: start, missing: uint32(ahead), opened: now})
		}
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

// expect makes the stream count what the format's specification says.
func (q *sequence) expect(f decoder.Format) {
	unit, kept := f.SequenceUnit()
	q.counts, q.learned = counting(unit), kept
	q.fits, q.tried = [countings]uint8{}, 0
}

// begin makes the packet the first one.
func (q *sequence) begin(s *sighting, now time.Duration) {
	q.begun = true
	q.since, q.sinceBoot = now, s.boot
	q.follow(s)
}

// start returns what was counted before the packet.
func (q *sequence) start(s *sighting) uint32 {
	if q.counts < inclusive {
		return s.number
	}
	return s.number - s.steps[q.counts.unit()]
}

// follow makes the packet the newest one.
func (q *sequence) follow(s *sighting) {
	q.number, q.first = s.number, q.start(s)
	q.next = q.first + s.steps[q.counts.unit()]
	q.steps, q.partial = s.steps, s.partial
	q.uptime, q.exported, q.boot = s.uptime, s.exported, s.boot
}

// step returns by how much the packet's number is above the newest one's if c is
// counted.
func (q *sequence) step(c counting, s *sighting) uint32 {
	if c < inclusive {
		return q.steps[c]
	}
	return s.steps[c-inclusive]
}

// unclear reports whether step is a lower bound only, since part of the packet
// that it depends on could not be decoded.
func (q *sequence) unclear(c counting, s *sighting) bool {
	partial := q.partial
	if c >= inclusive {
		partial = s.partial
	}
	return partial && c.unit() != decoder.CountsPackets
}

// telling reports whether the packet's number tells what is counted: between
// packets of a single record it does not.
func (q *sequence) telling(s *sighting) bool {
	single := [decoder.SequenceUnits]uint32{1, 1, 1}
	return !q.partial && !s.partial && (q.steps != single || s.steps != single)
}

// score takes note of what predicted the packet's number, and reports whether
// anything may have done so.
func (q *sequence) score(s *sighting) (predicted bool) {
	moved, telling := s.number-q.number, q.telling(s)
	for i := range q.fits {
		switch c := counting(i); {
		case q.unclear(c, s):
			predicted = true
		case moved != q.step(c, s):
			q.fits[c] = 0
		default:
			predicted = true
			if telling {
				q.fits[c] = min(q.fits[c]+1, sequencedAfter)
			}
		}
	}
	return predicted
}

// learn follows a stream that may count anything, until it is known what.
func (q *sequence) learn(s *sighting, predicted bool, now time.Duration) (v verdict) {
	if q.rebooted(s) {
		q.begin(s, now)
		return verdict{}
	}
	needed := uint8(learnedAfter)
	if q.unsequenced {
		needed = sequencedAfter
	}
	if !q.adopt(needed) && !q.unsequenced && (q.telling(s) || !predicted) {
		if q.tried++; q.tried == triedFor {
			q.giveUp()
			v.unsequenced = true
		}
	}
	q.follow(s)
	return v
}

// relearn reports whether the stream counts something else than was learned:
// that predicted enough packets in a row, of which what was learned did not
// predict the last.
func (q *sequence) relearn() bool {
	return q.fits[q.counts] == 0 && q.adopt(learnedAfter)
}

// adopt reports whether anything predicted so many packets in a row, and makes it
// what the stream counts. What that was goes first, then what is counted before
// the packet.
func (q *sequence) adopt(needed uint8) bool {
	found := q.counts
	if q.fits[found] < needed {
		i := slices.IndexFunc(q.fits[:], func(n uint8) bool { return n >= needed })
		if i < 0 {
			return false
		}
		found = counting(i)
	}
	if found != q.counts {
		q.rate, q.windowSteps, q.gapCount = 0, 0, 0 // in another unit
	}
	q.counts, q.learned, q.unsequenced = found, true, false
	q.short, q.erratic = 0, 0
	return true
}

// giveUp makes the stream unsequenced.
func (q *sequence) giveUp() {
	q.learned, q.unsequenced = false, true
	q.fits = [countings]uint8{}
	q.tried, q.short, q.erratic, q.gapCount = 0, 0, 0, 0
}

// rebooted reports whether the boot time moved by more than clocks do. An
// uptime that stands still tells nothing.
func (q *sequence) rebooted(s *sighting) bool {
	return s.uptime != q.uptime && bootDistance(s.boot, q.boot) > bootTolerance
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

// restart begins anew from the packet, also with what the stream counts: the
// exporter may run other software now. What was open is not counted: it cannot be
// told from the restart.
func (q *sequence) restart(s *sighting, now time.Duration) verdict {
	v := verdict{restarted: true}
	odd := q.start(s) != q.next
	q.expect(s.Format)
	if odd {
		q.erratic++
		v.unsequenced = q.doubt()
	}
	q.gapCount = 0
	q.begin(s, now)
	return v
}

// fallShort takes a packet whose number moved by less than was sent before it:
// it counts something else.
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
	q.giveUp()
	return true
}

// confirm takes note of a packet that came in order. If that is a step of one,
// packets may be what is counted.
func (q *sequence) confirm(s *sighting) {
	q.erratic = 0
	if q.counts.unit() == decoder.CountsPackets || q.step(q.counts, s) != 1 {
		q.short = 0
	}
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
		if q.start(s)-g.from < g.to-g.from {
			g.missing -= min(g.missing, s.steps[q.counts.unit()])
			return true
		}
	}
	return false
}

// plausible reports whether the stream's number may have moved by so many steps
// since its last packet.
func (q *sequence) plausible(steps uint32, now time.Duration) bool {
	// In whole milliseconds, which keeps the product far from 2^64 for any
	// rate that fits through a network.
	meanwhile := uint64(max(now-q.heard, time.Second) / time.Millisecond)
	rate := max(q.rate, q.windowSteps)
	allowed := uint64(plausibleRecords)
	if q.counts.unit() == decoder.CountsPackets {
		allowed = plausiblePackets
	}
	return uint64(steps) <= allowed+plausibleFactor*rate*meanwhile/1000
}

// patience is how long the stream may be silent without being forgotten.
func (q *sequence) patience() time.Duration {
	return max(minSilence, silenceFactor*q.usual)
}

// meter measures rate and interval, window by window. It goes on when the
// sequence is forgotten: how else would it learn of an interval that is longer
// than its patience?
func (q *sequence) meter(now time.Duration, steps uint32) {
	q.windowLongest = max(q.windowLongest, now-q.heard)
	if elapsed := now - q.windowStart; elapsed >= meterWindow {
		q.closeWindow(elapsed)
		q.windowStart, q.windowSteps, q.windowLongest = now, 0, 0
	}
	q.windowSteps += uint64(steps)
}

// closeWindow takes over what a window of the given length measured.
func (q *sequence) closeWindow(elapsed time.Duration) {
	rate := q.windowSteps * 1000 / uint64(elapsed/time.Millisecond)
	q.rate = max(rate, (3*q.rate+rate)/4)
	if q.windowed {
		q.usual += (q.windowLongest - q.usual) / intervalWeight
	} else {
		q.windowed, q.usual = true, q.windowLongest
	}
}
