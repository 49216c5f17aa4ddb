package exporter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"testing"
)

// This file builds captures, by hand and by the specifications, for the tests.

// join puts bytes and byte slices in a row.
func join(parts ...any) []byte {
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

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func be32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func le16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }
func le32(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }

// udpTo2055 is a UDP datagram from port 50000.
func udpTo2055(payload string) []byte {
	return join(be16(50000), be16(2055), be16(8+len(payload)), be16(0), payload)
}

// ipv4From192 is an IPv4 packet from 192.0.2.1 to 192.0.2.254. Flags are the
// 16 bits with the fragment offset in units of 8 bytes.
func ipv4From192(id, flags int, body []byte) []byte {
	return join(0x45, 0, be16(20+len(body)), be16(id), be16(flags), 64, 17, be16(0),
		192, 0, 2, 1, 192, 0, 2, 254, body)
}

// ipv6From2001 is an IPv6 packet from 2001:db8::1 to 2001:db8::2.
func ipv6From2001(next int, body []byte) []byte {
	prefix := join(0x20, 0x01, 0x0d, 0xb8, make([]byte, 11))
	return join(0x60, 0, 0, 0, be16(len(body)), next, 64, prefix, 1, prefix, 2, body)
}

// ethernet is an Ethernet frame.
func ethernet(etherType int, body []byte) []byte {
	return join(make([]byte, 12), be16(etherType), body)
}

// pcapBig is a big-endian pcap file with microseconds; each frame one second
// after the other, from second 1 on.
func pcapBig(link int, frames ...[]byte) []byte {
	file := join(be32(0xa1b2c3d4), be16(2), be16(4), be32(0), be32(0), be32(262144), be32(link))
	for i, f := range frames {
		file = join(file, be32(i+1), be32(0), be32(len(f)), be32(len(f)), f)
	}
	return file
}

// block is a little-endian block of pcapng.
func block(kind int, body []byte) []byte {
	body = join(body, make([]byte, -len(body)&3))
	return join(le32(kind), le32(12+len(body)), body, le32(12+len(body)))
}

// section is a little-endian section header.
func section() []byte {
	return block(0x0a0d0d0a, join(le32(0x1a2b3c4d), le16(1), le16(0), le32(-1), le32(-1)))
}

// found is a Packet with values of its own.
type found struct {
	time      string // empty when not known
	source    string
	payload   string
	truncated bool
}

// packetsOf reads a capture and keeps its packets.
func packetsOf(capture io.Reader) (all []found, err error) {
	err = ReadCapture(capture, func(p Packet) error {
		f := found{payload: string(p.Payload), truncated: p.Truncated}
		if !p.Time.IsZero() {
			f.time = p.Time.UTC().Format("05.999999999")
		}
		if p.Source.IsValid() {
			f.source = p.Source.String()
			if p.Destination.Port() != 2055 {
				return errors.New("the destination is " + p.Destination.String())
			}
		}
		all = append(all, f)
		return nil
	})
	return all, err
}

// mustPackets reads a capture that has no mistakes.
func mustPackets(t *testing.T, capture []byte) []found {
	t.Helper()
	all, err := packetsOf(bytes.NewReader(capture))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// from192 is where the packets of ipv4From192 are from, from2001 those of
// ipv6From2001.
var (
	from192  = netip.MustParseAddrPort("192.0.2.1:50000").String()
	from2001 = netip.MustParseAddrPort("[2001:db8::1]:50000").String()
)
