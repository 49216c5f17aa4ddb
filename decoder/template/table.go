package template

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of a table: of a stream, an exporter's address, and all.
const (
	maxTemplates        = 1 << 16
	maxAddressTemplates = 2048
	maxDomainTemplates  = 512
	maxDomains          = 256 // an address
	maxPorts            = 16  // that have the same template
	maxAllSamplers      = 1 << 16
	maxAddressSamplers  = 1024
)

// How long a template lasts without being sent again or used: three times the longest
// interval at which it was sent, within bounds.
const (
	minLifetime     = 30 * time.Minute
	maxLifetime     = 24 * time.Hour
	refreshesMissed = 3
)

const (
	// regularUses is how many data sets make a newcomer a regular.
	regularUses = 10
	// touchInterval is how often a use is noted.
	touchInterval = time.Second
	// bootTolerance is how far two readings of when an exporter booted may differ.
	bootTolerance = decoder.UnixNano(10 * time.Second)
	numShards     = 64
)

// Table holds the templates of all exporters, and what their options have told, within
// bounds. All readers share one; it is for any number of goroutines.
//
// Moments are durations since any fixed one. They are passed in: a table has no clock.
type Table struct {
	seed     maphash.Seed
	plans    plans
	tracking bool
	turn     int // the shard at which Changes begins
	shards   [numShards]shard
	counters counters
}

// Config is what a table is made with.
type Config struct {
	// Elements says which elements are copied as they are; nil selects none.
	Elements *Selection
	// Track is for a table with a store: changes are noted, for [Table.Changes], and a template
	// whose exporter falls silent becomes provisional before it is forgotten.
	Track bool
}

// NewTable returns an empty table.
func NewTable(c Config) *Table {
	t := &Table{seed: maphash.MakeSeed(), tracking: c.Track}
	t.plans = plans{elements: c.Elements, index: make(map[definitionKey]*Plan)}
	for i := range t.shards {
		t.shards[i].init()
	}
	return t
}

func (t *Table) shardOf(address *[16]byte) *shard {
	return &t.shards[maphash.Bytes(t.seed, address[:])%numShards]
}

// lesson is when a template came, by the reader's and the exporter's clocks.
type lesson struct {
	now          time.Duration
	boot, export decoder.UnixNano
}

// learn takes a template that came from its exporter. It replaces at once what has its id. It
// reports whether it was not known, or not so, and whether it could be taken.
func (t *Table) learn(src source, id uint16, d Definition, when lesson) (changed, taken bool) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	e := s.get(src, id)
	if e != nil && t.tracking && t.age(s, e, when.now) {
		e = nil
	}
	if e != nil && e.plan.is(&d) && !e.lapsed(when.now) {
		confirmed := e.provisional
		t.refresh(s, e, when)
		s.mu.Unlock()
		return confirmed, true
	}
	s.mu.Unlock()

	p, err := t.plan(s, d)
	if err != nil {
		t.refuse(src, id, err)
		return false, false
	}
	t.makeRoom(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.announce(s, t.put(s, src, id, p, when))
	t.counters.changes.Add(1)
	return true, true
}

// refuse counts a template that is not taken, and removes what it would have replaced.
func (t *Table) refuse(src source, id uint16, err error) {
	reason := RefuseInvalid
	if errors.Is(err, errLimit) || errors.Is(err, errFull) {
		reason = RefuseLimit
	}
	t.counters.refused[reason].Add(1)
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.get(src, id); e != nil {
		t.announceRemoval(s, e)
		t.remove(s, e)
	}
}

// refresh notes that an exporter has sent a template again.
func (t *Table) refresh(s *shard, e *entry, when lesson) {
	if interval := when.now - e.refreshed; interval > e.interval && !e.provisional {
		e.interval = interval
	}
	if e.rival != nil && !e.provisional {
		t.counters.contradicted.Add(1)
	}
	if apart(e.boot, when.boot) {
		e.change(when.now)
	}
	t.confirm(e)
	e.refreshed, e.boot, e.exported = when.now, when.boot, when.export
	if !e.telling.stored || apart(e.telling.boot, e.boot) {
		t.announce(s, e)
	}
	if when.now-e.touched >= touchInterval {
		s.touch(e, when.now)
	}
}

// use is a data set for which a template is looked for.
type use struct {
	now     time.Duration
	boot    decoder.UnixNano
	records []byte
}

// binding is what was found for a data set.
type binding struct {
	plan        *Plan
	state       *state
	common      Sampling
	shared      *state
	provisional bool
}

// sampling returns what holds for records of the template id that do not say otherwise.
func (b *binding) sampling(id uint16) (s Sampling, source uint64) {
	if b.state.find(samplerKey{scopeTemplate, uint64(id)}, &s) {
		return s, sampledByTemplate
	}
	if s = b.state.domain(); s.Interval != 0 {
		return s, sampledByDomain
	}
	return b.common, sampledByExporter
}

// find returns the template of a data set: that of its port, or that of the others if they
// all have the same.
func (t *Table) find(src source, id uint16, u use) (b binding, found bool) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[src.domainKey]
	if d == nil {
		return b, false
	}
	e := d.find(id, src.port)
	if e == nil {
		return b, false
	}
	if t.age(s, e, u.now) {
		return b, false
	}
	if e.provisional && !e.fits(&u) {
		t.counters.mismatched.Add(1)
		return b, false
	}
	if t.tracking {
		e.prove(d, &u)
	}
	if e.uses < regularUses {
		e.uses++
	}
	if u.now-e.touched >= touchInterval || !e.regular && e.uses == regularUses {
		s.touch(e, u.now)
	}
	if d.borrowed && apart(d.heard.boot, u.boot) {
		t.setState(d, nil, false)
		d.owner.shared = undecided
	}
	if d.owner.shared == undecided && !e.plan.definition.Options {
		d.owner.agree()
	}
	return binding{e.plan, d.state, d.owner.common, d.owner.shared, e.provisional || d.owner.borrowed > 0}, true
}

// age sees to an entry that may be past its lifetime, and reports whether it is gone. With a store
// its exporter may send elsewhere, and come back: so it becomes provisional first.
func (t *Table) age(s *shard, e *entry, now time.Duration) (gone bool) {
	if !e.lapsed(now) {
		return false
	}
	if t.tracking && !e.provisional {
		t.doubt(e)
		if !e.lapsed(now) {
			return false
		}
	}
	t.counters.expired.Add(1)
	t.remove(s, e)
	return true
}

// Expire removes the templates past their lifetime, and returns how many. Those that a store was
// told of long ago are told again by the next Changes.
func (t *Table) Expire(now time.Duration) (removed int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, list := range [...]*recency{&s.entries.newcomers, &s.entries.regulars} {
			for e := list.oldest; e != nil; {
				newer := e.links[inShard].newer
				if t.age(s, e, now) {
					removed++
				} else if e.telling.due(now) && !e.provisional {
					t.announce(s, e)
				}
				e = newer
			}
		}
		t.repeatOptions(s, now)
		s.mu.Unlock()
	}
	return removed
}

// RefreshInterval returns the longest interval at which an exporter's address has sent one
// of its templates again; zero if it has not done so yet.
func (t *Table) RefreshInterval(address netip.Addr) (longest time.Duration) {
	key := address.As16()
	s := t.shardOf(&key)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		return 0
	}
	for _, list := range [...]*recency{&o.entries.newcomers, &o.entries.regulars} {
		for e := list.oldest; e != nil; e = e.links[inOwner].newer {
			longest = max(longest, e.interval)
		}
	}
	return longest
}
