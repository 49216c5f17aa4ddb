package template

import (
	"errors"
)

// put sets the template of a source to p, which is the entry's from then on. s is locked.
func (t *Table) put(s *shard, src source, id uint16, p *Plan, when lesson) *entry {
	e := s.get(src, id)
	if e == nil {
		e = &entry{id: id, port: src.port, plan: p}
		t.add(s, src.domainKey, e)
	} else {
		if e.plan != p {
			e.change(when.now)
			e.sets = 0
		}
		t.plans.release(e.plan)
		e.plan = p
		t.confirm(e)
	}
	e.refreshed, e.boot, e.exported, e.interval = when.now, when.boot, when.export, 0
	s.touch(e, when.now)
	return e
}

// confirm makes an entry one whose exporter has just sent it.
func (t *Table) confirm(e *entry) {
	if e.provisional {
		e.provisional = false
		t.counters.provisional.Add(-1)
	}
	t.dropRival(e)
}

// add puts a new entry into its domain, in place of another where that is full.
func (t *Table) add(s *shard, key domainKey, e *entry) {
	d := s.domains[key]
	if d == nil {
		d = t.newDomain(s, key)
	}
	e.domain = d
	d.addPort(e)
	d.entries.push(e)
	d.owner.entries.push(e)
	s.entries.push(e)
	t.counters.templates.Add(1)
	t.keepPorts(s, e)
	if d.entries.count > maxDomainTemplates {
		t.evict(s, leastBut(&d.entries, e))
	}
	if d.owner.entries.count > maxAddressTemplates {
		t.evict(s, leastBut(&d.owner.entries, e))
	}
}

// leastBut returns the entry of r that is worth the least beside e, which is its newest.
func leastBut(r *rank, e *entry) *entry {
	if least := r.least(); least != e {
		return least
	}
	return r.regulars.oldest
}

// keepPorts removes a port with the template of e when there are too many: the newcomer, or
// if there is none the regular, that was silent for the longest.
func (t *Table) keepPorts(s *shard, e *entry) {
	n, least := 1, e.next
	for other := e.next; other != nil; other = other.next {
		n++
		if other.regular == least.regular && other.touched < least.touched || !other.regular && least.regular {
			least = other
		}
	}
	if n > maxPorts {
		t.evict(s, least)
	}
}

// newDomain adds a domain to an address, in place of another when that has too many.
func (t *Table) newDomain(s *shard, key domainKey) *domain {
	o := s.owners[key.address]
	if o != nil && len(o.domains) >= maxDomains {
		victim := o.leastDomain()
		for e := victim.entries.least(); e != nil; e = victim.entries.least() {
			t.evict(s, e)
		}
		o = s.owners[key.address]
	}
	if o == nil {
		o = &owner{address: key.address, entries: rank{level: inOwner}}
		s.owners[key.address] = o
	}
	d := &domain{key: key, owner: o, entries: rank{level: inDomain}}
	o.domains, o.shared = append(o.domains, d), undecided
	s.domains[key] = d
	return d
}

// leastDomain returns the domain that is worth the least: of those without a regular the one
// that was silent for the longest, otherwise that of the oldest regular.
func (o *owner) leastDomain() *domain {
	for e := o.entries.newcomers.oldest; e != nil; e = e.links[inOwner].newer {
		if e.domain.entries.regulars.oldest == nil {
			return e.domain
		}
	}
	return o.entries.regulars.oldest.domain
}

func (t *Table) evict(s *shard, e *entry) {
	t.counters.evicted.Add(1)
	t.remove(s, e)
}

// remove takes an entry out of the table, and its domain and address if it was their
// last.
func (t *Table) remove(s *shard, e *entry) {
	d, o := e.domain, e.domain.owner
	d.entries.remove(e)
	o.entries.remove(e)
	s.entries.remove(e)
	d.removePort(e)
	e.removed = true
	t.plans.release(e.plan)
	t.dropRival(e)
	t.counters.templates.Add(-1)
	if e.provisional {
		t.counters.provisional.Add(-1)
	}
	if d.entries.count > 0 {
		return
	}
	t.setState(d, nil, false)
	delete(s.domains, d.key)
	for i, other := range o.domains {
		if other == d {
			o.domains[i] = o.domains[len(o.domains)-1]
			o.domains = o.domains[:len(o.domains)-1]
			break
		}
	}
	o.shared = undecided
	if len(o.domains) == 0 {
		delete(s.owners, o.address)
	}
}

// attempts is how many entries are removed at most to make room for one.
const attempts = 16

// plan returns the plan of a definition. While there is no room for it, entries give way to it: see
// evictFrom. No shard is locked.
func (t *Table) plan(first *shard, d Definition) (p *Plan, err error) {
	for range attempts {
		if p, err = t.plans.acquire(d, 4); !errors.Is(err, errFull) || !t.evictAny(first) {
			return p, err
		}
	}
	return t.plans.acquire(d, 4)
}

// makeRoom removes entries while the table has no room for another one. No shard is locked.
func (t *Table) makeRoom(first *shard) {
	for range attempts {
		if t.counters.templates.Load() < maxTemplates || !t.evictAny(first) {
			return
		}
	}
}

// evictAny removes an entry: of the shard that is about to grow first, newcomers of any before regulars.
func (t *Table) evictAny(first *shard) bool {
	return t.evictFrom(first, false) || t.evictFrom(first, true)
}

// evictFrom removes one entry, of the first shard that has one of that kind.
func (t *Table) evictFrom(first *shard, regular bool) bool {
	begin := 0
	for i := range t.shards {
		if &t.shards[i] == first {
			begin = i
		}
	}
	for i := range t.shards {
		s := &t.shards[(begin+i)%numShards]
		s.mu.Lock()
		e := s.entries.newcomers.oldest
		if regular {
			e = s.entries.regulars.oldest
		}
		if e != nil {
			t.evict(s, e)
		}
		s.mu.Unlock()
		if e != nil {
			return true
		}
	}
	return false
}
