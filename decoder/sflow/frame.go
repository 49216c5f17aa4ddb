package sflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// Protocols of sampled headers. Of others only the frame's length is known.
const (
	protocolEthernet = 1
	protocolIPv4     = 11
	protocolIPv6     = 12
	protocolMPLS     = 13
)

// EtherTypes, IANA's IEEE 802 numbers.
const (
	etherIPv4          = 0x0800
	etherIPv6          = 0x86dd
	etherVLAN          = 0x8100
	etherServiceVLAN   = 0x88a8
	etherOldVLAN       = 0x9100
	etherMPLS          = 0x8847
	etherMPLSMulticast = 0x8848
)

// Lengths of headers, in bytes.
const (
	ethernetLen = 14
	vlanLen     = 4
	labelLen    = 4
	ipv4Len     = 20
	ipv6Len     = 40
)

// A word of an MPLS label stack: RFC 3032, section 2.1.
const (
	labelShift  = 12
	labelBottom = 1 << 8
)

// The upper byte of the IPFIX element 351 tells what a segment is.
const (
	segmentVXLAN = 1 << 56
	segmentNVGRE = 2 << 56
)

// frame writes what a packet's first bytes say; of its length on the wire they are
// a part. It goes as far as the bytes do. Of a tunnel the outer headers are read.
func (t target) frame(protocol uint32, b []byte, length uint32) {
	whole := len(b)
	ether := uint16(0)
	switch protocol {
	case protocolEthernet:
		ether, b = t.macHeader(b)
	case protocolIPv4:
		ether = etherIPv4
	case protocolIPv6:
		ether = etherIPv6
	case protocolMPLS:
		ether = etherMPLS
	}
	if ether == etherMPLS || ether == etherMPLSMulticast {
		ether, b = t.labels(b)
	}
	before := uint64(whole - len(b))
	switch ether {
	case etherIPv4:
		t.ipv4(b)
	case etherIPv6:
		t.ipv6(b)
	default:
		return
	}
	if before+t.r.Octets > uint64(length) {
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
}

// cut notes that the agent took too few bytes of the packet.
func (t target) cut() { t.r.Anomalies |= decoder.AnomalyTruncatedHeader }

// macHeader reads an Ethernet header with its VLAN tags. It returns the EtherType behind
// them, 0 if it is not there, and what follows.
func (t target) macHeader(b []byte) (ether uint16, rest []byte) {
	if len(b) < ethernetLen {
		t.cutMACHeader(b)
		return 0, nil
	}
	t.x.Values[decoder.FieldDestinationMAC] = mac(b)
	t.x.Values[decoder.FieldSourceMAC] = mac(b[6:])
	t.x.Present |= 1<<decoder.FieldDestinationMAC | 1<<decoder.FieldSourceMAC
	ether, b = binary.BigEndian.Uint16(b[12:]), b[ethernetLen:]
	for tags := 0; ether == etherVLAN || ether == etherServiceVLAN || ether == etherOldVLAN; tags++ {
		if len(b) < vlanLen {
			t.cut()
			return 0, nil
		}
		t.tag(tags, binary.BigEndian.Uint16(b)&0xfff)
		ether, b = binary.BigEndian.Uint16(b[2:]), b[vlanLen:]
	}
	t.x.Set(decoder.FieldEthernetType, uint64(ether))
	return ether, b
}

// cutMACHeader reads what there is of an Ethernet header.
func (t target) cutMACHeader(b []byte) {
	t.cut()
	if len(b) >= 6 {
		t.x.Set(decoder.FieldDestinationMAC, mac(b))
	}
	if len(b) >= 12 {
		t.x.Set(decoder.FieldSourceMAC, mac(b[6:]))
	}
}

// tag writes the VLAN of a tag, the outer one first. One that has only a priority leaves
// the VLAN to the switch.
func (t target) tag(index int, id uint16) {
	switch {
	case index == 0 && id != 0:
		t.x.Set(decoder.FieldVLANID, uint64(id))
	case index == 1:
		t.x.Set(decoder.FieldCustomerVLANID, uint64(id))
	}
}

// labels reads an MPLS label stack. What is behind it is IP if it looks so: the stack
// does not tell. It returns that as an EtherType, otherwise 0, and what follows.
func (t target) labels(b []byte) (ether uint16, rest []byte) {
	from, taken := len(t.p.Numbers), 0
	for bottom := false; !bottom; b = b[labelLen:] {
		if len(b) < labelLen {
			t.cut()
			b = nil
			break
		}
		entry := binary.BigEndian.Uint32(b)
		bottom = entry&labelBottom != 0
		if taken++; taken <= maxLabels {
			t.p.Numbers = append(t.p.Numbers, entry>>labelShift)
		} else {
			t.r.Anomalies |= decoder.AnomalyFieldWidth
		}
	}
	if n := len(t.p.Numbers); n > from {
		t.x.MPLSLabels = t.p.Numbers[from:n:n]
		t.x.Present |= 1 << decoder.FieldMPLSLabels
	}
	switch {
	case len(b) == 0:
		t.cut()
		return 0, nil
	case b[0]>>4 == 4:
		return etherIPv4, b
	case b[0]>>4 == 6:
		return etherIPv6, b
	default:
		return 0, nil
	}
}

// ipv4 reads an IPv4 packet: RFC 791, section 3.1.
func (t target) ipv4(b []byte) {
	if len(b) < ipv4Len {
		t.cut()
		return
	}
	headerLen := int(b[0]&15) * 4
	if b[0]>>4 != 4 || headerLen < ipv4Len {
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
		return
	}
	r, x := t.r, t.x
	r.TOS, r.Protocol = b[1], b[9]
	r.Octets = uint64(binary.BigEndian.Uint16(b[2:]))
	if r.Octets < uint64(headerLen) {
		r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
	r.SourceAddress = netip.AddrFrom4([4]byte(b[12:]))
	r.DestinationAddress = netip.AddrFrom4([4]byte(b[16:]))
	t.ttl(b[8])

	const flags, more, offset = 0xe000, 0x2000, 0x1fff
	fragment := binary.BigEndian.Uint16(b[6:])
	if fragment&flags != 0 {
		x.Set(decoder.FieldFragmentFlags, uint64(fragment&flags>>8))
	}
	if fragment&(more|offset) != 0 {
		x.Set(decoder.FieldFragmentIdentification, uint64(binary.BigEndian.Uint16(b[4:])))
		x.Set(decoder.FieldFragmentOffset, uint64(fragment&offset))
	}
	if fragment&offset == 0 {
		t.transport(r.Protocol, b[min(headerLen, len(b)):])
	}
}

// ttl writes the packet's time to live.
func (t target) ttl(v uint8) {
	t.x.Values[decoder.FieldMinimumTTL] = uint64(v)
	t.x.Values[decoder.FieldMaximumTTL] = uint64(v)
	t.x.Present |= 1<<decoder.FieldMinimumTTL | 1<<decoder.FieldMaximumTTL
}

// ipv6 reads an IPv6 packet: RFC 8200, section 3.
func (t target) ipv6(b []byte) {
	if len(b) < ipv6Len {
		t.cut()
		return
	}
	if b[0]>>4 != 6 {
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
		return
	}
	first, payload := binary.BigEndian.Uint32(b), binary.BigEndian.Uint16(b[4:])
	t.r.TOS = uint8(first >> 20)
	t.r.Octets = ipv6Len + uint64(payload)
	if payload == 0 && b[6] != nextNone {
		// The true length is in an option, or was not known yet.
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
	t.r.SourceAddress = netip.AddrFrom16([16]byte(b[8:]))
	t.r.DestinationAddress = netip.AddrFrom16([16]byte(b[24:]))
	t.x.Set(decoder.FieldIPv6FlowLabel, uint64(first&0xfffff))
	t.ttl(b[7])
	t.extensionHeaders(b[6], b[ipv6Len:])
}
