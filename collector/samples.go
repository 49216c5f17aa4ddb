package collector

import (
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder/sflow"
)

// sampleKind is what a sample of sFlow was, or why it was dropped.
type sampleKind uint8

// The kinds. Those of the first two became flow records.
const (
	sampleFlow      sampleKind = iota
	sampleDiscarded            // a packet that its agent reported as discarded
	sampleCounters             // holds no flow
	sampleUnknown              // of a format that is not known
	sampleMalformed            // dropped: a length in it is impossible
	sampleLimit                // dropped: its datagram has more than are taken

	sampleKinds // how many there are
)

// String returns the kind's metric label.
func (k sampleKind) String() string {
	return [sampleKinds]string{"flow", "discarded", "counters", "unknown", "malformed", "limit"}[k]
}

// sampleCounts tells what became of the samples of sFlow, and which are known to be
// missing.
type sampleCounts struct {
	kinds [sampleKinds]uint64
	// missed never arrived, agentDropped were never sent.
	missed, agentDropped uint64
}

// read adds what became of a datagram's samples.
func (c *sampleCounts) read(s *sflow.Samples) {
	c.kinds[sampleFlow] += uint64(s.Flows)
	c.kinds[sampleDiscarded] += uint64(s.Discarded)
	c.kinds[sampleCounters] += uint64(s.Counters)
	c.kinds[sampleUnknown] += uint64(s.Unknown)
	c.kinds[sampleMalformed] += uint64(s.Dropped[sflow.DropMalformed])
	c.kinds[sampleLimit] += uint64(s.Dropped[sflow.DropLimit])
}

func (c *sampleCounts) add(other *sampleCounts) {
	addAll(c.kinds[:], other.kinds[:])
	c.missed += other.missed
	c.agentDropped += other.agentDropped
}

// byKind returns the counts by metric label, every label present.
func (c *sampleCounts) byKind() map[string]uint64 {
	all := make(map[string]uint64, sampleKinds)
	for k, n := range c.kinds {
		all[sampleKind(k).String()] = n
	}
	return all
}

// countSamples sees to the samples of the datagram that was just decoded.
func (in *intake) countSamples(from netip.AddrPort, now time.Duration) {
	s := &in.samples
	in.batch.samples.read(s)
	if malformed, limit := s.Dropped[sflow.DropMalformed], s.Dropped[sflow.DropLimit]; malformed+limit > 0 {
		in.notices.samples(from, malformed, limit, now)
	}
	if in.sources == nil {
		in.sources = newSources(in.sourceCap)
	}
	if len(s.Sources) == 0 {
		return
	}
	in.sources.begin(from, &in.packet.Header)
	for i := range s.Sources {
		v := in.sources.see(&s.Sources[i], now)
		in.batch.samples.missed += v.missed
		in.batch.samples.agentDropped += v.drops
		if v.drops > 0 {
			in.notices.agentDrops(from, &in.sources.agent, &s.Sources[i], v.drops, now)
		}
	}
}
