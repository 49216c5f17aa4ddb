package sflow

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/decoder"
)

// Protocols, IANA's numbers.
const (
	nextHopByHop    = 0
	protocolICMP    = 1
	protocolTCP     = 6
	protocolUDP     = 17
	nextRouting     = 43
	nextFragment    = 44
	protocolGRE     = 47
	protocolICMPv6  = 58
	nextNone        = 59
	nextDestination = 60
	protocolSCTP    = 132
	protocolUDPLite = 136
)

// extensionHeaders reads the headers between that of IPv6 and the transport's: RFC
// 8200, section 4.
func (t target) extensionHeaders(next uint8, b []byte) {
	const headerLen = 8
	for next == nextHopByHop || next == nextRouting || next == nextFragment || next == nextDestination {
		t.r.Protocol = next
		if len(b) < headerLen {
			t.cut()
			return
		}
		length := headerLen
		if next != nextFragment {
			length += int(b[1]) * headerLen
		} else if t.fragment(b) != 0 {
			t.r.Protocol = b[0]
			return
		}
		next, b = b[0], b[min(length, len(b)):]
	}
	t.r.Protocol = next
	t.transport(next, b)
}

// fragment reads a fragment header and returns the fragment's offset.
func (t target) fragment(b []byte) (offset uint16) {
	const more, moreFlag = 1, 0x20
	v := binary.BigEndian.Uint16(b[2:])
	offset = v >> 3
	t.x.Set(decoder.FieldFragmentIdentification, uint64(binary.BigEndian.Uint32(b[4:])))
	t.x.Set(decoder.FieldFragmentOffset, uint64(offset))
	t.x.Set(decoder.FieldFragmentFlags, uint64(v&more)*moreFlag)
	return offset
}

// transport reads what an IP packet carries.
func (t target) transport(protocol uint8, b []byte) {
	switch protocol {
	case protocolTCP:
		t.ports(b)
		const flagsEnd = 14
		if len(b) < flagsEnd {
			t.cut()
			return
		}
		t.r.TCPFlags = binary.BigEndian.Uint16(b[12:]) & 0xfff
	case protocolUDP:
		t.ports(b)
		t.vxlan(b)
	case protocolSCTP, protocolUDPLite:
		t.ports(b)
	case protocolICMP, protocolICMPv6:
		if len(b) < 2 {
			t.cut()
			return
		}
		t.x.Set(decoder.FieldICMPTypeCode, uint64(binary.BigEndian.Uint16(b)))
	case protocolGRE:
		t.nvgre(b)
	}
}

// ports reads the ports, which all have in one place.
func (t target) ports(b []byte) {
	if len(b) < 4 {
		t.cut()
		return
	}
	t.r.SourcePort = binary.BigEndian.Uint16(b)
	t.r.DestinationPort = binary.BigEndian.Uint16(b[2:])
}

// vxlan notes the network of a VXLAN packet: RFC 7348, section 5.
func (t target) vxlan(b []byte) {
	const udpLen, length, port, valid = 8, 8, 4789, 0x08
	if t.r.DestinationPort != port || len(b) < udpLen+length || b[udpLen]&valid == 0 {
		return
	}
	t.x.Set(decoder.FieldLayer2SegmentID, segmentVXLAN|uint64(binary.BigEndian.Uint32(b[udpLen+4:])>>8))
}

// nvgre notes the network of an NVGRE packet: RFC 7637, section 3.2.
func (t target) nvgre(b []byte) {
	const length, hasKeyOnly, bridged = 8, 0x2000, 0x6558
	if len(b) < length || binary.BigEndian.Uint16(b) != hasKeyOnly || binary.BigEndian.Uint16(b[2:]) != bridged {
		return
	}
	t.x.Set(decoder.FieldLayer2SegmentID, segmentNVGRE|uint64(binary.BigEndian.Uint32(b[4:])>>8))
}
