package batch

import (
	"encoding/binary"
	"math/bits"

	"github.com/flowpub/flowpub/decoder"
)

// Bounds of what the fast path of appendRecord takes. It writes into a window
// at indices of 8 bits, up to 8 bytes at a time, so that no index can leave the
// window and none is checked.
const (
	windowSize      = 255 + 8
	maxHeadSize     = 2 + 1 + 5 + 3 // length, attributes, deltas
	maxTemplateSize = 112           // key, value length, lead, constants
	maxCommonSize   = 3*6 + 2*9 + 2*8 + 3*4 + 2*3 + 3*6 + 5*7 + 2*4
	minCommonSize   = 3*6 + 2*9

	// A length from 64 to 8191 is a varint of two bytes.
	minTwoByteVarint = 64
)

// These do not compile when a record could outgrow the window, the window what
// callers leave room for, or a length its two bytes.
const (
	_ = uint8(255 - maxHeadSize - maxTemplateSize - maxCommonSize - 1)
	_ = uint(maxRecordSize - windowSize)
	_ = uint(8191 - maxRecordSize)
)

// common tells whether r is one that putFields can encode: IPv4 addresses,
// times that are set, counters below 2^49.
func common(r *decoder.Record) bool {
	return r.SourceAddress.Is4() && r.DestinationAddress.Is4() && r.NextHop.Is4() &&
		r.StartTime != 0 && r.EndTime != 0 && (r.Packets|r.Octets)>>49 == 0
}

// putFields writes the fields that appendFields appends, in the same order,
// without a branch. It returns the index behind the last one.
func putFields(w *[windowSize]byte, i uint8, r *decoder.Record, index int, anomalies decoder.Anomalies) uint8 {
	i = putUint1(w, i, fieldRecordIndex, uint64(index))
	i = putUint2(w, i, fieldAnomalies, uint64(anomalies|r.Anomalies))
	i = putUint2(w, i, fieldFirstUptime, uint64(r.FirstUptime))
	i = putFixed64(w, i, fieldStartTime, uint64(r.StartTime))
	i = putUint2(w, i, fieldLastUptime, uint64(r.LastUptime))
	i = putFixed64(w, i, fieldEndTime, uint64(r.EndTime))
	i = putUint1(w, i, fieldPackets, r.Packets)
	i = putUint1(w, i, fieldOctets, r.Octets)
	i = putUint1(w, i, fieldTCPFlags, uint64(r.TCPFlags))
	i = putByte1(w, i, fieldProtocol, r.Protocol)
	i = putByte1(w, i, fieldTOS, r.TOS)
	i = putUint1(w, i, fieldSourcePort, uint64(r.SourcePort))
	i = putUint1(w, i, fieldDestinationPort, uint64(r.DestinationPort))
	i = putUint2(w, i, fieldSourceAS, uint64(r.SourceAS))
	i = putByte2(w, i, fieldSourcePrefixLength, r.SourcePrefixLength)
	i = putAddress(w, i, fieldSourceAddress, r.SourceAddress.As4())
	i = putUint1(w, i, fieldInputInterface, uint64(r.InputInterface))
	i = putUint1(w, i, fieldOutputInterface, uint64(r.OutputInterface))
	i = putAddress(w, i, fieldNextHop, r.NextHop.As4())
	i = putAddress(w, i, fieldDestinationAddress, r.DestinationAddress.As4())
	i = putByte2(w, i, fieldDestinationPrefixLength, r.DestinationPrefixLength)
	return putUint2(w, i, fieldDestinationAS, uint64(r.DestinationAS))
}

// putUint1 writes a varint field with a tag of one byte, a value below 2^49; or
// nothing that counts, when v is zero.
func putUint1(w *[windowSize]byte, i uint8, field, v uint64) uint8 {
	n := bits.Len64(v) & 63
	binary.LittleEndian.PutUint64(w[i:], field<<3|(spread(v)|continuation[n])<<8)
	return i + sizes1[n]
}

