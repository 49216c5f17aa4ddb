package template

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// How often the same is told, and how often at most.
const (
	// tellInterval is the least time between two changes of a template that are told: of
	// those in between, the last one is.
	tellInterval = time.Minute
	// repeatAfter is when what was told is told again, with up to repeatJitter more: a store's
	// reader takes nothing that is older than maxLifetime.
	repeatAfter  = 16 * time.Hour
	repeatJitter = 4 * time.Hour
)

// What is told has to be proven, since whoever forges datagrams can forge templates.
const (
	// provenSets is how many data sets of a domain have to fit their templates before anything
	// of it is told, and how many have to fit a definition that takes another one's place.
	provenSets = 10
	// manyChanges is how many changes of a definition, each within changeWindow of the one
	// before, have none of them told until it has lasted that long.
	manyChanges  = 3
	changeWindow = 10 * time.Minute
)

const (
	// fewUntold is how many changes of a shard may be untold, beside as many as it has templates and a
	// quarter more, before those that are gone are looked for.
	fewUntold = 64
	// maxGone bounds the removed templates of a shard that have not been told.
	maxGone = 1024
)

// Key names a template.
type Key struct {
	Format  decoder.Format
	Address netip.Addr
	Port    uint16
	Domain  uint32
	ID      uint16
}

func keyOf(src source, id uint16) Key {
	return Key{src.format, netip.AddrFrom16(src.address).Unmap(), src.port, src.domain, id}
}

// Template is a template as it is stored outside the process.
type Template struct {
	Key
	Definition
	// Age is how long ago its exporter was last known to use it.
	Age time.Duration
	// Booted is when the exporter booted, by its own clock: zero is not known.
	Booted decoder.UnixNano
	// Exported is when the exporter sent it, by its own clock.
	Exported decoder.UnixNano
	// Removed reports that an invalid template took its place: there is none now.
	// Definition is empty then.
	Removed bool
}

// DomainOptions is what the options of a domain have told, as it is stored outside.
type DomainOptions struct {
	// Key has no ID and no Port.
	Key
	Samplings []ScopedSampling
	// Age is how long ago the exporter last sent options.
	Age time.Duration
	// Booted is when the exporter booted, by its own clock: zero is not known.
	Booted decoder.UnixNano
	// InitTime is the same as its options tell it, in ms since 1970: zero is not known.
	InitTime uint64
}

// ScopedSampling is a sampling and what it holds for. Scope is the number of this
// package's scopes: 0 the domain, 1 the template ID, 2 the sampler, 3 and 4 the
// input and output interface. Stored ones keep their meaning.
type ScopedSampling struct {
	Scope uint8
	ID    uint64
	Sampling
}

// telling is what the store knows of something.
type telling struct {
	last, again time.Duration    // when it was told, and when it is to be told again
	boot        decoder.UnixNano // of the exporter, as told
	stored      bool             // the store has been told, by whomever
	dirty       bool             // there is something new to tell
}

// tell notes that the store is told at the moment now.
func (t *telling) tell(boot decoder.UnixNano, now time.Duration) {
	t.heard(boot, now)
	t.dirty = false
}

// heard notes that the store was told at a moment, by this process or another.
func (t *telling) heard(boot decoder.UnixNano, at time.Duration) {
	t.last, t.again, t.boot, t.stored = at, at+repeatAfter+rand.N(repeatJitter), boot, true
}

// due reports whether what the store has is so old that it is to be told again.
func (t *telling) due(now time.Duration) bool { return t.stored && now >= t.again }

// soon reports whether the store was told just now.
func (t *telling) soon(now time.Duration) bool { return t.stored && now-t.last < tellInterval }

// announce has a change told.
func (t *Table) announce(s *shard, e *entry) {
	if !t.tracking || e.telling.dirty {
		return
	}
	if len(s.dirty) >= fewUntold+s.entries.count*5/4 {
		s.dirty = slices.DeleteFunc(s.dirty, func(e *entry) bool { return e.removed })
	}
	e.telling.dirty = true
	s.dirty = append(s.dirty, e)
}

// announceOptions has told what is new of a domain's options.
func (t *Table) announceOptions(s *shard, d *domain) {
	if !t.tracking || d.telling.dirty {
		return
	}
	if len(s.news) >= fewUntold+len(s.domains)*5/4 {
		s.news = slices.DeleteFunc(s.news, func(d *domain) bool { return d.state == nil })
	}
	d.telling.dirty = true
	s.news = append(s.news, d)
}

// announceRemoval has told that an entry is about to go, its exporter having sent something
// invalid in its place.
func (t *Table) announceRemoval(s *shard, e *entry) {
	if t.tracking && e.telling.stored && e.domain.sets >= provenSets && len(s.gone) < maxGone {
		s.gone = append(s.gone, keyOf(source{e.domain.key, e.port}, e.id))
	}
}

