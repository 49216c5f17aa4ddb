package collector

import (
	"math"
	"net/netip"
	"time"
)

// maxStreams bounds the streams of all sockets together, minStreams the part of
// one socket from below. A stream takes about 350 bytes, its place in the index
// included: 12 MB when full, or with the most sockets, minStreams each, for one
// address 92 MB. The slots are allocated at the start, and take memory as
// streams come; only the index grows.
const (
	maxStreams = 1 << 15
	minStreams = 1 << 10
)

// regularPackets is how many packets make a newcomer a regular.
const regularPackets = 10

// streamKey tells apart the sequences that exporters send.
type streamKey struct {
	address              [16]byte // IPv4 as IPv4-mapped
	port                 uint16   // UDP source port
	engineType, engineID uint8
}

// exporter returns the address that the key was made from.
func (k *streamKey) exporter() netip.Addr { return netip.AddrFrom16(k.address).Unmap() }

// stream is what is known of the packets with one key.
type stream struct {
	sequence
	key          streamKey
	packets      uint32 // stops at its highest value
	skewed       bool   // the last packet's clock was far from ours
	lossy        bool   // lost holds a moment
	lost         time.Duration
	older, newer int32 // neighbours in a recency list
}

// streams is a bounded table of streams. When it is full a new one takes the
// place of the newcomer that was silent for the longest time, so that forged
// sources displace each other before they displace an exporter; if there is no
// newcomer, of the regular. It is for one goroutine at a time.
type streams struct {
	capacity            int
	index               map[streamKey]int32
	slots               []stream
	newcomers, regulars recency

	missed   uint64 // flows
	restarts uint64
}

func newStreams(capacity int) *streams {
	return &streams{
		capacity:  capacity,
		index:     make(map[streamKey]int32),
		slots:     make([]stream, 0, capacity),
		newcomers: emptyRecency,
		regulars:  emptyRecency,
	}
}

// findings tell what changed about a stream, as far as somebody should know.
type findings uint8

const (
	foundLoss findings = 1 << iota
	foundUnsequenced
	foundSkew
)

// see takes a packet that arrived at the moment now.
func (t *streams) see(s *sighting, now time.Duration) (found findings) {
	i := t.place(&s.streamKey, now)
	st := &t.slots[i]
	v := st.see(s, now)
	if t.book(st, v.missed, now) {
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
	st.skewed = s.skewed
	t.promote(i)
	return found
}

// settle counts what is missing of gaps that no packet will close any more, and
// calls visit with each stream.
func (t *streams) settle(now time.Duration, visit func(*stream)) {
	for i := range t.slots {
		st := &t.slots[i]
		t.book(st, st.settle(now), now)
		visit(st)
	}
}

// book counts missed flows and reports whether there were any.
func (t *streams) book(st *stream, missed uint64, now time.Duration) bool {
	if missed == 0 {
		return false
	}
	t.missed += missed
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
	t.slots[i] = stream{key: *key}
	t.newcomers.push(t.slots, i)
	t.index[*key] = i
	return i
}

// evict empties the slot of the stream that is worth the least.
func (t *streams) evict(now time.Duration) int32 {
	i := t.newcomers.oldest
	if i < 0 {
		i = t.regulars.oldest
	}
	st := &t.slots[i]
	t.book(st, st.settle(now), now)
	t.listOf(st).remove(t.slots, i)
	delete(t.index, st.key)
	return i
}

// promote counts the packet and makes the stream the most recent of its list.
func (t *streams) promote(i int32) {
	st := &t.slots[i]
	from := t.listOf(st)
	if st.packets < math.MaxUint32 {
		st.packets++
	}
	to := t.listOf(st)
	if from == to && to.newest == i {
		return
	}
	from.remove(t.slots, i)
	to.push(t.slots, i)
}

// listOf returns the recency list that the stream belongs to.
func (t *streams) listOf(st *stream) *recency {
	if st.packets < regularPackets {
		return &t.newcomers
	}
	return &t.regulars
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
