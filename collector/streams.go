package collector

import (
	"math"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// maxStreams bounds the streams of all sockets together, minStreams the part of
// one socket from below. A stream takes at most 640 bytes, its place in the index
// included: 21 MB when full, or with the most sockets, minStreams each, for one
// address 168 MB. The slots are allocated at the start, and take memory as
// streams come; only the index grows.
const (
	maxStreams = 1 << 15
	minStreams = 1 << 10
)

const (
	// A stream is regular once it sent regularPackets and was heard in
	// regularMinutes minutes, none of which overlap: at the earliest two minutes
	// after its first packet. No burst buys that, however many packets it has.
	regularPackets = 10
	regularMinutes = 3
	// regularSilence is how long a regular stream may be silent and keep its
	// seat from another that earned one.
	regularSilence = 10 * time.Minute
)

// standing is what a stream has earned, the least first.
type standing uint8

const (
	newcomer standing = iota // fewer than regularPackets packets
	frequent                 // more, but not for minutes
	named                    // of an address that is allowed by name
	regular

	standings // how many there are
)

// streamKey tells apart the sequences that exporters send.
type streamKey struct {
	address [16]byte // IPv4 as IPv4-mapped
	port    uint16   // UDP source port
	decoder.StreamID
}

// setKey makes k the key of a packet's stream.
func (k *streamKey) setKey(from netip.AddrPort, p *decoder.ExportPacket) {
	decoder.PutMapped(&k.address, from.Addr())
	k.port = from.Port()
	p.PutStreamID(&k.StreamID)
}

// exporter returns the address that the key was made from.
func (k *streamKey) exporter() netip.Addr { return netip.AddrFrom16(k.address).Unmap() }

// stream is what is known of the packets with one key.
type stream struct {
	sequence
	key          streamKey
	packets      uint32 // stops at its highest value
	standing     standing
	minutes      uint8         // in which it was heard, up to regularMinutes
	minute       time.Duration // when the last of them began
	skewed       bool          // the last packet's clock was far from ours
	lossy        bool          // lost holds a moment
	lost         time.Duration
	older, newer int32 // neighbours in a recency list

	recent   tally // since the last survey
	offset   time.Duration
	sampling sampling
}

// streams is a bounded table of streams. When it is full a new one takes the
// place of the one that was silent for the longest time among those of the least
// standing. A quarter of the table has no seats for regulars, so a new stream
// finds room there, and no flood of forged sources displaces a regular: only
// another stream that earned its seat does, once the first was silent for
// regularSilence. It is for one goroutine at a time.
type streams struct {
	capacity int
	named    *allowList // the addresses allowed by name
	index    map[streamKey]int32
	slots    []stream
	recency  [standings]recency
	regulars int

	missedRecords uint64                    // by streams that count flows or data records
	missedPackets map[decoder.Format]uint64 // by streams that count packets
	restarts      uint64

	forgotten tally // of streams that gave way, since the last survey
}

func newStreams(capacity int, named *allowList) *streams {
	t := &streams{
		capacity: capacity,
		named:    named,
		index:    make(map[streamKey]int32),
		slots:    make([]stream, 0, capacity),

		missedPackets: make(map[decoder.Format]uint64),
	}
	for i := range t.recency {
		t.recency[i] = emptyRecency
	}
	return t
}

// seats is how many regulars there may be.
func (t *streams) seats() int { return t.capacity - t.capacity/4 }

// findings tell what changed about a stream, as far as somebody should know.
type findings uint8

const (
	foundLoss findings = 1 << iota
	foundUnsequenced
	foundSkew
)

// see takes a packet that arrived at the moment now, and returns what is to be
// told of its stream, which has that standing.
func (t *streams) see(s *sighting, now time.Duration) (found findings, of standing) {
	i := t.place(&s.streamKey, now)
	st := &t.slots[i]
	v := st.see(s, now)
	if t.book(st, v.unit, v.missed, now) {
		found |= foundLoss
	}
	if v.restarted {
		t.restarts++
	}
	if v.unsequenced {
		found |= foundUnsequenced
	}
	if s.skewed && !st.skewed {
		found |= foundSkew
	}
	st.skewed, st.offset = s.skewed, s.offset
	st.recent.take(s, v.restarted)
	if s.sampling.known() {
		st.sampling = s.sampling
	}
	t.promote(i, now)
	return found, st.standing
}

// closeGaps counts what is missing of gaps that no packet will close any more, and
// calls visit with each stream.
func (t *streams) closeGaps(now time.Duration, visit func(*stream)) {
	for i := range t.slots {
		st := &t.slots[i]
		t.book(st, st.counts.unit(), st.closeGaps(now), now)
		visit(st)
	}
}

// book counts what is missing, in its unit, and reports whether anything is.
func (t *streams) book(st *stream, unit decoder.SequenceUnit, missed uint64, now time.Duration) bool {
	if missed == 0 {
		return false
	}
	if unit == decoder.CountsPackets {
		t.missedPackets[st.key.Format] += missed
		st.recent.packetsMissed += missed
	} else {
		t.missedRecords += missed
		st.recent.flowsMissed += missed
	}
	st.lossy, st.lost = true, now
	return true
}

// place returns the slot of the key's stream, which is a new one if need be.
func (t *streams) place(key *streamKey, now time.Duration) int32 {
	if i, known := t.index[*key]; known {
		return i
	}
	i := int32(len(t.slots))
	if int(i) < t.capacity {
		t.slots = append(t.slots, stream{})
	} else {
		i = t.evict(now)
	}
	st := stream{key: *key, minutes: 1, minute: now}
	if t.named.contains(key.exporter()) {
		st.standing = named
	}
	t.slots[i] = st
	t.recency[st.standing].push(t.slots, i)
	t.index[*key] = i
	return i
}

// evict empties the slot of the stream that is worth the least.
func (t *streams) evict(now time.Duration) int32 {
	var of standing
	for t.recency[of].oldest < 0 {
		of++
	}
	i := t.recency[of].oldest
	st := &t.slots[i]
	t.book(st, st.counts.unit(), st.closeGaps(now), now)
	t.forgotten.add(&st.recent)
	t.recency[of].remove(t.slots, i)
	if of == regular {
		t.regulars--
	}
	delete(t.index, st.key)
	return i
}

// promote counts the packet, gives the stream the standing it has earned by it
// and makes it the most recent of those.
func (t *streams) promote(i int32, now time.Duration) {
	st := &t.slots[i]
	if st.packets < math.MaxUint32 {
		st.packets++
	}
	if st.minutes < regularMinutes && now-st.minute >= time.Minute {
		st.minutes++
		st.minute = now
	}
	from := &t.recency[st.standing]
	if st.standing != regular && st.packets >= regularPackets {
		t.raise(st, now)
	}
	to := &t.recency[st.standing]
	if from == to && to.newest == i {
		return
	}
	from.remove(t.slots, i)
	to.push(t.slots, i)
}

// raise gives a stream that is not regular, and sent enough packets, the
// standing that its minutes have earned.
func (t *streams) raise(st *stream, now time.Duration) {
	switch {
	case st.minutes == regularMinutes && t.findSeat(now):
		st.standing = regular
		t.regulars++
	case st.standing == newcomer:
		st.standing = frequent
	}
}

// findSeat reports whether there is a seat for one more regular. If need be the
// one that was silent for the longest time gives up its own, and is the next to
// be evicted.
func (t *streams) findSeat(now time.Duration) bool {
	if t.regulars < t.seats() {
		return true
	}
	i := t.recency[regular].oldest
	st := &t.slots[i]
	if now-st.heard <= regularSilence {
		return false
	}
	t.recency[regular].remove(t.slots, i)
	t.regulars--
	st.standing, st.minutes = newcomer, 0
	t.recency[newcomer].pushOldest(t.slots, i)
	return true
}

// recency is a list of slots in the order in which they were heard, linked
// through the slots themselves; -1 is no slot.
type recency struct{ oldest, newest int32 }

var emptyRecency = recency{oldest: -1, newest: -1}

// push adds slot i, which is in no list, as the newest.
func (r *recency) push(slots []stream, i int32) {
	slots[i].older, slots[i].newer = r.newest, -1
	if r.newest >= 0 {
		slots[r.newest].newer = i
	} else {
		r.oldest = i
	}
	r.newest = i
}

// pushOldest adds slot i, which is in no list, as the oldest.
func (r *recency) pushOldest(slots []stream, i int32) {
	slots[i].older, slots[i].newer = -1, r.oldest
	if r.oldest >= 0 {
		slots[r.oldest].older = i
	} else {
		r.newest = i
	}
	r.oldest = i
}

// remove takes slot i, which is in the list, out of it.
func (r *recency) remove(slots []stream, i int32) {
	older, newer := slots[i].older, slots[i].newer
	if older >= 0 {
		slots[older].newer = newer
	} else {
		r.oldest = newer
	}
	if newer >= 0 {
		slots[newer].older = older
	} else {
		r.newest = older
	}
}
