package collector

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// The rules by which the samples of a data source are found to be missing;
// docs/sequence-watch.md tells why. Moments are durations since the collector started.
const (
	// sourcesOfStream is how many data sources there may be for each stream that there
	// may be: a switch has many interfaces. One takes 64 bytes, so those of all sockets 4 MB.
	sourcesOfStream = 2
	// sourceWays is in how many places a data source may be.
	sourceWays = 8
	// A gap counts if the source's numbers were in order before: a number in order
	// adds 1 to its trust, which ends at maxTrust, a gap takes trustOfGap.
	maxTrust   = 12
	trustOfGap = 3
	// maxSourceGap is how many samples may be missing in a row; numbers that jump
	// by more begin anew. So do those that fall by more than maxLate.
	maxSourceGap = 10_000
	maxLate      = 1000
	// maxDrops is by how much an agent's drops may rise between two samples.
	maxDrops = 1 << 24
	// sourceSilence is how long a data source may be silent without being forgotten.
	sourceSilence = 10 * time.Minute
	// closeEvery is how often gaps are looked for that no sample will close any more.
	closeEvery = time.Second
)

// agentKey tells apart the agents of sFlow. It has no padding, so that it is hashed
// at once.
type agentKey struct {
	address, agent [16]byte // IPv4 as IPv4-mapped
	domain, port   uint32
}

// agentAddress is the agent's, as text.
func (k *agentKey) agentAddress() string {
	if k.agent == [16]byte{} {
		return "unknown"
	}
	return netip.AddrFrom16(k.agent).Unmap().String()
}

// sourceName tells apart the data sources of an agent.
type sourceName struct {
	kind, index uint32
	discarded   bool // packets that were reported as discarded
}

// source is what is known of a data source.
type source struct {
	// agent is the hash of its agent, which stands for it: that two share one of 64 bits
	// is chance, since nobody knows the seed.
	agent uint64
	name  sourceName
	heard time.Duration
	next  uint32 // the number to come
	drops uint32
	trust uint8
	late  uint8 // numbers in a row that had come before
	used  bool

	// The last gap, while late samples may still fill it.
	gapFrom, gapTo, gapMissing uint32
	opened                     time.Duration
}

// sources is a bounded table of data sources, read an agent's at a time. A new one takes the place of that which was
// silent for the longest time among the few where it may be, those without trust
// first. It is for one goroutine.
type sources struct {
	seed   maphash.Seed
	slots  []source
	sets   uint64 // a power of two
	agent  agentKey
	hash   uint64        // of agent
	gaps   int           // open
	closed time.Duration // when gaps were last closed
}

func newSources(capacity int) *sources {
	sets := 1
	for sets*2*sourceWays <= capacity {
		sets *= 2
	}
	return &sources{seed: maphash.MakeSeed(), slots: make([]source, sets*sourceWays), sets: uint64(sets)}
}

// begin names the agent of the next samples: that of a datagram.
func (t *sources) begin(from netip.AddrPort, h *decoder.Header) {
	decoder.PutMapped(&t.agent.address, from.Addr())
	decoder.PutMapped(&t.agent.agent, h.AgentAddress)
	t.agent.domain, t.agent.port = h.ObservationDomain, uint32(from.Port())
	t.hash = maphash.Comparable(t.seed, t.agent)
}

// sampleVerdict is what a sample told about its data source.
type sampleVerdict struct{ missed, drops uint64 }

// see takes the next sample of a data source of the agent.
func (t *sources) see(s *sflow.Source, now time.Duration) (v sampleVerdict) {
	name := sourceName{s.Type, s.Index, s.Discarded}
	q, missed := t.place(name)
	v.missed = missed
	if !q.used || now-q.heard > sourceSilence {
		v.missed += t.close(q)
		*q = source{name: name, agent: t.hash, used: true, next: s.Sequence + 1, drops: s.Drops, heard: now}
		return v
	}
	q.heard = now
	ahead := int32(s.Sequence - q.next)
	switch {
	case ahead == 0:
		q.trust = min(q.trust+1, maxTrust)
	case ahead > 0 && ahead <= maxSourceGap:
		v.missed += t.open(q, s.Sequence, now)
	case ahead < 0 && ahead >= -maxLate && q.late < unsequencedAfter:
		q.late++
		t.fill(q, s.Sequence)
		return v
	default: // it began anew
		q.trust = 0
		v.missed += t.close(q)
		q.drops = s.Drops
	}
	q.late = 0
	q.next = s.Sequence + 1
	if d := s.Drops - q.drops; d <= maxDrops {
		v.drops = uint64(d)
	}
	q.drops = s.Drops
	return v
}

// open notes a gap before a number, if numbers are to be trusted, and returns what is
// missing of the gap before.
func (t *sources) open(q *source, to uint32, now time.Duration) (missed uint64) {
	trusted := q.trust >= trustOfGap
	q.trust -= min(q.trust, trustOfGap)
	if !trusted {
		return 0
	}
	missed = t.close(q)
	q.gapFrom, q.gapTo, q.gapMissing, q.opened = q.next, to, to-q.next, now
	t.gaps++
	return missed
}

// fill makes the gap smaller by a late sample.
func (t *sources) fill(q *source, number uint32) {
	if q.gapMissing == 0 || number-q.gapFrom >= q.gapTo-q.gapFrom {
		return
	}
	if q.gapMissing--; q.gapMissing == 0 {
		t.gaps--
	}
}

// close returns what is missing of a gap.
func (t *sources) close(q *source) uint64 {
	missed := q.gapMissing
	if missed > 0 {
		t.gaps--
	}
	q.gapMissing = 0
	return uint64(missed)
}

// closeGaps counts what is missing of gaps that were open for long enough. There may be no
// table.
func (t *sources) closeGaps(c *sampleCounts, now time.Duration) {
	if t == nil || t.gaps == 0 || now-t.closed < closeEvery {
		return
	}
	t.closed = now
	for i := range t.slots {
		if q := &t.slots[i]; q.gapMissing > 0 && now-q.opened >= gapPatience {
			c.missed += t.close(q)
		}
	}
}

// place returns the slot of the agent's data source, and what is missing of the one that
// gave way to it.
func (t *sources) place(name sourceName) (q *source, missed uint64) {
	const odd = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio: it spreads low bits to the high ones
	hash := (t.hash ^ uint64(name.kind)<<32 ^ uint64(name.index)) * odd
	if name.discarded {
		hash = ^hash
	}
	set := hash >> 32 & (t.sets - 1)
	ways := t.slots[set*sourceWays:][:sourceWays]
	for i := range ways {
		if q := &ways[i]; q.agent == t.hash && q.name == name && q.used {
			return q, 0
		}
	}
	worst := &ways[0]
	for i := range ways {
		q := &ways[i]
		if q.worth() < worst.worth() || q.worth() == worst.worth() && q.heard < worst.heard {
			worst = q
		}
	}
	missed = t.close(worst)
	worst.used = false
	return worst, missed
}

// worth is how much it matters to keep a data source.
func (q *source) worth() int {
	switch {
	case !q.used:
		return 0
	case q.trust < maxTrust:
		return 1
	default:
		return 2
	}
}
