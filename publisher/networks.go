package publisher

import (
	"cmp"
	"net/netip"
	"slices"
)

// networks finds what holds for an exporter: what its longest network has. It is
// immutable, and knows ranges of addresses that do not overlap, so that a look-up
// is one search, however networks contain each other.
type networks[T any] struct {
	fallback T            // of addresses in no network
	starts   []netip.Addr // sorted; a range ends where the next one starts
	values   []T          // of the range that starts there
}

// network is one, and what it has.
type network[T any] struct {
	prefix netip.Prefix
	value  T
}

// newNetworks returns a table of valid networks, each of which is there once.
func newNetworks[T any](fallback T, list []network[T]) *networks[T] {
	n := &networks[T]{fallback: fallback}
	if len(list) == 0 {
		return n
	}
	n.starts = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	for _, x := range list {
		n.starts = append(n.starts, x.prefix.Addr())
		if next := lastOf(x.prefix).Next(); next.IsValid() {
			n.starts = append(n.starts, next)
		}
	}
	slices.SortFunc(n.starts, netip.Addr.Compare)
	n.starts = slices.Compact(n.starts)
	longestFirst := slices.SortedFunc(slices.Values(list), func(a, b network[T]) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	for _, start := range n.starts {
		value := fallback
		if i := slices.IndexFunc(longestFirst, func(x network[T]) bool { return x.prefix.Contains(start) }); i >= 0 {
			value = longestFirst[i].value
		}
		n.values = append(n.values, value)
	}
	return n
}

// lastOf returns the last address of a network.
func lastOf(n netip.Prefix) netip.Addr {
	b := n.Addr().AsSlice()
	for i := n.Bits(); i < n.Addr().BitLen(); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// of returns what holds for an exporter. It takes time by the logarithm of the
// number of networks, and allocates nothing.
func (n *networks[T]) of(exporter netip.Addr) T {
	if len(n.starts) == 0 {
		return n.fallback
	}
	return n.search(exporter)
}

func (n *networks[T]) search(exporter netip.Addr) T {
	i, found := slices.BinarySearchFunc(n.starts, exporter.Unmap().WithZone(""), netip.Addr.Compare)
	if !found {
		i--
	}
	return n.values[i]
}

// isNetwork reports whether p is a network of exporters: it has no bits beyond its
// length, and is none of IPv4-mapped addresses.
func isNetwork(p netip.Prefix) bool {
	return p.IsValid() && p == p.Masked() && !p.Addr().Is4In6()
}
