package template

import (
	"errors"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// Restored says what became of something that was stored.
type Restored uint8

// What may become of it.
const (
	// RestoredNew: it is in the table, provisionally.
	RestoredNew Restored = iota
	// RestoredKnown: the exporter itself has told something here, or it is no news.
	RestoredKnown
	// RestoredOld: nobody has heard of it for a day.
	RestoredOld
	// RestoredInvalid: no exporter could have sent it.
	RestoredInvalid
	// RestoredLimit: the table has no room for it.
	RestoredLimit
	// RestoredExporterLimit: its exporter has as many as one may have, or it is larger than one may be.
	RestoredExporterLimit
	// RestoredOrphan: what options have told is about a domain without templates.
	RestoredOrphan

	NumRestored
)

// String returns a name, which metrics use.
func (r Restored) String() string {
	return [NumRestored]string{"new", "known", "old", "invalid", "limit", "exporter_limit", "orphan"}[r]
}

// MaxRestored bounds the templates in the table up to which stored ones are taken, those of
// exporters included.
const MaxRestored = maxTemplates * restoredShare / 4

// restoredShare is how much of each limit may be taken by what was stored, in quarters: exporters
// have to find room beside it.
const restoredShare = 3

// rival is a definition that the store has told since the exporter last sent another one. It holds
// once the exporter is no longer heard here.
type rival struct {
	plan *Plan
	lesson
}

func (t *Table) dropRival(e *entry) {
	if e.rival != nil {
		t.plans.release(e.rival.plan)
		e.rival = nil
	}
}

// doubt makes an entry provisional. What the store has told since is more likely.
func (t *Table) doubt(e *entry) {
	e.provisional = true
	t.counters.provisional.Add(1)
	e.refreshed = max(e.refreshed, e.touched)
	if r := e.rival; r != nil {
		t.plans.release(e.plan)
		e.plan, e.refreshed, e.boot, e.exported, e.rival = r.plan, r.now, r.boot, r.export, nil
		e.sets = 0
	}
}

// Restore takes a stored template. It is provisional: its exporter confirms or replaces it. While
// the exporter sends its templates here, only those count.
func (t *Table) Restore(stored Template, now time.Duration) Restored {
	src := source{domainKey{stored.Address.As16(), stored.Domain, stored.Key.Format}, stored.Port}
	when := lesson{now - max(stored.Age, 0), stored.Booted, stored.Exported}
	switch {
	case stored.Removed:
		return t.unlearn(src, stored.ID, when)
	case !stored.consistent():
		return RestoredInvalid
	case stored.Age > maxLifetime:
		return RestoredOld
	}
	p, err := t.plans.acquire(stored.Definition, restoredShare)
	switch {
	case errors.Is(err, errFull):
		return RestoredLimit
	case errors.Is(err, errLimit):
		return RestoredExporterLimit
	case err != nil:
		return RestoredInvalid
	}
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	result := t.adopt(s, src, stored.ID, p, when, now)
	if e := s.get(src, stored.ID); e != nil {
		if e.plan.is(&stored.Definition) && (!e.telling.stored || when.now > e.telling.last) {
			e.telling.heard(stored.Booted, when.now)
		}
		e.telling.stored = true
	}
	return result
}

// adopt is Restore for a template whose plan is p, which it releases unless an entry has it then.
func (t *Table) adopt(s *shard, src source, id uint16, p *Plan, when lesson, now time.Duration) Restored {
	e := s.get(src, id)
	if e == nil {
		if limit := t.limit(s, src.domainKey); limit != RestoredNew {
			t.plans.release(p)
			return limit
		}
	}
	switch {
	case e != nil && (when.now <= e.refreshed || !e.provisional && e.plan == p):
		t.plans.release(p)
		return RestoredKnown
	case e != nil && !e.provisional:
		t.dropRival(e)
		e.rival = &rival{p, when}
		return RestoredKnown
	}
	e = t.put(s, src, id, p, when)
	e.provisional = true
	t.counters.provisional.Add(1)
	e.uses = regularUses
	s.touch(e, now)
	return RestoredNew
}

// unlearn removes a template that came from the store.
func (t *Table) unlearn(src source, id uint16, when lesson) Restored {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.get(src, id)
	if e == nil || !e.provisional || when.now < e.refreshed {
		return RestoredKnown
	}
	t.remove(s, e)
	return RestoredNew
}

// limit returns which limit keeps a stored template from being added to a domain; RestoredNew if none does.
func (t *Table) limit(s *shard, key domainKey) Restored {
	o, d := s.owners[key.address], s.domains[key]
	switch {
	case t.counters.templates.Load() >= MaxRestored:
		return RestoredLimit
	case o == nil:
		return RestoredNew
	case o.entries.count >= maxAddressTemplates*restoredShare/4,
		d == nil && len(o.domains) >= maxDomains*restoredShare/4,
		d != nil && d.entries.count >= maxDomainTemplates*restoredShare/4:
		return RestoredExporterLimit
	}
	return RestoredNew
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

// RestoreOptions takes stored options of a domain, which must have templates. While the exporter
// sends its options here, only those count.
func (t *Table) RestoreOptions(stored DomainOptions, now time.Duration) Restored {
	key := domainKey{stored.Address.As16(), stored.Domain, stored.Format}
	when := lesson{now: now - max(stored.Age, 0), boot: stored.Booted}
	if stored.Age > maxLifetime {
		return RestoredOld
	}
	s := t.shardOf(&key.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[key]
	switch {
	case d == nil:
		return RestoredOrphan
	case d.state != nil && when.now <= d.heard.now || d.state != nil && !d.borrowed && now-d.heard.now <= minLifetime:
		return RestoredKnown
	}
	room := t.samplerRoom(d.owner, restoredShare) + d.state.len() // which it replaces
	if room == 0 {
		return RestoredLimit
	}
	updates := []update{{boot: stored.InitTime}}
	for _, o := range stored.Samplings {
		if o.Scope < uint8(numScopes) {
			updates = append(updates, update{key: samplerKey{scope(o.Scope), o.ID}, Sampling: o.Sampling})
		}
	}
	next, _ := (*state)(nil).with(updates, room)
	t.setState(d, next, true)
	d.heard = when
	d.owner.shared = undecided
	d.telling.heard(stored.Booted, when.now)
	return RestoredNew
}
