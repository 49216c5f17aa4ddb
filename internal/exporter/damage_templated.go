package exporter

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/internal/encoder"
)

// templatedDamage is a way in which datagrams of version 9 and IPFIX arrive broken.
type templatedDamage uint8

const (
	// templatedEmpty: no byte is left.
	templatedEmpty templatedDamage = iota
	// templatedShort: the header is cut.
	templatedShort
	// templatedHeaderOnly: nothing follows the header.
	templatedHeaderOnly
	// templatedTruncated: the last record, and so its set, is cut.
	templatedTruncated
	// templatedVersion: the version is that of another protocol or of none.
	templatedVersion
	// templatedSetShort: a set follows that is shorter than its own header, which keeps
	// naive collectors in a loop.
	templatedSetShort
	// templatedSetLong: a set follows that goes on behind the datagram's end.
	templatedSetLong
	// templatedNoise: random bytes.
	templatedNoise
	templatedDamageCount
)

// foreignVersions are old versions of NetFlow, one of none, and versions 9 and 10 in the
// wrong byte order.
var foreignVersions = []uint16{1, 7, 8, 42, 0x0900, 0x0a00}

// damage damages the packet that was made last. Of a set that is cut nothing is read, as
// where its records end is not certain.
func (m *templatedMaker) damage(packet []byte, records int, turn uint32) (left []byte, readable int) {
	kind, variant := templatedDamage(turn%uint32(templatedDamageCount)), turn/uint32(templatedDamageCount)
	header := m.forms.version.HeaderLen()
	switch kind {
	case templatedEmpty:
		return packet[:0], 0
	case templatedShort:
		return packet[:1+int(variant)%(header-1)], 0
	case templatedHeaderOnly:
		return m.lengthen(packet[:header]), 0
	case templatedTruncated:
		cut := 1 + int(variant)%(len(packet)-m.lastSet-setHeaderLen)
		return m.lengthen(packet[:len(packet)-cut]), m.before
	case templatedVersion:
		binary.BigEndian.PutUint16(packet[offVersion:], foreignVersions[variant%uint32(len(foreignVersions))])
		return packet, 0
	case templatedSetShort:
		return m.lengthen(appendSet(packet, uint16(variant%setHeaderLen))), records
	case templatedSetLong:
		return m.lengthen(appendSet(packet, uint16(setHeaderLen+1+variant%0x8000))), records
	case templatedNoise:
		noise(packet, variant)
		return packet, 0
	default:
		return packet, records
	}
}

// setHeaderLen is how long a set's header is.
const setHeaderLen = 4

// appendSet appends the header of a set of data that says it is so long.
func appendSet(packet []byte, length uint16) []byte {
	packet = binary.BigEndian.AppendUint16(packet, templateID4)
	return binary.BigEndian.AppendUint16(packet, length)
}

// lengthen makes IPFIX tell the length that a packet has, so that it is damaged in one
// way only.
func (m *templatedMaker) lengthen(packet []byte) []byte {
	if m.forms.version == encoder.IPFIX {
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	}
	return packet
}
