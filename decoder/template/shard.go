package template

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// source is who sent a packet. Addresses are IPv6, those of IPv4 mapped.
type source struct {
	domainKey
	port uint16
}

// domainKey names an observation domain.
type domainKey struct {
	address [16]byte
	domain  uint32
	format  decoder.Format
}

// put makes s the source of a packet.
func (s *source) put(from netip.AddrPort, h *decoder.Header) {
	decoder.PutMapped(&s.address, from.Addr())
	s.domain, s.format, s.port = h.ObservationDomain, h.Format, from.Port()
}

// shard is the part of the table for some of the addresses.
type shard struct {
	mu      sync.Mutex
	owners  map[[16]byte]*owner
	domains map[domainKey]*domain
	entries rank
	dirty   []*entry  // whose changes have not been told
	news    []*domain // whose options have not
	gone    []Key     // which templates are no more, being replaced by an invalid one
}

func (s *shard) init() {
	s.owners = make(map[[16]byte]*owner)
	s.domains = make(map[domainKey]*domain)
	s.entries.level = inShard
}

// owner is an exporter's address.
type owner struct {
	address  [16]byte
	entries  rank
	domains  []*domain
	samplers int      // of all of them
	borrowed int      // how many of them have what their options have told from the store
	common   Sampling // of the domains that have one, if it is the same
	shared   *state   // the samplers of all domains that do not contradict each other, or undecided
}

// undecided stands for owner.shared, and for owner.common, once a domain has come, gone or told
// something: what holds is found when flows ask for it, not with each record that tells something.
var undecided = new(state)

// domain is an observation domain of an address. It lives as long as it has templates.
type domain struct {
	key       domainKey
	owner     *owner
	entries   rank
	ids       []uint16 // of its templates, in order
	templates []*entry // of each id; more for other ports are behind by entry.next
	state     *state
	telling   telling // of the state
	heard     lesson  // when its options were last told, by the exporter itself or, if borrowed, to the store
	sets      uint8   // how many of its data sets fitted their templates, up to provenSets
	borrowed  bool    // the state came from the store, and the exporter has told none since
}

// entry is a template of a domain and a port.
type entry struct {
	plan   *Plan
	domain *domain
	next   *entry
	links  [numLevels]links

	boot                 decoder.UnixNano
	exported             decoder.UnixNano
	refreshed, touched   time.Duration
	interval             time.Duration // the longest between two refreshes
	id, port             uint16
	uses                 uint8
	regular, provisional bool
	removed              bool

	// For a store.
	telling   telling
	rival     *rival // what the store has told since the last refresh, if it differs
	redefined time.Duration
	changes   uint8 // of its definition, in quick succession
	sets      uint8 // that fitted this definition, up to provenSets
}

// get returns the entry of exactly that source, or nil.
func (s *shard) get(src source, id uint16) *entry {
	d := s.domains[src.domainKey]
	if d == nil {
		return nil
	}
	e := d.first(id)
	for e != nil && e.port != src.port {
		e = e.next
	}
	return e
}

// touch notes that an entry is in use.
func (s *shard) touch(e *entry, now time.Duration) {
	e.touched = now
	d := e.domain
	for _, r := range [...]*rank{&d.entries, &d.owner.entries, &s.entries} {
		r.remove(e)
	}
	e.regular = e.uses >= regularUses
	for _, r := range [...]*rank{&d.entries, &d.owner.entries, &s.entries} {
		r.push(e)
	}
}

// first returns the first entry of a template id, or nil.
func (d *domain) first(id uint16) *entry {
	i, found := slices.BinarySearch(d.ids, id)
	if !found {
		return nil
	}
	return d.templates[i]
}

// addPort puts an entry in front of the other ports that have its template.
func (d *domain) addPort(e *entry) {
	i, found := slices.BinarySearch(d.ids, e.id)
	if found {
		e.next, d.templates[i] = d.templates[i], e
		return
	}
	d.ids, d.templates = slices.Insert(d.ids, i, e.id), slices.Insert(d.templates, i, e)
}

// removePort takes an entry out of the ports that have its template.
func (d *domain) removePort(e *entry) {
	i, _ := slices.BinarySearch(d.ids, e.id)
	at := &d.templates[i]
	for *at != e {
		at = &(*at).next
	}
	if *at = e.next; d.templates[i] == nil {
		d.ids, d.templates = slices.Delete(d.ids, i, i+1), slices.Delete(d.templates, i, i+1)
	}
}

// lapsed reports whether an entry is past its lifetime. Use does not prolong that of a provisional one.
func (e *entry) lapsed(now time.Duration) bool {
	if e.provisional {
		return now-e.refreshed > maxLifetime
	}
	lifetime := max(minLifetime, min(maxLifetime, refreshesMissed*e.interval))
	return now-max(e.refreshed, e.touched) > lifetime
}

// find returns the entry for a template id and port, or nil. Provisional entries of other ports
// count only while no other port's template has come from the exporter.
func (d *domain) find(id, port uint16) *entry {
	var other *entry
	agree := true
	for e := d.first(id); e != nil; e = e.next {
		switch {
		case e.port == port:
			return e
		case other == nil || other.provisional && !e.provisional:
			other, agree = e, true
		case other.provisional == e.provisional:
			agree = agree && e.plan == other.plan
		}
	}
	if !agree {
		return nil
	}
	return other
}

// fits reports whether a template that was stored may be used: its exporter has not
// restarted since, and the set is as long as some of its records and padding.
func (e *entry) fits(u *use) bool {
	if apart(e.boot, u.boot) {
		return false
	}
	if e.plan.variable {
		return true
	}
	const maxPadding = 3
	padding := len(u.records) % e.plan.minimum
	return padding <= maxPadding && allZero(u.records[len(u.records)-padding:])
}

// apart reports whether two readings of when an exporter booted are of different boots.
// Zero is not known.
func apart(a, b decoder.UnixNano) bool {
	return a != 0 && b != 0 && max(a, b)-min(a, b) > bootTolerance
}
