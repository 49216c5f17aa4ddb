package differential

import (
	"encoding/binary"
	"slices"
)

// agent makes datagrams of sFlow out of a fuzzer's bytes: valid ones, of what goflow2 reads as
// it is specified. It knows neither IPv4 options nor later fragments, takes the priority of a
// VLAN tag for part of its number, the inner tag of two for the outer, and the first segment of an AS
// path for all of it; a sampled Ethernet frame without a header it takes for shorter than it is.
type agent struct{ source }

func (a *agent) word() uint32 { return binary.BigEndian.Uint32(a.bytes(4)) }

func words(values ...uint32) (b []byte) {
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// opaque returns a sample or record.
func opaque(format uint32, content []byte) []byte {
	return append(words(format, uint32(len(content))), content...)
}

// address returns one of either family.
func (a *agent) address() []byte {
	if a.next()&1 == 0 {
		return append(words(1), a.bytes(4)...)
	}
	return append(words(2), a.bytes(16)...)
}

func (a *agent) datagram() []byte {
	b := slices.Concat(words(5), a.address(), words(a.word(), a.word(), a.word()))
	n := a.below(7)
	b = append(b, words(uint32(n))...)
	for range n {
		b = append(b, a.sample()...)
	}
	return b
}

func (a *agent) sample() []byte {
	switch a.below(8) {
	case 0:
		return opaque(2, words(a.word(), a.word(), 0))
	case 1:
		return opaque(4, words(a.word(), a.word(), a.word(), 0))
	case 2:
		n, records := a.records()
		return opaque(5, append(words(a.word(), a.word()%256, a.word()%(1<<24), a.word(), a.word(), a.word(), a.word(), n), records...))
	case 3, 4:
		n, records := a.records()
		return opaque(3, append(words(a.word(), a.word()%256, a.word()%(1<<24), a.word(), a.word(), a.word(),
			a.word()%4, a.word(), a.word()%4, a.word(), n), records...))
	default:
		n, records := a.records()
		return opaque(1, append(words(a.word(), a.word(), a.word(), a.word(), a.word(), a.word(), a.word(), n), records...))
	}
}

// records returns some records of a flow sample, each of a kind of its own, and how many.
func (a *agent) records() (n uint32, b []byte) {
	kinds := []func() []byte{a.packet, a.unknown, a.vlans, a.router, a.gateway}
	for len(kinds) > 0 && a.below(5) > 0 {
		i := a.below(len(kinds))
		b = append(b, kinds[i]()...)
		kinds = slices.Delete(kinds, i, i+1)
		n++
	}
	return n, b
}

// packet returns what the sampled packet was, in one of three ways.
func (a *agent) packet() []byte {
	switch a.below(4) {
	case 0:
		return opaque(3, slices.Concat(words(a.word(), a.word()%256), a.bytes(8), words(a.word()%65536, a.word()%65536, a.word()%65536, a.word()%256)))
	case 1:
		return opaque(4, slices.Concat(words(a.word(), a.word()%256), a.bytes(32), words(a.word()%65536, a.word()%65536, a.word()%65536, a.word()%256)))
	default:
		frame := a.frame()
		return opaque(1, append(words(1, a.word(), 4, uint32(len(frame))), frame...))
	}
}

// unknown returns a record of a format that no decoder knows.
func (a *agent) unknown() []byte { return opaque(4413<<12|uint32(a.next()), a.bytes(4*a.below(20))) }

func (a *agent) vlans() []byte { return opaque(1001, words(a.word(), a.word(), a.word(), a.word())) }

func (a *agent) router() []byte {
	return opaque(1002, append(a.address(), words(a.word()%256, a.word()%256)...))
}

// gateway returns a record with at most one segment: goflow2 reads no more.
func (a *agent) gateway() []byte {
	b := append(a.address(), words(a.word(), a.word(), a.word())...)
	if path := a.below(10); path == 0 {
		b = append(b, words(0)...)
	} else {
		b = append(append(b, words(1, 2, uint32(path))...), a.bytes(4*path)...)
	}
	communities := a.below(10)
	b = append(append(b, words(uint32(communities))...), a.bytes(4*communities)...)
	return opaque(1003, append(b, words(a.word())...))
}

// frame returns an Ethernet frame, padded to four bytes.
func (a *agent) frame() []byte {
	b := a.bytes(12)
	for range a.below(2) {
		b = append(b, 0x81, 0x00, 0, 1+a.next()%255)
	}
	labels := a.below(4)
	if labels > 0 {
		b = append(b, 0x88, 0x47)
	}
	for i := range labels {
		entry := (16+uint32(a.below(1000)))<<12 | uint32(a.next())
		if i == labels-1 {
			entry |= 1 << 8
		}
		b = append(b, words(entry)...)
	}
	ether := []byte{0x08, 0x00}
	var packet []byte
	protocol := []byte{1, 6, 17, 58, 89}[a.below(5)]
	if a.next()&1 == 0 {
		packet = a.ipv4(protocol)
	} else {
		ether, packet = []byte{0x86, 0xdd}, a.ipv6(protocol)
	}
	if labels == 0 {
		b = append(b, ether...)
	}
	b = append(append(b, packet...), a.transport(protocol)...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// ipv4 returns a header that is not of a later fragment.
func (a *agent) ipv4(protocol byte) []byte {
	return slices.Concat([]byte{0x45}, a.bytes(5), []byte{a.next() & 0xe0, 0, a.next(), protocol}, a.bytes(10))
}

func (a *agent) ipv6(protocol byte) []byte {
	b := slices.Concat([]byte{0x60 | a.next()&0xf}, a.bytes(3), []byte{1, a.next(), protocol}, a.bytes(33))
	if a.next()&1 == 0 {
		return b
	}
	b[6] = 44
	return append(append(b, protocol, 0, 0, a.next()&1), a.bytes(4)...)
}

// transport returns the first bytes behind the IP header; ports are such as name no tunnel.
func (a *agent) transport(protocol byte) []byte {
	b := a.bytes(20)
	if protocol == 6 || protocol == 17 {
		b[0], b[2] = 200, 201
	}
	if protocol == 6 {
		b[12] &= 0xf0 // goflow2 reads eight flags
	}
	return b
}
