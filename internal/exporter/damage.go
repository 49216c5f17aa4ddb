package exporter

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/decoder/netflow5"
)

// Where a header's fields are, in bytes, that differ from packet to packet.
const (
	offVersion           = 0
	offCount             = 2
	offSystemUptime      = 4
	offExportSeconds     = 8
	offExportNanoseconds = 12
	offFlowSequence      = 16
)

// maxDamage is how many bytes damage adds to a packet at most.
const maxDamage = netflow5.RecordLen - 1

// damage is a way in which datagrams arrive broken.
type damage uint8

const (
	// damageEmpty: no byte is left.
	damageEmpty damage = iota
	// damageShort: the header is cut.
	damageShort
	// damageHeaderOnly: records are announced and none follows.
	damageHeaderOnly
	// damageTruncated: the last record is cut.
	damageTruncated
	// damageVersion: the version is that of another protocol or of none.
	damageVersion
	// damageCountZero: no record is announced, and some follow.
	damageCountZero
	// damageCountHigh: far more records are announced than follow.
	damageCountHigh
	// damageTrailing: bytes follow the last record.
	damageTrailing
	// damageNoise: random bytes, not a version 5 packet.
	damageNoise
	damageCount
)

// otherVersions are NetFlow 9 and IPFIX, which exporters send to the wrong port
// by mistake; old NetFlow versions; and version 5 in the wrong byte order.
var otherVersions = []uint16{9, 10, 1, 7, 8, 0x0500}

// apply damages packet, which holds records and has room for maxDamage bytes
// more, and returns what is left of it and how many of its records can still be
// read. The variant differs from one use of a kind to the next.
func (d damage) apply(packet []byte, records int, variant uint32) (left []byte, readable int) {
	cut := 1 + int(variant%maxDamage)
	switch d {
	case damageEmpty:
		return packet[:0], 0
	case damageShort:
		return packet[:1+variant%(netflow5.HeaderLen-1)], 0
	case damageHeaderOnly:
		return packet[:netflow5.HeaderLen], 0
	case damageTruncated:
		return packet[:len(packet)-cut], records - 1
	case damageVersion:
		binary.BigEndian.PutUint16(packet[offVersion:], otherVersions[variant%uint32(len(otherVersions))])
		return packet, 0
	case damageCountZero:
		binary.BigEndian.PutUint16(packet[offCount:], 0)
		return packet, 0
	case damageCountHigh:
		binary.BigEndian.PutUint16(packet[offCount:], uint16(0xffff-variant%0x4000))
		return packet, records
	case damageTrailing:
		return append(packet, make([]byte, cut)...), records
	case damageNoise:
		noise(packet, variant)
		return packet, 0
	default:
		return packet, records
	}
}

// noise overwrites b with bytes that look random and do not begin like a
// version 5 packet.
func noise(b []byte, variant uint32) {
	for i := range b {
		b[i] = byte(scatter(variant + uint32(i)<<16))
	}
	b[offVersion] |= 0x80
}
