package pcap

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Limits of what is kept of datagrams of which fragments are missing: at most 4
// MiB, and a little for each fragment.
const (
	// maxPending is how many such datagrams are kept. The oldest gives way.
	maxPending = 64
	// maxFragments of a datagram: 65,535 bytes make 120 at the smallest MTU
	// that IPv4 hosts use, 576.
	maxFragments = 128
	// maxIPPayload is what the 16-bit length of an IP packet allows.
	maxIPPayload = 65535
	// maxAge is how long they are kept, as in Linux: later fragments with the
	// same id are of another datagram.
	maxAge = 30 * time.Second
)

// fragmentKey is what the fragments of a datagram have in common.
type fragmentKey struct {
	source, destination netip.Addr
	id                  uint32
}

// fragment is a part of a datagram.
type fragment struct {
	offset int // in bytes
	more   bool
	body   []byte
}

// pending are the fragments that have come of a datagram, by their offset.
type pending struct {
	key   fragmentKey
	begun time.Time
	parts []fragment
}

// fragments puts datagrams together, RFC 791 section 3.2 and RFC 8200 section
// 4.5. Fragments may come in any order and more than once. Those that overlap
// in another way never make a datagram.
type fragments struct{ waiting []pending }

// add takes in a fragment captured at a time, copies its body if it has to, and
// returns the datagram that it completes, else nil.
func (f *fragments) add(key fragmentKey, at time.Time, part fragment) []byte {
	if part.offset == 0 && !part.more {
		return part.body
	}
	if part.offset+len(part.body) > maxIPPayload {
		return nil
	}
	i := f.find(key, at)
	if !f.waiting[i].insert(part) {
		return nil
	}
	whole := f.waiting[i].join()
	if whole != nil {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	}
	return whole
}

// find returns where the fragments of a datagram are, or are to be, kept.
func (f *fragments) find(key fragmentKey, at time.Time) int {
	i := slices.IndexFunc(f.waiting, func(p pending) bool { return p.key == key })
	if i >= 0 && at.Sub(f.waiting[i].begun) <= maxAge {
		return i
	}
	if i < 0 && len(f.waiting) == maxPending {
		i = 0
	}
	if i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	}
	f.waiting = append(f.waiting, pending{key: key, begun: at})
	return len(f.waiting) - 1
}

// insert puts a part in its place, and reports whether it is new.
func (p *pending) insert(part fragment) bool {
	i, found := slices.BinarySearchFunc(p.parts, part.offset, func(have fragment, offset int) int {
		return cmp.Compare(have.offset, offset)
	})
	if found || len(p.parts) == maxFragments {
		return false
	}
	part.body = slices.Clone(part.body)
	p.parts = slices.Insert(p.parts, i, part)
	return true
}

// join returns the datagram if its parts follow each other without a gap.
func (p *pending) join() []byte {
	end := 0
	for _, part := range p.parts {
		if part.offset != end {
			return nil
		}
		end += len(part.body)
	}
	if p.parts[len(p.parts)-1].more {
		return nil
	}
	whole := make([]byte, 0, end)
	for _, part := range p.parts {
		whole = append(whole, part.body...)
	}
	return whole
}
