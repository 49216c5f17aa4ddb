package template

import (
	"maps"
	"testing"

	"github.com/flowpub/flowpub/decoder"
)

// A definition is compiled once for all who use it, and forgotten with the last. The bytes of
// NetFlow v9 mean something else in IPFIX, and those of options something else again.
func TestPlansAreShared(t *testing.T) {
	t.Parallel()
	ps := &plans{index: make(map[definitionKey]*Plan)}
	raw := []byte{0, 1, 0, 8, 0, 4} // one field, or a scope: element 8, 4 bytes
	definitions := []Definition{
		{Format: decoder.FormatNetFlowV9, Raw: raw},
		{Format: decoder.FormatIPFIX, Raw: raw},
		{Format: decoder.FormatIPFIX, Raw: []byte{0, 1, 0, 12, 0, 4}},
	}
	acquire := func(d Definition) *Plan {
		t.Helper()
		p, err := ps.acquire(d, 4)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	var first []*Plan
	octets := 0
	for _, d := range definitions {
		p := acquire(d)
		first, octets = append(first, p), octets+p.octets()
	}
	if first[0] == first[1] || first[1] == first[2] {
		t.Fatal("definitions that differ share a plan")
	}
	for i, d := range definitions {
		if acquire(d) != first[i] {
			t.Errorf("definition %d was compiled again", i)
		}
	}
	if ps.count.Load() != 3 || ps.octets != octets || len(ps.index) != 3 {
		t.Errorf("%d plans of %d bytes, %d in the index, want 3 of %d", ps.count.Load(), ps.octets, len(ps.index), octets)
	}
	for i, p := range first {
		ps.release(p) // one of two
		if acquire(definitions[i]) != p {
			t.Errorf("definition %d was forgotten while it was in use", i)
		}
	}
	for _, p := range first {
		ps.release(p)
		ps.release(p)
	}
	if ps.count.Load() != 0 || ps.octets != 0 || len(ps.index) != 0 {
		t.Errorf("%d plans of %d bytes, %d in the index are left of none", ps.count.Load(), ps.octets, len(ps.index))
	}
}

// Templates of one id from several ports are found while they are there, in whatever order they
// go, and nothing is left of them.
func TestPortsOfATemplate(t *testing.T) {
	t.Parallel()
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		d := new(domain)
		other := &entry{id: 255}
		d.addPort(other)
		var entries []*entry
		for port := range 3 {
			e := &entry{id: 256, port: uint16(port)}
			d.addPort(e)
			entries = append(entries, e)
		}
		left := map[uint16]bool{0: true, 1: true, 2: true}
		for _, i := range order {
			d.removePort(entries[i])
			delete(left, uint16(i))
			found := make(map[uint16]bool)
			for e := d.first(256); e != nil; e = e.next {
				found[e.port] = true
			}
			if !maps.Equal(found, left) {
				t.Errorf("%v: after port %d the ports are %v, want %v", order, i, found, left)
			}
		}
		if len(d.ids) != 1 || len(d.templates) != 1 || d.first(255) != other {
			t.Errorf("%v: %d ids and %d templates are left, want the other one", order, len(d.ids), len(d.templates))
		}
	}
}
