package batch

import (
	"encoding/binary"

	"github.com/pierrec/lz4/v4"
)

// LZ4 written by the encoder. A codec searches a batch for what repeats. The
// encoder knows: the key and the constants of a packet, which stand in each of
// its records. It writes them once, and in all further records of the packet
// two references to them. So the compressed form costs no more than the plain
// one, which is longer.
//
// A block of LZ4 (lz4_Block_format.md of the reference implementation) is a run
// of sequences:
//
//	1 byte   token: upper half, number of literals; lower half, length of the
//	         match - 4
//	n bytes  if the upper half is 15: what to add to it, as bytes to be summed
//	         up, of which the first below 255 is the last
//	         literals
//	2 bytes  distance: how far back the match begins, little-endian
//	n bytes  if the lower half is 15: what to add to it, in the same way
//
// The last sequence ends with its literals. They are at least 5, and the last
// match begins at least 12 bytes before the end of the block.
//
// The first record of a packet is literals. Each further one is two sequences,
// the first of which began with the fields of the record before:
//
//	literals  [fields, header count,] length, attributes, timestamp and offset
//	          delta
//	match     key length, key
//	literals  value length, lead
//	match     constants
//
// Then its own fields begin the next. Both matches have the same distance, that
// to the record before: key and constants are equally far apart in both.
//
// The block is the only one of its frame (lz4_Frame_format.md, version 1.5.1):
//
//	7 bytes  lz4Header, or one for a larger block
//	4 bytes  size of the block, little-endian
//	         block
//	4 bytes  0: no more blocks
const (
	lz4BlockStart = len(lz4Header) + 4
	lz4EndMark    = "\x00\x00\x00\x00"

	lz4MaxHalf     = 15 // of a token
	lz4MinMatch    = 4
	lz4MinLast     = 12 // from the beginning of the last match to the end
	lz4MaxDistance = 1<<16 - 1

	// lz4HeadSize is the size of a token and a length in one byte. That is what
	// runs of 15 to 269 literals need, which are nearly all; it is left before
	// every run.
	lz4HeadSize = 2
	// lz4LeastMatch is the length from which on a match is shorter than what it
	// stands for: it takes its distance, a length, and the head of the next run.
	lz4LeastMatch = 8

	lz4JointSize = 16 // but for the room for a head
)

// These do not compile when a record could outgrow the window, or what is between
// a record's literals the joint: a distance and a length, a token, the length of
// the value and its lead, a distance and a length.
const (
	_ = uint(windowMask - maxHeadSize - lz4JointSize - lz4HeadSize - maxFieldsSize - 1)
	_ = uint(lz4JointSize - (2 + 1) - 1 - (2 + maxLeadSize) - (2 + 1))
)

// lz4Headers begin frames with blocks of at most so many bytes, before and after
// compression. They are lz4Header but for the size and the checksum.
var lz4Headers = [...]struct {
	size   int
	header string
}{
	{64 << 10, lz4Header},
	{256 << 10, "\x04\x22\x4d\x18\x60\x50\xfb"},
	{1 << 20, "\x04\x22\x4d\x18\x60\x60\x51"},
	{4 << 20, "\x04\x22\x4d\x18\x60\x70\x73"},
}

// lz4Block is the compressed form of a batch that is being filled. The bytes are
// the batch's.
type lz4Block struct {
	// raw is the size of the records before compression, message where the last
	// one's message begins in that.
	raw, message int
	// run is where the open run of literals begins, with room for its head.
	run int
	// gap is what lies between the last record's key and its message: the length
	// of its value, and its lead.
	gap int
	// headers are the last record's. They count in raw, but are not written yet: as what
	// they are, or as a match with those that were, which begin at written in raw. A
	// match may not be the end of a block.
	headers string
	written int
}

// lz4Room is the capacity that a batch may need for n bytes, some of them written
// already, the others records before compression. Only the lengths of runs can
// make those longer.
func lz4Room(n int) int {
	return n + lz4BlockStart + lz4HeadSize + n/255 + 1 + len(lz4EndMark)
}

// begin starts a frame at the end of b, which is a batch without records.
func (z *lz4Block) begin(b []byte) []byte {
	z.run = len(b) + lz4BlockStart
	return b[:z.run+lz4HeadSize]
}

// appendPacket appends the records from..to-1 of the packet in e, the first of
// which is at offsetDelta in the batch. There must be room for e.MaxSize of them.
func (z *lz4Block) appendPacket(b []byte, e *Encoder, from, to int, timestampDelta int64, offsetDelta int) []byte {
	if from == to {
		return b
	}
	b = z.appendUncommon(b, e, from, 0, timestampDelta, offsetDelta)
	var j lz4Joint
	j.reset(e)
	for i := from + 1; i < to; i++ {
		b = z.appendRecord(b, e, &j, i, timestampDelta, offsetDelta+i-from)
	}
	return b
}

