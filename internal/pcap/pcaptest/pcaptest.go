// Package pcaptest builds captures for tests, by hand and by the specifications.
package pcaptest

import "encoding/binary"

// Join puts bytes and byte slices in a row.
func Join(parts ...any) []byte {
	var all []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			all = append(all, p...)
		case string:
			all = append(all, p...)
		case int:
			all = append(all, byte(p))
		}
	}
	return all
}

// BE16 is a big-endian number of 16 bits.
func BE16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

// BE32 is a big-endian number of 32 bits.
func BE32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// UDP is a UDP datagram from port 50000.
func UDP(payload string) []byte {
	return Join(BE16(50000), BE16(2055), BE16(8+len(payload)), BE16(0), payload)
}

// IPv4 is an IPv4 packet from 192.0.2.1 to 192.0.2.254. Flags are the
// 16 bits with the fragment offset in units of 8 bytes.
func IPv4(id, flags int, body []byte) []byte {
	return Join(0x45, 0, BE16(20+len(body)), BE16(id), BE16(flags), 64, 17, BE16(0),
		192, 0, 2, 1, 192, 0, 2, 254, body)
}

// IPv6 is an IPv6 packet from 2001:db8::1 to 2001:db8::2.
func IPv6(next int, body []byte) []byte {
	prefix := Join(0x20, 0x01, 0x0d, 0xb8, make([]byte, 11))
	return Join(0x60, 0, 0, 0, BE16(len(body)), next, 64, prefix, 1, prefix, 2, body)
}

// Ethernet is an Ethernet frame.
func Ethernet(etherType int, body []byte) []byte {
	return Join(make([]byte, 12), BE16(etherType), body)
}

// Pcap is a big-endian pcap file with microseconds; each frame one second
// after the other, from second 1 on.
func Pcap(link int, frames ...[]byte) []byte {
	file := Join(BE32(0xa1b2c3d4), BE16(2), BE16(4), BE32(0), BE32(0), BE32(262144), BE32(link))
	for i, f := range frames {
		file = Join(file, BE32(i+1), BE32(0), BE32(len(f)), BE32(len(f)), f)
	}
	return file
}

// Source4 is where the datagrams of IPv4 are from, Source6 those of IPv6.
const (
	Source4 = "192.0.2.1:50000"
	Source6 = "[2001:db8::1]:50000"
)