// putUint2 does it with a tag of two bytes, for a value of up to 32 bits.
func putUint2(w *[windowSize]byte, i uint8, field, v uint64) uint8 {
	n := bits.Len64(v) & 63
	binary.LittleEndian.PutUint64(w[i:], field<<3&0x7f|0x80|field>>4<<8|(spread(v)|continuation[n])<<16)
	return i + sizes2[n]
}

// putByte1 is putUint1 for a value of 8 bits, whose highest is the continuation
// bit of the varint's first byte and all of the second.
func putByte1(w *[windowSize]byte, i uint8, field uint64, v uint8) uint8 {
	x := uint64(v) | uint64(v)>>7<<8
	binary.LittleEndian.PutUint64(w[i:], field<<3|x<<8)
	return i + sizes1[bits.Len8(v)]
}

// putByte2 does it with a tag of two bytes.
func putByte2(w *[windowSize]byte, i uint8, field uint64, v uint8) uint8 {
	x := uint64(v) | uint64(v)>>7<<8
	binary.LittleEndian.PutUint64(w[i:], field<<3&0x7f|0x80|field>>4<<8|x<<16)
	return i + sizes2[bits.Len8(v)]
}

// putFixed64 writes a fixed64 field with a tag of one byte.
func putFixed64(w *[windowSize]byte, i uint8, field, v uint64) uint8 {
	w[i] = byte(field<<3 | wireFixed64)
	binary.LittleEndian.PutUint64(w[i+1:], v)
	return i + 9
}

// putAddress writes an IPv4 address with a tag of one byte.
func putAddress(w *[windowSize]byte, i uint8, field uint64, a [4]byte) uint8 {
	address := uint64(binary.LittleEndian.Uint32(a[:]))
	binary.LittleEndian.PutUint64(w[i:], field<<3|wireBytes|4<<8|address<<16)
	return i + 6
}

// putVarint writes v, which is below 2^56.
func putVarint(w *[windowSize]byte, i uint8, v uint64) uint8 {
	n := bits.Len64(v|1) & 63
	binary.LittleEndian.PutUint64(w[i:], spread(v)|continuation[n])
	return i + sizes1[n] - 1
}

// putLength writes a length from 64 to 8191 as a signed varint of two bytes.
func putLength(w *[windowSize]byte, i, length uint8) {
	binary.LittleEndian.PutUint16(w[i:], uint16(length)<<1&0x7f|0x80|uint16(length)>>6<<8)
}

// putDelimiter writes a length as an unsigned varint of two bytes. It returns
// false, and what it wrote is of no use, when one byte would do.
func putDelimiter(w *[windowSize]byte, i, length uint8) bool {
	binary.LittleEndian.PutUint16(w[i:], uint16(length)&0x7f|0x80|uint16(length)>>7<<8)
	return length >= minTwoByteDelim
}

// spread moves the groups of 7 bits in v, which is below 2^56, to bytes of their
// own: first the upper half of v by 4 bits, then the upper half of each half by
// 2, then that of each quarter by 1. Adding a part 3 times, or once, to itself
// is to move it by 2 bits, or by 1.
func spread(v uint64) uint64 {
	v = v&0x0000_0000_0fff_ffff | v>>28<<32
	v += v & 0x0fff_c000_0fff_c000 * 3
	return v + v&0x3f80_3f80_3f80_3f80
}

// continuation and the sizes are indexed by the bits of a varint's value: the
// continuation bits of all its bytes but the last, and what a field takes with
// a tag of one and of two bytes. A value of no bits takes nothing.
var continuation, sizes1, sizes2 = varintTables()

func varintTables() (continuation [64]uint64, sizes1, sizes2 [64]uint8) {
	for n := 1; n < 64; n++ {
		size := (n + 6) / 7
		continuation[n] = 0x8080_8080_8080_8080 & (1<<(8*(size-1)) - 1)
		sizes1[n] = uint8(1 + size)
		sizes2[n] = uint8(2 + size)
	}
	return continuation, sizes1, sizes2
}