// lz4Joint is what stands between the literals of a packet's records: the end of
// one sequence, another, and room for the head of a third.
type lz4Joint struct {
	// bytes[:size] are distance and length of the key's match, a token, the gap
	// (from gap on) between the key and what follows it, distance and length of
	// the constants' match (from match on), and room for a head. The distances and
	// the lengths in the gap are each record's own.
	bytes            [lz4JointSize]byte
	gap, match, size uint8
	// token is that of the sequence with the key's match.
	token byte
	// usable: the records may be written with this.
	usable bool
}

// reset prepares j for the packet in e.
func (j *lz4Joint) reset(e *Encoder) {
	key, constants := 1+len(e.Key()), e.constants()
	j.usable = e.Framing.Value != ValueJSON && e.Framing.Headers == "" && !e.extended && key >= lz4MinMatch && constants >= lz4MinMatch
	if !j.usable {
		return
	}
	j.token = lz4Token(lz4MaxHalf, key)
	b := appendLZ4Length(append(j.bytes[:0], 0, 0), key-lz4MinMatch)
	gap := e.template[e.valueStart-2 : e.messageStart]
	b = append(b, lz4Token(len(gap), constants))
	j.gap = uint8(len(b))
	b = append(b, gap...)
	j.match = uint8(len(b))
	b = appendLZ4Length(append(b, 0, 0), constants-lz4MinMatch)
	j.size = uint8(len(b)) + lz4HeadSize
}

// appendRecord appends the packet's record at index, which follows another of the
// packet; what is common without a branch, as Encoder.putRecord does it.
func (z *lz4Block) appendRecord(b []byte, e *Encoder, j *lz4Joint, index int, timestampDelta int64, offsetDelta int) []byte {
	r := &e.packet.Records[index]
	timestamp := zigzag(timestampDelta)
	if !j.usable || z.gap != int(j.match-j.gap) || timestamp>>35|uint64(offsetDelta)>>20 != 0 || !common(r) {
		return z.appendUncommon(b, e, index, e.constants(), timestampDelta, offsetDelta)
	}
	n := len(b)
	w := (*window)(b[n : n+windowSize])
	i := uint(3)
	w[2] = 0
	i = putVarint(w, i, timestamp)
	i = putVarint(w, i, zigzag(int64(offsetDelta)))
	more := n + int(i) - z.run - lz4HeadSize - lz4MaxHalf // literals than the token holds
	if uint(more) > 254 {
		return z.appendUncommon(b, e, index, e.constants(), timestampDelta, offsetDelta)
	}
	b[z.run] = j.token
	b[z.run+1] = byte(more)

	message := z.raw + int(i) + int(e.messageStart)
	i &= windowMask >> 1
	*(*[lz4JointSize]byte)(w[i:]) = j.bytes
	binary.LittleEndian.PutUint16(w[i:], uint16(message-z.message))
	binary.LittleEndian.PutUint16(w[i+uint(j.match):], uint16(message-z.message))
	fields := i + uint(j.size)
	end, _ := putFields(w, fields, r, e.place(index), e.packet.Anomalies)
	w[end&windowMask] = 0
	length := int(e.size) + int(end-fields) // of template and fields
	if end-fields < lz4MinLast || !e.twoBytes(int(i)+length, length-int(e.valueStart)) {
		return z.appendUncommon(b, e, index, e.constants(), timestampDelta, offsetDelta)
	}
	gap := w[i+uint(j.gap):]
	if e.delimited {
		putDelimiter(gap[2:], length-int(e.messageStart))
	}
	putLength(gap, length-int(e.valueStart))
	putLength(w[:], int(i)+length-1)

	z.raw += int(i) + length + 1
	z.message = message
	z.run = n + int(fields) - lz4HeadSize
	return b[:n+int(end)+1]
}

// appendUncommon appends any record of a packet. Its message begins with as many
// bytes of the last record's as repeated says.
func (z *lz4Block) appendUncommon(b []byte, e *Encoder, index, repeated int, timestampDelta int64, offsetDelta int) []byte {
	if e.Framing.Value == ValueJSON {
		var value [maxJSONSize + maxJSONAnnotation + scratchSize]byte
		return z.appendFramed(b, e.Key(), e.appendValue(value[:0], index), e.Framing.headers(), 0, repeated, timestampDelta, offsetDelta)
	}
	var scratch [scratchSize]byte
	value := e.appendValue(scratch[:0], index)
	return z.appendFramed(b, e.Key(), value, e.Framing.headers(), e.Framing.lead(value), repeated, timestampDelta, offsetDelta)
}

