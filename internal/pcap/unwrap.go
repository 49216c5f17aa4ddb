package pcap

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket/layers"
)

// IPv6 extension headers, RFC 8200 section 4.
const (
	extensionHopByHop    = 0
	extensionRouting     = 43
	extensionFragment    = 44
	extensionDestination = 60
)

const (
	protocolUDP = 17

	headerIPv4      = 20 // bytes, without options
	headerIPv6      = 40
	headerUDP       = 8
	headerExtension = 8 // the shortest; that of a fragment
)

// unwrapper finds UDP datagrams in frames.
type unwrapper struct {
	fn        func(Packet) error
	fragments fragments
}

func newUnwrapper(fn func(Packet) error) *unwrapper { return &unwrapper{fn: fn} }

// frame calls fn if the frame is, or completes, a UDP datagram.
func (u *unwrapper) frame(link layers.LinkType, at time.Time, frame []byte) error {
	ip, err := network(link, frame)
	if err != nil || len(ip) == 0 {
		return err
	}
	var p Packet
	var ok bool
	switch ip[0] >> 4 {
	case 4:
		p, ok = u.ipv4(at, ip)
	case 6:
		p, ok = u.ipv6(at, ip)
	}
	if !ok {
		return nil
	}
	p.Time = at
	return u.fn(p)
}

// ipv4 reads an IPv4 packet, RFC 791 section 3.1.
func (u *unwrapper) ipv4(at time.Time, b []byte) (p Packet, ok bool) {
	if len(b) < headerIPv4 || b[9] != protocolUDP {
		return p, false
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) // segmented by the network card after it was captured
	}
	if header < headerIPv4 || header > total || header > len(b) {
		return p, false
	}
	source, destination := netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	body := b[header:min(total, len(b))]
	if flags := binary.BigEndian.Uint16(b[6:]); flags&0x3fff != 0 {
		key := fragmentKey{source, destination, uint32(binary.BigEndian.Uint16(b[4:]))}
		body = u.fragments.add(key, at, fragment{int(flags&0x1fff) * 8, flags&0x2000 != 0, body})
	}
	return udp(source, destination, body)
}

// ipv6 reads an IPv6 packet, RFC 8200 section 3.
func (u *unwrapper) ipv6(at time.Time, b []byte) (p Packet, ok bool) {
	if len(b) < headerIPv6 {
		return p, false
	}
	source, destination := netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	next, body := b[6], b[headerIPv6:]
	if length := int(binary.BigEndian.Uint16(b[4:])); length > 0 {
		body = body[:min(length, len(body))]
	}
	for next != protocolUDP {
		if len(body) < headerExtension {
			return p, false
		}
		extension := body
		switch next {
		case extensionHopByHop, extensionRouting, extensionDestination:
			body = body[min((int(extension[1])+1)*8, len(body)):]
		case extensionFragment:
			// A packet that is a single fragment is complete at once.
			offset := binary.BigEndian.Uint16(extension[2:])
			key := fragmentKey{source, destination, binary.BigEndian.Uint32(extension[4:])}
			body = u.fragments.add(key, at, fragment{int(offset &^ 7), offset&1 != 0, body[headerExtension:]})
		default:
			return p, false
		}
		next = extension[0]
	}
	return udp(source, destination, body)
}

// udp reads a UDP datagram, RFC 768. A length of 0 stands for all there is (RFC
// 2675).
func udp(source, destination netip.Addr, b []byte) (p Packet, ok bool) {
	if len(b) < headerUDP {
		return p, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 {
		length = len(b)
	}
	if length < headerUDP {
		return p, false
	}
	return Packet{
		Source:      netip.AddrPortFrom(source, binary.BigEndian.Uint16(b)),
		Destination: netip.AddrPortFrom(destination, binary.BigEndian.Uint16(b[2:])),
		Payload:     b[headerUDP:min(length, len(b))],
		Truncated:   length > len(b),
	}, true
}
