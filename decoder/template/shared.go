package template

// learnOptions takes what options records have told.
func (t *Table) learnOptions(src source, updates []update, when lesson) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[src.domainKey]
	if d == nil {
		return
	}
	next, left := d.state.with(updates)
	t.counters.samplersBeyond.Add(uint64(left))
	d.heard = when
	if next == d.state {
		t.setState(d, next, false)
		return
	}
	if more := len(next.samplers) - d.state.len(); more > 0 && t.counters.samplers.Load() >= maxAllSamplers {
		t.counters.samplersBeyond.Add(uint64(more))
		return
	}
	t.setState(d, next, false)
	d.owner.shared = undecided
	t.announceOptions(s, d)
}

// setState replaces what a domain's options have told, to the exporter's collector or, if borrowed,
// to the store.
func (t *Table) setState(d *domain, next *state, borrowed bool) {
	t.counters.samplers.Add(int64(next.len() - d.state.len()))
	d.state = next
	if d.borrowed {
		d.owner.borrowed--
	}
	if d.borrowed = borrowed; borrowed {
		d.owner.borrowed++
	}
}

// agree finds what the domains of an address agree on.
func (o *owner) agree() {
	o.agreeOnDomains()
	o.shared = o.agreeOnSamplers()
}

// agreeOnDomains finds the sampling that all domains have, as far as they have one.
func (o *owner) agreeOnDomains() {
	o.common = Sampling{}
	for _, d := range o.domains {
		s := d.state.domain()
		if s.Interval == 0 {
			continue
		}
		if o.common.Interval != 0 && o.common != s {
			o.common = Sampling{}
			return
		}
		o.common = s
	}
}

// maxSharing bounds the domains whose samplers are compared. Routers that tell of samplers
// in a domain of its own have few.
const maxSharing = 16

// agreeOnSamplers returns the samplers of all domains, but for those that two domains
// describe differently. It is nil if there are none.
func (o *owner) agreeOnSamplers() *state {
	if len(o.domains) < 2 || len(o.domains) > maxSharing {
		return nil
	}
	var told [maxSharing][]sampler // each in the order of the keys
	for i, d := range o.domains {
		told[i] = d.state.ofSamplers()
	}
	shared := &state{}
	for len(shared.samplers) < maxSamplers {
		next, same := takeLeast(told[:len(o.domains)])
		if next == nil {
			break
		}
		if same {
			shared.samplers = append(shared.samplers, *next)
			shared.counts[scopeSampler]++
		}
	}
	if len(shared.samplers) == 0 {
		return nil
	}
	return shared
}

// takeLeast takes the least key off the lists, which are in the order of their keys. It returns one
// of the samplers that have it, nil if there are none, and whether all of these are the same.
func takeLeast(lists [][]sampler) (least *sampler, same bool) {
	for _, l := range lists {
		if len(l) > 0 && (least == nil || l[0].key.compare(least.key) < 0) {
			least = &l[0]
		}
	}
	same = true
	for i, l := range lists {
		if len(l) > 0 && l[0].key == least.key {
			same = same && l[0].Sampling == least.Sampling
			lists[i] = l[1:]
		}
	}
	return least, same
}