// appendFramed appends the Kafka record of a key and a value, in which a message
// follows a lead, and headers, which are the same in all records. The message's first
// bytes, as many as repeated says, are those of the last record's message.
func (z *lz4Block) appendFramed(b []byte, key, value []byte, headers string, lead, repeated int, timestampDelta int64, offsetDelta int) []byte {
	b = z.appendHeaders(b)
	n := len(b)
	tail := varintSize(int64(len(key))) + len(key) + varintSize(int64(len(value))) + len(value) + len(headers)
	b = appendRecordHead(b, tail, timestampDelta, offsetDelta)
	b = append(binary.AppendVarint(b, int64(len(key))), key...)
	b = binary.AppendVarint(b, int64(len(value)))
	b = append(b, value[:lead]...)
	message := value[lead:]
	z.gap = varintSize(int64(len(value))) + lead
	position := z.raw + len(b) - n
	distance := position - z.message
	z.raw, z.message = position+len(message)+len(headers), position
	if repeated >= lz4LeastMatch && len(message)-repeated >= lz4MinLast && distance <= lz4MaxDistance {
		b = z.appendMatch(b, distance, repeated)
		message = message[repeated:]
	}
	if len(headers) < lz4LeastMatch {
		return append(append(b, message...), headers...)
	}
	z.headers = headers
	return append(b, message...)
}

// appendHeaders appends the last record's headers, before another record.
func (z *lz4Block) appendHeaders(b []byte) []byte {
	if z.headers == "" {
		return b
	}
	position, n := z.raw-len(z.headers), len(z.headers)
	distance := position - z.written
	if z.written > 0 && distance <= lz4MaxDistance {
		b = z.appendMatch(b, distance, n)
	} else {
		b = append(b, z.headers...)
	}
	z.written, z.headers = position, ""
	return b
}

// appendMatch ends the open run of literals with a match and opens another.
func (z *lz4Block) appendMatch(b []byte, distance, length int) []byte {
	b = z.endRun(b, length)
	b = binary.LittleEndian.AppendUint16(b, uint16(distance))
	b = appendLZ4Length(b, length-lz4MinMatch)
	z.run = len(b)
	return b[:len(b)+lz4HeadSize]
}

// endRun writes the head of the open run, at the end of b, before a match of a
// length. A run whose head is not of the usual size is moved.
func (z *lz4Block) endRun(b []byte, match int) []byte {
	literals := b[z.run+lz4HeadSize:]
	n := len(literals)
	size := 1
	if n >= lz4MaxHalf {
		size += 1 + (n-lz4MaxHalf)/255
	}
	if size != lz4HeadSize {
		b = b[:z.run+size+n]
		copy(b[z.run+size:], literals)
	}
	b[z.run] = lz4Token(n, match)
	appendLZ4Length(b[:z.run+1], n)
	return b
}

// finish completes the frame of a batch, which begins at start. The block must
// not be used any more.
func (z *lz4Block) finish(b []byte, start int) []byte {
	b = append(b, z.headers...)
	b = z.endRun(b, lz4MinMatch)
	size := len(b) - start - lz4BlockStart
	for _, h := range lz4Headers {
		if max(size, z.raw) <= h.size {
			copy(b[start:], h.header)
			break
		}
	}
	binary.LittleEndian.PutUint32(b[start+len(lz4Header):], uint32(size))
	return append(b, lz4EndMark...)
}

// lz4Token is the token of literals and a match; lz4MinMatch stands for none.
func lz4Token(literals, match int) byte {
	return byte(min(literals, lz4MaxHalf)<<4 | min(match-lz4MinMatch, lz4MaxHalf))
}

// appendLZ4Length appends what of a length is not in the token.
func appendLZ4Length(b []byte, n int) []byte {
	if n < lz4MaxHalf {
		return b
	}
	for n -= lz4MaxHalf; n >= 255; n -= 255 {
		b = append(b, 255)
	}
	return append(b, byte(n))
}

// commonPrefix is the number of bytes with which both a and b begin.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// lz4Raw puts the records of a finished frame into dst, which has their size.
func lz4Raw(dst, frame []byte) error {
	_, err := lz4.UncompressBlock(frame[lz4BlockStart:len(frame)-len(lz4EndMark)], dst)
	return err
}