// repeatOptions has told again what the store was told of the options of a shard's domains long ago.
func (t *Table) repeatOptions(s *shard, now time.Duration) {
	for _, d := range s.domains {
		if d.telling.due(now) && !d.borrowed {
			t.announceOptions(s, d)
		}
	}
}

// change notes that a definition has changed, or that its exporter has restarted.
func (e *entry) change(now time.Duration) {
	if now-e.redefined >= changeWindow {
		e.changes = 0
	}
	e.redefined = now
	e.changes = min(e.changes+1, manyChanges+1)
}

// prove notes a data set of a domain that was found to belong to an entry.
func (e *entry) prove(d *domain, u *use) {
	if e.sets >= provenSets && d.sets >= provenSets || !e.fits(u) {
		return
	}
	e.sets, d.sets = min(e.sets+1, provenSets), min(d.sets+1, provenSets)
}

// proven reports whether an entry may be told. What replaces something in the store has to be
// proven by more.
func (e *entry) proven(now time.Duration) bool {
	least := uint8(1)
	if e.telling.stored {
		least = provenSets
	}
	return e.domain.sets >= provenSets && e.sets >= least && (e.changes <= manyChanges || now-e.redefined >= changeWindow)
}

// Changes calls the functions with what has changed and was not told yet, at most `most` times in
// all: with the last definition of a template, at most once a minute, and only if data sets have
// proven it. It needs [Config.Track], and allocates. One goroutine at a time may call it.
func (t *Table) Changes(now time.Duration, most int, template func(Template), options func(DomainOptions)) {
	for range t.shards {
		templates, domains := t.shards[t.turn].takeChanges(now, most)
		for i := range templates {
			template(templates[i])
		}
		for i := range domains {
			options(domains[i])
		}
		if most -= len(templates) + len(domains); most == 0 {
			return
		}
		t.turn = (t.turn + 1) % numShards
	}
}

// takeChanges returns what is to be told of a shard, at most `most` items.
func (s *shard) takeChanges(now time.Duration, most int) (templates []Template, domains []DomainOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(most, len(s.gone))
	for _, key := range s.gone[:n] {
		templates = append(templates, Template{Key: key, Removed: true})
	}
	s.gone = slices.Delete(s.gone, 0, n)
	s.dirty = slices.DeleteFunc(s.dirty, func(e *entry) bool {
		switch {
		case e.removed:
			return true
		case e.provisional:
			e.telling.dirty = false // its exporter has to send it first
			return true
		case len(templates) == most || e.telling.soon(now) || !e.proven(now):
			return false
		}
		templates = append(templates, e.template(now))
		e.telling.tell(e.boot, now)
		return true
	})
	most -= len(templates)
	s.news = slices.DeleteFunc(s.news, func(d *domain) bool {
		switch {
		case d.state == nil || d.borrowed:
			d.telling.dirty = false
			return true
		case len(domains) == most || d.telling.soon(now) || d.sets < provenSets:
			return false
		}
		domains = append(domains, d.options(now))
		d.telling.tell(d.heard.boot, now)
		return true
	})
	return templates, domains
}

// Untold returns how many changes were not told yet, including those that are not proven.
func (t *Table) Untold() (n int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.gone) + len(s.dirty) + len(s.news)
		s.mu.Unlock()
	}
	return n
}

// Retell marks everything that exporters have sent here as changed: the store has lost it.
func (t *Table) Retell() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, list := range [...]*recency{&s.entries.newcomers, &s.entries.regulars} {
			for e := list.oldest; e != nil; e = e.links[inShard].newer {
				if e.telling.stored = false; !e.provisional {
					t.announce(s, e)
				}
			}
		}
		for _, d := range s.domains {
			if d.telling.stored = false; d.state != nil && !d.borrowed {
				t.announceOptions(s, d)
			}
		}
		s.mu.Unlock()
	}
}

// template returns an entry as it is stored.
func (e *entry) template(now time.Duration) Template {
	src := source{e.domain.key, e.port}
	return Template{
		Key: keyOf(src, e.id), Definition: e.plan.definition, Age: now - max(e.refreshed, e.touched),
		Booted: e.boot, Exported: e.exported,
	}
}

// options returns what a domain's options have told as it is stored.
func (d *domain) options(now time.Duration) DomainOptions {
	o := DomainOptions{Key: keyOf(source{domainKey: d.key}, 0), Age: now - d.heard.now, Booted: d.heard.boot, InitTime: d.state.boot}
	for _, s := range d.state.samplers {
		o.Samplings = append(o.Samplings, ScopedSampling{uint8(s.key.scope), s.key.id, s.Sampling})
	}
	return o
}
