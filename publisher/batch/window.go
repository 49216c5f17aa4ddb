package batch

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// Bounds of the fast path of putRecord. It writes into a window, up to 8 bytes
// at a time, at indices of which 9 bits are used, so that no index can leave the
// window and none is checked.
const (
	windowBits        = 9
	windowMask        = 1<<windowBits - 1
	windowSize        = windowMask + 1 + 8
	maxHeadSize       = 2 + 1 + 5 + 3 // length, attributes, deltas
	usualSize         = 112           // of most templates: key, value length, lead, constants
	plainTemplateSize = 1 + maxKeySize + 2 + maxLeadSize + maxConstantsSize
	maxTemplateSize   = plainTemplateSize + maxAnnotation

	// A length from 64 to 8191 is a varint of two bytes, and so is one from 128 to
	// 16383 without a sign.
	minTwoByteVarint = 64
	maxTwoByteVarint = 8191
)

// This does not compile when a record could outgrow the window, but for its
// extension.
const _ = uint(windowMask - maxHeadSize - maxTemplateSize - maxFieldsSize - 1)

// Nor does this when its size could outgrow Encoder.size.
const _ = uint8(maxTemplateSize)

// window is where the fast path writes.
type window [windowSize]byte

// common reports whether r is one that putFields can encode: its counters are below
// 2^49.
func common(r *decoder.Record) bool { return (r.Packets|r.Octets)>>49 == 0 }

// putFields writes the fields that appendFields appends, in the same order. It
// branches on whether both times are set and whether all addresses are of IPv4, each as
// nearly always in a packet or never. It returns the index behind the last field, and
// where some of them are.
func putFields(w *window, i uint, r *decoder.Record, index uint64, anomalies decoder.Anomalies) (uint, places) {
	begin := i
	timed := r.StartTime != 0 && r.EndTime != 0
	four := r.SourceAddress.Is4() && r.DestinationAddress.Is4() && r.NextHop.Is4()
	i = putUint1(w, i, fieldRecordIndex, index)
	i = putUint2(w, i, fieldAnomalies, uint64(anomalies|r.Anomalies))
	i = putUint2(w, i, fieldFirstUptime, uint64(r.FirstUptime))
	at := places(i-begin+1) << placeStartTime
	i = putTime(w, i, fieldStartTime, uint64(r.StartTime), timed)
	i = putUint2(w, i, fieldLastUptime, uint64(r.LastUptime))
	at |= places(i-begin+1) << placeEndTime
	i = putTime(w, i, fieldEndTime, uint64(r.EndTime), timed)
	i = putUint1(w, i, fieldPackets, r.Packets)
	i = putUint1(w, i, fieldOctets, r.Octets)
	at |= places(i-begin) << placeHeader
	i = putUint1(w, i, fieldTCPFlags, uint64(r.TCPFlags))
	i = putByte1(w, i, fieldProtocol, r.Protocol)
	i = putByte1(w, i, fieldTOS, r.TOS)
	i = putUint1(w, i, fieldSourcePort, uint64(r.SourcePort))
	i = putUint1(w, i, fieldDestinationPort, uint64(r.DestinationPort))
	i = putUint2(w, i, fieldSourceAS, uint64(r.SourceAS))
	i = putByte2(w, i, fieldSourcePrefixLength, r.SourcePrefixLength)
	at |= places(i-begin+2) << placeSourceAddress
	if four {
		i = putIPv4(w, i, fieldSourceAddress, r.SourceAddress.As4())
	} else {
		i = putAddress(w, i, fieldSourceAddress, &r.SourceAddress)
	}
	i = putUint1(w, i, fieldInputInterface, uint64(r.InputInterface))
	i = putUint1(w, i, fieldOutputInterface, uint64(r.OutputInterface))
	at |= places(i-begin+2) << placeNextHop
	if four {
		i = putIPv4(w, i, fieldNextHop, r.NextHop.As4())
	} else {
		i = putAddress(w, i, fieldNextHop, &r.NextHop)
	}
	at |= places(i-begin+2) << placeDestination
	if four {
		i = putIPv4(w, i, fieldDestinationAddress, r.DestinationAddress.As4())
	} else {
		i = putAddress(w, i, fieldDestinationAddress, &r.DestinationAddress)
	}
	i = putByte2(w, i, fieldDestinationPrefixLength, r.DestinationPrefixLength)
	i = putUint2(w, i, fieldDestinationAS, uint64(r.DestinationAS))
	at |= places(i-begin) << placeTail
	if four && timed {
		return i, at | 1<<placeFamily
	}
	return i, at.checked(r)
}

