package template

// learnOptions takes what options records have told, and returns how many samplings of it there is no room for.
func (t *Table) learnOptions(src source, updates []update, when lesson) (left int) {
	s := t.shardOf(&src.address)
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.domains[src.domainKey]
	if d == nil {
		return 0
	}
	before := d.state
	next, left := before.with(updates, t.samplerRoom(d.owner, 4))
	t.counters.samplersBeyond.Add(uint64(left))
	d.heard = when
	t.setState(d, next, false)
	if next != before {
		d.owner.shared = undecided
		t.announceOptions(s, d)
	}
	return left
}

// samplerRoom returns how many samplings more an address may have, of so many quarters of what there is
// room for.
func (t *Table) samplerRoom(o *owner, quarters int) int {
	all := maxAllSamplers*quarters/4 - int(t.counters.samplers.Load())
	return max(0, min(all, maxAddressSamplers*quarters/4-o.samplers))
}

// setState replaces what a domain's options have told, to the exporter's collector or, if borrowed,
// to the store.
func (t *Table) setState(d *domain, next *state, borrowed bool) {
	more := next.len() - d.state.len()
	t.counters.samplers.Add(int64(more))
	d.owner.samplers += more
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
