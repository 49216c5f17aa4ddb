package batch

import (
	"encoding/binary"
)

// MaxBytes bounds the size of a batch's records before compression.
const MaxBytes = 1 << 20

// Batch is a run of flow records of one partition in the form in which Kafka
// stores it. It is open for more records until Shut, and can be sent once a
// Sealer has sealed it and Stamp has stamped it. Its memory is its owner's.
type Batch struct {
	// buf is the record batch as Kafka wants it: room for its header, then the
	// records. Once sealed the header is complete, and the records are
	// compressed if that made them smaller.
	buf     []byte
	records int
	raw     int // size before compression, once it takes no more records
	// lz4, when not nil, is the compressed form in which buf has the records from
	// the first one on, until the batch is sealed.
	lz4 *lz4Block
	// marked: marks are at the end of buf's capacity, until the batch is sealed.
	marked bool
	// suffix is how many bytes all records end with that are the same in each.
	suffix int
	// base and latest are Kafka timestamps: that of the first record, to which
	// the others' deltas refer, and the highest.
	base, latest int64
	sealed       bool
}

// Room is the capacity that the buffer of a new batch must have for n bytes of
// records, as MaxSize counts them.
func Room(c Compression, n int) int {
	if c == CompressionLZ4Fast {
		return lz4Room(HeaderSize + n + windowSize)
	}
	return HeaderSize + n + windowSize
}

// Open returns an empty batch in buf.
func Open(buf []byte, c Compression) Batch {
	b := Batch{buf: buf[:HeaderSize], marked: c == CompressionZstdFast}
	if c == CompressionLZ4Fast {
		b.lz4 = new(lz4Block)
		b.buf = b.lz4.begin(b.buf)
	}
	return b
}

// Records is their number.
func (b *Batch) Records() int { return b.records }

// Size is the size of the batch before compression, its header included.
func (b *Batch) Size() int {
	switch {
	case b.raw > 0:
		return b.raw
	case b.lz4 != nil:
		return HeaderSize + b.lz4.raw
	default:
		return len(b.buf)
	}
}

// Bytes is the batch as far as it is complete. It is what to send once the batch
// is sealed and stamped.
func (b *Batch) Bytes() []byte { return b.buf }

// Sealed reports whether a Sealer has sealed the batch.
func (b *Batch) Sealed() bool { return b.sealed }

// Taken is how much of its buffer's capacity the batch takes, marks included.
func (b *Batch) Taken() int { return len(b.buf) + b.marks() }

// Room is the capacity that the buffer must have for n bytes of records more.
func (b *Batch) Room(n int) int {
	if b.lz4 != nil {
		return lz4Room(len(b.buf) + n + windowSize)
	}
	return b.Taken() + n + windowSize
}

// Has reports whether it has that capacity.
func (b *Batch) Has(room int) bool { return cap(b.buf) >= room }

// Move takes the batch to another buffer, which is large enough, and returns the
// old one.
func (b *Batch) Move(buf []byte) (old []byte) {
	old = b.buf
	b.buf = buf[:len(old)]
	copy(b.buf, old)
	marks := b.marks()
	copy(buf[cap(buf)-marks:cap(buf)], old[cap(old)-marks:cap(old)])
	return old
}

// Take ends the batch and returns its buffer.
func (b *Batch) Take() []byte {
	buf := b.buf
	b.buf = nil
	return buf
}

// Append appends records from..to-1 of the packet in e. There must be room for
// e.MaxSize of them.
func (b *Batch) Append(e *Encoder, from, to int) {
	delta := b.admit(e.timestamp)
	b.suffix = len(e.Framing.Headers)
	buf := b.buf
	if b.lz4 != nil {
		buf = b.lz4.appendPacket(buf, e, from, to, delta, b.records)
	} else {
		for i := from; i < to; i++ {
			start := len(buf)
			var at places
			if buf, at = e.putRecord(buf, i, delta, b.records+i-from); b.marked {
				putMark(buf, b.records+i-from, start, i == 0, e, at)
			}
		}
	}
	b.buf = buf
	b.records += to - from
}

// scratchSize is enough for nearly every value in protobuf, with an extension.
const scratchSize = 768

// AppendStaged appends the records of s. There must be room for s.MaxSize.
func (b *Batch) AppendStaged(s Staged, f Framing) {
	delta := b.admit(s.Timestamp)
	b.suffix = len(f.Headers)
	var scratch [scratchSize]byte
	var last []byte
	for messages := s.Messages; len(messages) > 0; {
		end := 4 + binary.BigEndian.Uint32(messages)
		message := messages[4:end]
		value := f.frame(scratch[:0], message)
		start := len(b.buf)
		if b.lz4 != nil {
			lead := len(value) - len(message)
			b.buf = b.lz4.appendFramed(b.buf, s.Key, value, f.headers(), lead, commonPrefix(message, last), delta, b.records)
		} else {
			b.buf = appendFramed(b.buf, s.Key, value, f.headers(), delta, b.records)
		}
		if b.marked {
			putMark(b.buf, b.records, start, false, nil, 0)
		}
		b.records++
		messages, last = messages[end:], message
	}
}

// admit notes the timestamp of the next records and returns its delta.
func (b *Batch) admit(timestamp int64) int64 {
	if b.records == 0 {
		b.base, b.latest = timestamp, timestamp
	}
	b.latest = max(b.latest, timestamp)
	return timestamp - b.base
}

// Shut closes the batch to more records. It has the same size from now on,
// whatever a Sealer makes of it.
func (b *Batch) Shut() { b.raw = b.Size() }

// header is what b's header must say.
func (b *Batch) header(c Compression) batchHeader {
	return batchHeader{
		baseTimestamp: b.base,
		maxTimestamp:  b.latest,
		records:       b.records,
		compression:   c,
	}
}

// Stamp completes a sealed batch with the identity by which brokers know it
// again, or changes that. All of it is -1 if they need not.
func (b *Batch) Stamp(producerID int64, epoch int16, sequence int32) {
	stampBatch(b.buf, producerID, epoch, sequence)
}
