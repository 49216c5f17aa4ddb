package collector

import (
	"net/netip"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// tally is what packets told of their exporter.
type tally struct {
	packets, flows             uint64
	flowsMissed, packetsMissed uint64
	restarts, anomalous        uint64
	anomalies                  decoder.Anomalies
}

// take adds a packet.
func (t *tally) take(s *sighting, restarted bool) {
	t.packets++
	t.flows += uint64(s.records)
	if restarted {
		t.restarts++
	}
	if s.anomalies != 0 {
		t.anomalous++
		t.anomalies |= s.anomalies
	}
}

func (t *tally) add(other *tally) {
	t.packets += other.packets
	t.flows += other.flows
	t.flowsMissed += other.flowsMissed
	t.packetsMissed += other.packetsMissed
	t.restarts += other.restarts
	t.anomalous += other.anomalous
	t.anomalies |= other.anomalies
}

// sampling is how a packet's flows were sampled, by the first of its records.
type sampling struct {
	interval uint32
	source   uint8 // as in flow.v1.SamplingSource; 0: the packet's header
}

func (s sampling) known() bool { return s.interval != 0 }

// samplingOf returns what a packet says of its sampling.
func samplingOf(p *decoder.ExportPacket) sampling {
	if len(p.Extensions) == 0 {
		return sampling{interval: uint32(p.SamplingInterval)}
	}
	x := &p.Extensions[0]
	if !x.Present.Has(decoder.FieldSamplingInterval) {
		return sampling{}
	}
	s := sampling{interval: uint32(x.Values[decoder.FieldSamplingInterval])}
	if x.Present.Has(decoder.FieldSamplingSource) {
		s.source = uint8(x.Values[decoder.FieldSamplingSource])
	}
	return s
}

// sourceName says where a sampling was found.
func (s sampling) sourceName() string {
	names := [...]string{"header", "record", "sampler", "template", "domain", "exporter", "sflow_sample"}
	if int(s.source) >= len(names) {
		return "other"
	}
	return names[s.source]
}

// late is what flow records told of an address that had to wait for their template. Their packet
// was seen before, as a rule by another socket than that which decodes them: so no stream of the latter
// has it, and it goes to the exporter's account.
type late struct {
	address [16]byte
	tally
}

// credit is what is to be booked for an address.
type credit struct {
	tally
	tried bool // at a survey, which did not know the address
}

// credits are what surveys are to book for addresses, of at most maxStreams. They have a lock of
// their own, so that no socket waits for the accounts.
type credits struct {
	mu     sync.Mutex
	by     map[[16]byte]credit
	others tally // of addresses beyond those
}

func (c *credits) add(all []late) {
	if len(all) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range all {
		l := &all[i]
		owed, known := c.by[l.address]
		if !known && len(c.by) >= maxStreams {
			c.others.add(&l.tally)
			continue
		}
		owed.add(&l.tally)
		c.by[l.address] = owed
	}
}

// account is what an exporter has sent since it became known, as of the last survey.
type account struct {
	tally
	rate   float64 // flows a second, between the last two surveys
	before uint64  // flows, at the survey before

	// What the exporter's streams tell together, and singly: of formats and streams all,
	// of the others the one that was heard last.
	exporter exporter
	survey   uint64 // the number of the survey that this is of
	formats  formatSet
	streams  int
	heard    time.Duration // of the newest stream that has a clock
	clocked  bool
	offset   time.Duration
	told     time.Duration // when sampling was
	sampling sampling
}

// book takes over what a stream did since the last survey.
func (a *account) book(st *stream, survey uint64) {
	a.add(&st.recent)
	st.recent = tally{}
	if a.survey != survey {
		a.survey, a.formats, a.streams = survey, 0, 0
		a.clocked, a.sampling = false, sampling{}
	}
	a.formats |= 1 << slotOf(st.key.Format)
	a.streams++
	if st.key.Format.HasClock() && (!a.clocked || st.heard > a.heard) {
		a.clocked, a.heard, a.offset = true, st.heard, st.offset
	}
	if st.sampling.known() && (!a.sampling.known() || st.heard > a.told) {
		a.told, a.sampling = st.heard, st.sampling
	}
}

// accounts are those of all exporters that have a stream, at most as many as there are
// streams. They are written by surveys only, so that nothing in a datagram's way knows of them:
// what a packet tells is noted in its stream. They are safe for concurrent use.
type accounts struct {
	mu      sync.Mutex
	by      map[[16]byte]*account
	refused map[[16]byte]refusedSender
	surveys uint64
	at      time.Duration         // of the last one
	metered map[[16]byte]struct{} // have metrics of their own
	credits credits               // of flows that waited for their template
	others  tally                 // of exporters without an account, and of streams that gave way
	closed  uint64                // accounts closed since the exporter's streams gave way
}

func newAccounts() *accounts {
	return &accounts{by: make(map[[16]byte]*account), credits: credits{by: make(map[[16]byte]credit)}, surveys: 1}
}

// book takes over what a stream did since the last survey. The caller holds the lock.
func (b *accounts) book(st *stream) {
	a := b.by[st.key.address]
	if a == nil {
		a = &account{}
		b.by[st.key.address] = a
	}
	a.book(st, b.surveys)
}

// bookCredits takes over what was credited. What is of an address without an account is kept for
// the next survey: its packet may not be booked yet. The caller holds the lock.
func (b *accounts) bookCredits() {
	c := &b.credits
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, owed := range c.by {
		switch a := b.by[address]; {
		case a != nil:
			a.add(&owed.tally)
		case owed.tried:
			b.others.add(&owed.tally)
		default:
			owed.tried = true
			c.by[address] = owed
			continue
		}
		delete(c.by, address)
	}
	b.others.add(&c.others)
	c.others = tally{}
}

// close ends a survey that found these exporters, and senders who were refused.
func (b *accounts) close(all exporters, refused map[[16]byte]refusedSender, now time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bookCredits()
	elapsed := (now - b.at).Seconds()
	for address, a := range b.by {
		e, known := all[address]
		if !known {
			b.others.add(&a.tally)
			b.closed++
			delete(b.by, address)
			continue
		}
		a.exporter = e
		if elapsed > 0 {
			a.rate = float64(a.flows-a.before) / elapsed
		}
		a.before = a.flows
	}
	b.refused = refused
	b.surveys++
	b.at = now
}

// state is what an exporter is at a moment.
func (e *exporter) state(now time.Duration) string {
	switch silence := now - e.heard; {
	case silence <= recently && e.losing:
		return "losing"
	case silence <= recently:
		return "heard"
	case e.standing == regular && silence <= silentFor:
		return "silent"
	default:
		return "gone"
	}
}

// addressOf is the address that a table's key was made of.
func addressOf(key [16]byte) netip.Addr { return netip.AddrFrom16(key).Unmap() }
