package batch

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/publisher/zstdframe"
)

// The marks of a batch are at the end of its buffer's capacity, the first record's last,
// so that they are part of the memory that the batch is charged for. Each is two numbers,
// lowest byte first:
//
//	4 bytes  where the record begins
//	1 byte   where in the packet's template the message begins
//	1 byte   the size of the template; 0: nothing is known of the record
//	1 byte   1 for the first record of a packet
//	1 byte   0
//	8 bytes  places
const markSize = 16

// marks is what the marks take.
func (b *Batch) marks() int {
	if !b.marked {
		return 0
	}
	return b.records * markSize
}

// putMark writes the mark of a record that begins at start in buf. at is 0 if nothing is
// known of it.
func putMark(buf []byte, record, start int, first bool, e *Encoder, at places) {
	low := uint64(start)
	if at != 0 {
		low |= uint64(e.messageStart)<<32 | uint64(e.size)<<40
	}
	if first {
		low |= 1 << 48
	}
	mark := markAt(buf, record)
	binary.LittleEndian.PutUint64(mark[:], low)
	binary.LittleEndian.PutUint64(mark[8:], uint64(at))
}

// markAt is the place of a record's mark.
func markAt(buf []byte, record int) *[markSize]byte {
	end := cap(buf) - record*markSize
	return (*[markSize]byte)(buf[end-markSize : end])
}

// appendMarks appends the marks of b's records, for its bytes behind the header, and says
// how many records are known.
func (b *Batch) appendMarks(marks []zstdframe.Mark) (all []zstdframe.Mark, known int) {
	for record := range b.records {
		mark := markAt(b.buf, record)
		low, at := binary.LittleEndian.Uint64(mark[:]), binary.LittleEndian.Uint64(mark[8:])
		m := zstdframe.Mark{Start: uint32(low) - HeaderSize, First: low>>48&1 != 0}
		if size := uint16(low >> 40 & 0xff); size != 0 {
			known++
			m.Key = uint8(at >> placeKey & 0xf)
			m.Message = m.Key + uint8(low>>32)
			m.Fields = uint16(m.Key) + size
			m.AddressSize = [...]uint8{0, 4, 16, 0}[at>>placeFamily&3]
			place := func(by int) uint16 { return m.Fields + uint16(at>>by&0xff) }
			if at>>placeStartTime&0xff != 0 {
				m.StartTime, m.EndTime = place(placeStartTime), place(placeEndTime)
			}
			m.Header, m.SourceAddress = place(placeHeader), place(placeSourceAddress)
			m.NextHop, m.Destination, m.Tail = place(placeNextHop), place(placeDestination), place(placeTail)
		}
		marks = append(marks, m)
	}
	return marks, known
}
