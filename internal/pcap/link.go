package pcap

import (
	"encoding/binary"
	"fmt"

	"github.com/gopacket/gopacket/layers"
)

// Link types that have other numbers on some systems, or no name in layers:
// https://www.tcpdump.org/linktypes.html.
const (
	linkRawBSD = 12
	linkRawOld = 14
)

// errUnknownLink is the error of frames that cannot be read.
func errUnknownLink(link layers.LinkType) error {
	return fmt.Errorf("pcap: frames of link type %d cannot be read: capture on an Ethernet or loopback interface, or on all at once", link)
}

// network returns the IP packet in a frame, nil when there is none.
func network(link layers.LinkType, frame []byte) ([]byte, error) {
	switch link {
	case layers.LinkTypeEthernet:
		return afterEtherType(frame, 12, 14), nil
	case layers.LinkTypeLinuxSLL:
		return afterEtherType(frame, 14, 16), nil
	case layers.LinkTypeLinuxSLL2:
		return afterEtherType(frame, 0, 20), nil
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		// Four bytes of address family, with numbers that differ by system;
		// the IP header says it too.
		if len(frame) < 4 {
			return nil, nil
		}
		return frame[4:], nil
	case layers.LinkTypeRaw, linkRawBSD, linkRawOld, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		return frame, nil
	default:
		return nil, errUnknownLink(link)
	}
}

// EtherTypes, IANA's IEEE 802 numbers.
const (
	etherIPv4          = 0x0800
	etherIPv6          = 0x86dd
	etherVLAN          = 0x8100
	etherQinQ          = 0x88a8
	etherQinQOld       = 0x9100
	etherMPLS          = 0x8847
	etherMPLSMulticast = 0x8848
	etherPPPoESession  = 0x8864
)

// PPP protocol numbers, RFC 1661 and RFC 5072.
const (
	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
)

// afterEtherType returns the IP packet of a frame whose EtherType is at offset
// at, and whose header ends at offset end.
func afterEtherType(frame []byte, at, end int) []byte {
	if len(frame) < end {
		return nil
	}
	etherType, rest := binary.BigEndian.Uint16(frame[at:]), frame[end:]
	for {
		switch etherType {
		case etherIPv4, etherIPv6:
			return rest
		case etherVLAN, etherQinQ, etherQinQOld:
			if len(rest) < 4 {
				return nil
			}
			etherType, rest = binary.BigEndian.Uint16(rest[2:]), rest[4:]
		case etherPPPoESession:
			return afterPPPoE(rest)
		case etherMPLS, etherMPLSMulticast:
			return afterLabels(rest)
		default:
			return nil
		}
	}
}

// afterPPPoE skips the header of a PPPoE session, RFC 2516 section 4, and the
// protocol of PPP.
func afterPPPoE(b []byte) []byte {
	if len(b) < 8 {
		return nil
	}
	switch binary.BigEndian.Uint16(b[6:]) {
	case pppIPv4, pppIPv6:
		return b[8:]
	default:
		return nil
	}
}

// afterLabels skips a stack of MPLS labels, RFC 3032 section 2.1. What follows
// is IP as far as its version says so.
func afterLabels(b []byte) []byte {
	for len(b) >= 4 {
		bottom := b[2]&1 == 1
		b = b[4:]
		if bottom {
			return b
		}
	}
	return nil
}
