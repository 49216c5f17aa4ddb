package template

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// maxPlans bounds the distinct definitions of all templates together.
const maxPlans = 4096

// maxRawLength is the length of the longest definition that can have maxFields fields.
const maxRawLength = 4 + 8*maxFields

// plans are the compiled definitions, each once, however many exporters share it.
type plans struct {
	elements *Selection
	seed     maphash.Seed
	count    atomic.Int64

	mu    sync.Mutex
	index map[uint64]*Plan // by the hash of the definition; more are behind by Plan.next
}

// full reports whether there is no room for another definition.
func (ps *plans) full() bool { return ps.count.Load() >= maxPlans }

// acquire returns the plan of a definition, which release gives back.
func (ps *plans) acquire(d Definition) (*Plan, error) {
	if len(d.Raw) > maxRawLength {
		return nil, errLimit
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	hash := maphash.Bytes(ps.seed, d.Raw)
	for p := ps.index[hash]; p != nil; p = p.next {
		if p.is(&d) {
			p.refs++
			return p, nil
		}
	}
	if ps.full() {
		return nil, errLimit
	}
	d.Raw = bytes.Clone(d.Raw)
	p, err := compile(d, ps.elements)
	if err != nil {
		return nil, err
	}
	p.refs, p.next = 1, ps.index[hash]
	ps.index[hash] = p
	ps.count.Add(1)
	return p, nil
}

// release gives a plan back. One that no template has is forgotten.
func (ps *plans) release(p *Plan) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.refs--; p.refs > 0 {
		return
	}
	hash := maphash.Bytes(ps.seed, p.definition.Raw)
	first := ps.index[hash]
	switch {
	case first != p:
		for first.next != p {
			first = first.next
		}
		first.next = p.next
	case p.next != nil:
		ps.index[hash] = p.next
	default:
		delete(ps.index, hash)
	}
	ps.count.Add(-1)
}

// is reports whether p was compiled from the definition.
func (p *Plan) is(d *Definition) bool {
	return p.definition.Format == d.Format && p.definition.Options == d.Options && bytes.Equal(p.definition.Raw, d.Raw)
}
