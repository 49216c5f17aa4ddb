package pcap

import "encoding/binary"

// headerLengths are how long the headers of NetFlow are, by version. Version 10
// is IPFIX.
var headerLengths = map[uint16]int{1: 16, 5: 24, 7: 24, 8: 28, 9: 20, 10: 16}

// IsFlowExport reports whether a payload begins like a datagram of NetFlow, IPFIX
// or sFlow: with its version, and with a whole header.
func IsFlowExport(payload []byte) bool {
	if len(payload) < 2 {
		return false
	}
	version := binary.BigEndian.Uint16(payload)
	if header, known := headerLengths[version]; known {
		return len(payload) >= header && (version != 10 || int(binary.BigEndian.Uint16(payload[2:])) == len(payload))
	}
	return isSFlow(payload)
}

// BeginsLikeFlowExport reports whether a datagram begins with a version of NetFlow, IPFIX or
// sFlow, be the rest malformed or cut: recordings of what exporters get wrong hold such.
func BeginsLikeFlowExport(payload []byte) bool {
	if len(payload) < 4 {
		return false
	}
	_, known := headerLengths[binary.BigEndian.Uint16(payload)]
	version := binary.BigEndian.Uint32(payload)
	return known || version == 2 || version == 4 || version == 5
}

// isSFlow reports whether a payload begins like sFlow: version 2, 4 or 5, then the
// agent's address behind 1 or 2 for IPv4 or IPv6, each in four bytes.
func isSFlow(payload []byte) bool {
	const leastHeader = 24
	if len(payload) < leastHeader {
		return false
	}
	version, family := binary.BigEndian.Uint32(payload), binary.BigEndian.Uint32(payload[4:])
	return (version == 2 || version == 4 || version == 5) && (family == 1 || family == 2)
}
