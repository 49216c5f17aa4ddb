package collector

import (
	"cmp"
	"net/netip"
	"slices"
)

// namedHostBits is how many bits of an address a network may leave open and
// still name its exporters: 256 addresses.
const namedHostBits = 8

// allowList answers whether an address lies in one of many networks. It is
// immutable. Nil allows everybody and contains nobody.
type allowList struct {
	// networks are sorted by address, and none contains another.
	networks []netip.Prefix
}

// newAllowList returns the list of valid networks; none means everybody.
func newAllowList(networks []netip.Prefix) *allowList {
	if len(networks) == 0 {
		return nil
	}
	sorted := make([]netip.Prefix, 0, len(networks))
	for _, n := range networks {
		sorted = append(sorted, unmapped(n).Masked())
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	// Networks contain each other or are apart; a containing one comes first.
	kept := sorted[:1]
	for _, n := range sorted[1:] {
		if !kept[len(kept)-1].Overlaps(n) {
			kept = append(kept, n)
		}
	}
	return &allowList{networks: kept}
}

// namedBy returns the list of those networks that are so small that they name
// the exporters in them.
func namedBy(networks []netip.Prefix) *allowList {
	var small []netip.Prefix
	for _, n := range networks {
		if n.Addr().BitLen()-n.Bits() <= namedHostBits {
			small = append(small, n)
		}
	}
	return newAllowList(small)
}

// unmapped turns a network of IPv4-mapped addresses into the IPv4 one it means.
func unmapped(n netip.Prefix) netip.Prefix {
	const mappedBits = 128 - 32
	if n.Addr().Is4In6() && n.Bits() >= mappedBits {
		return netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-mappedBits)
	}
	return n
}

// allows reports whether a, which is neither mapped nor zoned, may send.
func (l *allowList) allows(a netip.Addr) bool { return l == nil || l.contains(a) }

// contains reports whether a, which is neither mapped nor zoned, lies in one of
// the networks. It takes time by the logarithm of their number and allocates
// nothing.
func (l *allowList) contains(a netip.Addr) bool {
	if l == nil {
		return false
	}
	// The only candidate is the last network that begins at or before a.
	i, found := slices.BinarySearchFunc(l.networks, a, func(n netip.Prefix, target netip.Addr) int {
		return n.Addr().Compare(target)
	})
	return found || (i > 0 && l.networks[i-1].Contains(a))
}
