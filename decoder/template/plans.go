package template

import (
	"bytes"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of the distinct definitions of all templates together: their number, and the memory that
// they take with what they were compiled into. Usual ones take 1 KiB.
const (
	maxPlans      = 4096
	maxPlanOctets = 16 << 20
)

// maxRawLength is the length of the longest definition that can have maxFields fields.
const maxRawLength = 4 + 8*maxFields

// plans are the compiled definitions, each once, however many exporters share it.
type plans struct {
	elements *Selection
	count    atomic.Int64

	mu     sync.Mutex
	octets int
	index  map[definitionKey]*Plan
}

// definitionKey tells definitions apart.
type definitionKey struct {
	format  decoder.Format
	options bool
	raw     string
}

// full reports whether so many quarters of the room for definitions are taken. ps is locked.
func (ps *plans) full(quarters int) bool {
	return int(ps.count.Load()) >= maxPlans*quarters/4 || ps.octets >= maxPlanOctets*quarters/4
}

// acquire returns the plan of a definition, which release gives back. Without room for it within so many
// quarters of what there is the error is errFull.
func (ps *plans) acquire(d Definition, quarters int) (*Plan, error) {
	if len(d.Raw) > maxRawLength {
		return nil, errLimit
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.index[definitionKey{d.Format, d.Options, string(d.Raw)}]; p != nil { // the look-up copies nothing
		p.refs++
		return p, nil
	}
	if ps.full(quarters) {
		return nil, errFull
	}
	d.Raw = bytes.Clone(d.Raw)
	p, err := compile(d, ps.elements)
	if err != nil {
		return nil, err
	}
	p.refs = 1
	raw := unsafe.String(unsafe.SliceData(d.Raw), len(d.Raw)) //nolint:gosec // nobody changes the plan's bytes, and they are there once
	ps.index[definitionKey{d.Format, d.Options, raw}] = p
	ps.count.Add(1)
	ps.octets += p.octets()
	return p, nil
}

// release gives a plan back. One that no template has is forgotten.
func (ps *plans) release(p *Plan) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p.refs--; p.refs > 0 {
		return
	}
	d := &p.definition
	delete(ps.index, definitionKey{d.Format, d.Options, string(d.Raw)})
	ps.count.Add(-1)
	ps.octets -= p.octets()
}

// octets returns how much memory a plan takes.
func (p *Plan) octets() int {
	return int(unsafe.Sizeof(*p)) + len(p.definition.Raw) + len(p.steps)*int(unsafe.Sizeof(step{})) +
		(len(p.values)+len(p.slots)+len(p.labels)+len(p.wide))*int(unsafe.Sizeof(op{})) +
		len(p.options)*int(unsafe.Sizeof(optionStep{})) + len(p.spans)*int(unsafe.Sizeof(span{})) + len(p.addresses)*int(unsafe.Sizeof(addressField{}))
}

// is reports whether p was compiled from the definition.
func (p *Plan) is(d *Definition) bool {
	return p.definition.Format == d.Format && p.definition.Options == d.Options && bytes.Equal(p.definition.Raw, d.Raw)
}
