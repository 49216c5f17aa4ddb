package inventory

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// Table finds what is known of an address. It is immutable. Nil knows nothing.
type Table struct {
	networks   int
	ipv4, ipv6 ranges
}

// Find returns what is known of a, which is neither mapped nor zoned: each property
// by the smallest network that gives it. Nil means nothing. It allocates nothing and takes
// time by the logarithm of the number of networks.
func (t *Table) Find(a netip.Addr) *decoder.Annotation {
	switch {
	case t == nil:
		return nil
	case a.Is4():
		return t.ipv4.find(keyOf(a))
	default:
		return t.ipv6.find(keyOf(a))
	}
}

// Networks is how many networks there are.
func (t *Table) Networks() int {
	if t == nil {
		return 0
	}
	return t.networks
}

// network is what a line says.
type network struct {
	netip.Prefix
	decoder.Annotation
}

// newTable returns the table of networks, which are masked and all different.
func newTable(networks []network) *Table {
	slices.SortFunc(networks, func(a, b network) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	// IPv4 addresses sort before those of IPv6.
	split, _ := slices.BinarySearchFunc(networks, netip.IPv6Unspecified(), func(n network, a netip.Addr) int {
		return n.Addr().Compare(a)
	})
	return &Table{len(networks), rangesOf(networks[:split]), rangesOf(networks[split:])}
}

// key is an address as a number.
type key struct{ high, low uint64 }

func keyOf(a netip.Addr) key {
	if a.Is4() {
		four := a.As4()
		return key{low: uint64(binary.BigEndian.Uint32(four[:]))}
	}
	sixteen := a.As16()
	return key{binary.BigEndian.Uint64(sixteen[:8]), binary.BigEndian.Uint64(sixteen[8:])}
}

func (k key) less(other key) bool {
	return k.high < other.high || k.high == other.high && k.low < other.low
}

// last returns the last address of a network.
func last(p netip.Prefix) key {
	k, open := keyOf(p.Addr()), p.Addr().BitLen()-p.Bits()
	if open >= 64 {
		k.high |= 1<<(open-64) - 1
		open = 64
	}
	k.low |= 1<<open - 1
	return k
}

// next returns the key after k, and whether there is one.
func (k key) next() (key, bool) {
	if k.low++; k.low == 0 {
		k.high++
	}
	return k, k != key{}
}

// ranges divide the addresses of a family: what is known from starts[i] on, up to the
// next start, is known[i].
type ranges struct {
	starts []key
	known  []*decoder.Annotation
}

func (r *ranges) find(k key) *decoder.Annotation {
	from, to := 0, len(r.starts) // the range is before to, and not before from-1
	for from < to {
		if middle := int(uint(from+to) >> 1); k.less(r.starts[middle]) {
			to = middle
		} else {
			from = middle + 1
		}
	}
	if from == 0 {
		return nil
	}
	return r.known[from-1]
}

// rangesOf returns the ranges of sorted networks of one family, which contain each
// other or are apart; a containing one comes first.
func rangesOf(networks []network) (r ranges) {
	type open struct {
		last  key
		known *decoder.Annotation
	}
	var around []open // the networks around the present place, the smallest last
	leave := func() {
		left := around[len(around)-1]
		around = around[:len(around)-1]
		if after, more := left.last.next(); more {
			var known *decoder.Annotation
			if len(around) > 0 {
				known = around[len(around)-1].known
			}
			r.add(after, known)
		}
	}
	for i := range networks {
		n := &networks[i]
		start := keyOf(n.Addr())
		for len(around) > 0 && around[len(around)-1].last.less(start) {
			leave()
		}
		known := &decoder.Annotation{Name: n.Name, SamplingOverride: n.SamplingOverride}
		if len(around) > 0 {
			inherit(known, around[len(around)-1].known)
		}
		around = append(around, open{last(n.Prefix), known})
		r.add(start, known)
	}
	for len(around) > 0 {
		leave()
	}
	return r
}

// inherit gives a what only the network around it has.
func inherit(a, outer *decoder.Annotation) {
	if a.Name == "" {
		a.Name = outer.Name
	}
	if a.SamplingOverride == 0 {
		a.SamplingOverride = outer.SamplingOverride
	}
}

// add begins a range, in place of one that begins there and so is empty.
func (r *ranges) add(start key, known *decoder.Annotation) {
	if n := len(r.starts); n > 0 && r.starts[n-1] == start {
		r.known[n-1] = known
		return
	}
	r.starts, r.known = append(r.starts, start), append(r.known, known)
}
