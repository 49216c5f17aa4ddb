package template

import (
	"net/netip"
	"slices"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// announceInterval is how often a template's changes are told at most: of those in
// between, the last one is.
const announceInterval = time.Second

// fewUntold is how many changes of a shard may be untold before those that are gone are looked for.
const fewUntold = 64

// maxGone bounds the removed templates of a shard that have not been told.
const maxGone = 1024

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
	// Booted is when the exporter booted, by its own clock: zero is not known.
	Booted decoder.UnixNano
	// Exported is when the exporter sent it.
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
	// Booted is when the exporter booted, in ms since 1970: zero is not known.
	Booted uint64
}

// ScopedSampling is a sampling and what it holds for. Scope is the number of this
// package's scopes: 0 the domain, 1 the template ID, 2 the sampler, 3 and 4 the
// input and output interface. Stored ones keep their meaning.
type ScopedSampling struct {
	Scope uint8
	ID    uint64
	Sampling
}

// announce has a change told.
func (t *Table) announce(s *shard, e *entry) {
	if !t.tracking || e.dirty {
		return
	}
	if len(s.dirty) >= fewUntold+2*s.entries.count {
		s.dirty = slices.DeleteFunc(s.dirty, func(e *entry) bool { return e.removed })
	}
	e.dirty = true
	s.dirty = append(s.dirty, e)
}

// announceOptions has told what is new of a domain's options.
func (t *Table) announceOptions(s *shard, d *domain) {
	if !t.tracking || d.dirty {
		return
	}
	if len(s.news) >= fewUntold+2*len(s.domains) {
		s.news = slices.DeleteFunc(s.news, func(d *domain) bool { return d.state == nil })
	}
	d.dirty = true
	s.news = append(s.news, d)
}

// Changes calls the functions with what has changed since the last call, a template at most
// once a second: its last definition. It works if [Config.Track] was set, and allocates.
func (t *Table) Changes(now time.Duration, template func(Template), options func(DomainOptions)) {
	for i := range t.shards {
		templates, domains := t.shards[i].takeChanges(now)
		for j := range templates {
			template(templates[j])
		}
		for j := range domains {
			options(domains[j])
		}
	}
}

// takeChanges returns what is to be told of a shard.
func (s *shard) takeChanges(now time.Duration) (templates []Template, domains []DomainOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.gone {
		templates = append(templates, Template{Key: key, Removed: true})
	}
	s.gone = s.gone[:0]
	waiting := s.dirty[:0]
	for _, e := range s.dirty {
		switch {
		case e.removed:
		case e.announced != 0 && now-e.announced < announceInterval:
			waiting = append(waiting, e)
			continue
		default:
			templates = append(templates, e.template())
			e.announced = now
		}
		e.dirty = false
	}
	clear(s.dirty[len(waiting):])
	s.dirty = waiting
	for _, d := range s.news {
		d.dirty = false
		if d.state != nil {
			domains = append(domains, d.options())
		}
	}
	clear(s.news)
	s.news = s.news[:0]
	return templates, domains
}

// template returns an entry as it is stored.
func (e *entry) template() Template {
	src := source{e.domain.key, e.port}
	return Template{Key: keyOf(src, e.id), Definition: e.plan.definition, Booted: e.boot, Exported: e.exported}
}

// options returns what a domain's options have told as it is stored.
func (d *domain) options() DomainOptions {
	o := DomainOptions{Key: keyOf(source{domainKey: d.key}, 0), Booted: d.state.boot}
	for _, s := range d.state.samplers {
		o.Samplings = append(o.Samplings, ScopedSampling{uint8(s.key.scope), s.key.id, s.Sampling})
	}
	return o
}

// Restore takes a template that was stored, learned so long ago at the moment now. It is
// provisional: its exporter confirms or replaces it. It reports whether it was taken:
// what came from the exporter itself stays, and nothing gives its room to it.
func (t *Table) Restore(stored Template, age, now time.Duration) bool {
	src := source{domainKey{stored.Address.As16(), stored.Domain, stored.Key.Format}, stored.Port}
	if age > maxLifetime || t.counters.templates.Load() >= maxTemplates || !stored.consistent() {
		return false
	}
	p, err := t.plans.acquire(stored.Definition)
	if err != nil {
		return false
	}
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.get(src, stored.ID); e != nil && !e.provisional || !s.hasRoom(src.domainKey) {
		t.plans.release(p)
		return false
	}
	e := t.put(s, src, stored.ID, p, lesson{now, stored.Booted, stored.Exported})
	e.provisional = true
	t.counters.provisional.Add(1)
	return true
}

// hasRoom reports whether a template can be added to a domain without removing another.
func (s *shard) hasRoom(key domainKey) bool {
	o, d := s.owners[key.address], s.domains[key]
	if o == nil {
		return true
	}
	if d == nil && len(o.domains) >= maxDomains {
		return false
	}
	return o.entries.count < maxAddressTemplates && (d == nil || d.entries.count < maxDomainTemplates)
}

// consistent reports whether a stored template is one that an exporter could have sent.
func (st *Template) consistent() bool {
	if st.Key.Format != st.Definition.Format || st.ID < firstID || !st.Address.IsValid() {
		return false
	}
	d := Definition{Format: st.Definition.Format, Options: st.Options}
	if d.Format != decoder.FormatNetFlowV9 && d.Format != decoder.FormatIPFIX {
		return false
	}
	record := append([]byte{byte(st.ID >> 8), byte(st.ID)}, st.Raw...)
	_, rest, found := d.split(record)
	return found == pieceTemplate && len(rest) == 0
}

// RestoreOptions takes what the options of a domain had told. What is known from the
// exporter itself stays. It reports whether it was taken: the domain must have templates.
func (t *Table) RestoreOptions(stored DomainOptions) bool {
	key := domainKey{stored.Address.As16(), stored.Domain, stored.Format}
	s := t.shardOf(&key.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[key]
	if d == nil || d.state != nil || t.counters.samplers.Load() >= maxAllSamplers {
		return false
	}
	updates := []update{{boot: stored.Booted}}
	for _, o := range stored.Samplings {
		if o.Scope < uint8(numScopes) {
			updates = append(updates, update{key: samplerKey{scope(o.Scope), o.ID}, Sampling: o.Sampling})
		}
	}
	next, _ := d.state.with(updates)
	t.setState(d, next)
	d.owner.shared = undecided
	return true
}