// places are where some fields are among those that putFields writes, 8 bits for each:
// the values of the times, what is in headers, the addresses, and what follows the
// fields. Then come where the record's key begins, and whether the addresses are
// of IPv4 (1) or IPv6 (2); 4 bits each.
type places uint64

const (
	placeStartTime     = 0
	placeEndTime       = 8
	placeHeader        = 16
	placeSourceAddress = 24
	placeNextHop       = 32
	placeDestination   = 40
	placeTail          = 48
	placeKey           = 56
	placeFamily        = 60
)

// checked returns the places of r's fields that are there.
func (p places) checked(r *decoder.Record) places {
	source, destination := &r.SourceAddress, &r.DestinationAddress
	if !source.IsValid() || source.Is4() != destination.Is4() || !destination.IsValid() {
		return 0
	}
	if r.StartTime == 0 || r.EndTime == 0 {
		p &^= 0xff<<placeStartTime | 0xff<<placeEndTime
	}
	if source.Is4() {
		return p | 1<<placeFamily
	}
	return p | 2<<placeFamily
}

// These do not compile when a place could take more than 8 bits, or a key's place 4.
const (
	_ = uint(1<<8 - 1 - maxFieldsSize)
	_ = uint(1<<4 - 1 - maxHeadSize)
)

// put writes 8 bytes, lowest first.
func put(w *window, i uint, v uint64) { binary.LittleEndian.PutUint64(w[i&windowMask:], v) }

// putUint1 writes a varint field with a tag of one byte, a value below 2^49; or
// nothing that counts, when v is zero.
func putUint1(w *window, i uint, field, v uint64) uint {
	n := bits.Len64(v) & 63
	put(w, i, field<<3|(spread(v)|continuation[n])<<8)
	return i + uint(sizes1[n])
}

// putUint2 does it with a tag of two bytes, for a value of up to 32 bits.
func putUint2(w *window, i uint, field, v uint64) uint {
	n := bits.Len64(v) & 63
	put(w, i, field<<3&0x7f|0x80|field>>4<<8|(spread(v)|continuation[n])<<16)
	return i + uint(sizes2[n])
}

// putByte1 is putUint1 for a value of 8 bits, whose highest is the continuation
// bit of the varint's first byte and all of the second.
func putByte1(w *window, i uint, field uint64, v uint8) uint {
	x := uint64(v) | uint64(v)>>7<<8
	put(w, i, field<<3|x<<8)
	return i + uint(sizes1[bits.Len8(v)])
}

// putByte2 does it with a tag of two bytes.
func putByte2(w *window, i uint, field uint64, v uint8) uint {
	x := uint64(v) | uint64(v)>>7<<8
	put(w, i, field<<3&0x7f|0x80|field>>4<<8|x<<16)
	return i + uint(sizes2[bits.Len8(v)])
}

// putTime writes a fixed64 field with a tag of one byte; or nothing that counts,
// when v is zero.
func putTime(w *window, i uint, field, v uint64, timed bool) uint {
	w[i&windowMask] = byte(field<<3 | wireFixed64)
	put(w, i+1, v)
	if timed || v != 0 {
		return i + 9
	}
	return i
}

// putIPv4 writes an IPv4 address with a tag of one byte.
func putIPv4(w *window, i uint, field uint64, a [4]byte) uint {
	put(w, i, field<<3|wireBytes|4<<8|uint64(binary.LittleEndian.Uint32(a[:]))<<16)
	return i + 6
}

// putAddress writes an address of either family, if there is one.
func putAddress(w *window, i uint, field uint64, a *netip.Addr) uint {
	switch {
	case a.Is6(): // the most frequent: records of IPv4 alone do without
		put(w, i, field<<3|wireBytes|16<<8)
		at := (i + 2) & windowMask
		_, _ = a.AppendBinary(w[at:at]) // As16 would copy it once more, and wait for it
		return i + 18
	case a.Is4():
		return putIPv4(w, i, field, a.As4())
	default:
		return i
	}
}

// putVarint writes v, which is below 2^56.
func putVarint(w *window, i uint, v uint64) uint {
	n := bits.Len64(v|1) & 63
	put(w, i, spread(v)|continuation[n])
	return i + uint(sizes1[n]) - 1
}

// putLength writes a length from 64 to 8191 as a signed varint of two bytes.
func putLength(b []byte, length int) {
	binary.LittleEndian.PutUint16(b, uint16(length)<<1&0x7f|0x80|uint16(length)>>6<<8)
}

// putDelimiter writes a length from 128 to 16383 as an unsigned varint of two bytes.
func putDelimiter(b []byte, length int) {
	binary.LittleEndian.PutUint16(b, uint16(length)&0x7f|0x80|uint16(length)>>7<<8)
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
