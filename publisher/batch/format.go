package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A record batch of format version 2, as Kafka stores and sends it (Apache
// Kafka documentation, section 5.3 "Message Format"; KIP-98). All numbers are
// big-endian.
//
//	offset  bytes  field                   here
//	     0      8  base offset             0; the broker assigns it
//	     8      4  batch length            of what follows this field
//	    12      4  partition leader epoch  -1; the broker sets it
//	    16      1  magic                   2
//	    17      4  CRC-32C                 of what follows this field
//	    21      2  attributes              bits 0-2: codec; the rest is 0: create
//	                                       time, no transaction, no control batch
//	    23      4  last offset delta       records - 1
//	    27      8  base timestamp          ms; what timestamp deltas add to
//	    35      8  maximum timestamp       ms
//	    43      8  producer id             -1: not idempotent
//	    51      2  producer epoch          -1: the same
//	    53      4  base sequence           of the first record; -1: the same
//	    57      4  record count
//	    61         records, compressed as one run of bytes if a codec is set
//
// The checksum does not cover the first 21 bytes, so that a broker can assign
// offsets without computing it again.
//
// A record, in the uncompressed form ("varint" is protobuf's sint64):
//
//	varint  length of what follows this field
//	1 byte  attributes, 0
//	varint  timestamp delta, ms
//	varint  offset delta
//	varint  key length, key
//	varint  value length, value
//	varint  header count: 0, or 1 and
//	varint  key length, key
//	varint  value length, value

// HeaderSize is the size of what precedes the records of a batch.
const HeaderSize = 61

const (
	batchLengthOffset = 8
	batchCRCOffset    = 17
	batchAttributes   = 21
	batchIdentity     = 43
	batchMagic        = 2
)

// errRecord is what a run of records that ends or contradicts itself yields.
var errRecord = errors.New("publisher: malformed record")

// castagnoli is the polynomial of CRC-32C, which processors have in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batchHeader is what a record batch says of itself beyond its length, identity
// and checksum.
type batchHeader struct {
	// baseTimestamp and maxTimestamp are Unix milliseconds.
	baseTimestamp, maxTimestamp int64
	// records is their number, above zero.
	records     int
	compression Compression
}

// putBatchHeader writes the header of the batch b, whose records follow
// HeaderSize bytes left for it. Identity and checksum are stampBatch's, so
// that the checksum is computed once.
func putBatchHeader(b []byte, h batchHeader) {
	w := b[:HeaderSize:HeaderSize]
	binary.BigEndian.PutUint64(w[0:], 0)
	binary.BigEndian.PutUint32(w[batchLengthOffset:], uint32(len(b)-batchLengthOffset-4))
	binary.BigEndian.PutUint32(w[12:], 0xffffffff)
	w[16] = batchMagic
	binary.BigEndian.PutUint16(w[batchAttributes:], uint16(h.compression))
	binary.BigEndian.PutUint32(w[23:], uint32(h.records-1))
	binary.BigEndian.PutUint64(w[27:], uint64(h.baseTimestamp))
	binary.BigEndian.PutUint64(w[35:], uint64(h.maxTimestamp))
	binary.BigEndian.PutUint32(w[57:], uint32(h.records))
}

// stampBatch completes a batch with a header: it gives it, or changes, the
// identity by which a broker knows that it has seen the batch before, and the
// checksum. All of the identity is -1 if the broker shall not.
func stampBatch(b []byte, producerID int64, epoch int16, sequence int32) {
	binary.BigEndian.PutUint64(b[batchIdentity:], uint64(producerID))
	binary.BigEndian.PutUint16(b[batchIdentity+8:], uint16(epoch))
	binary.BigEndian.PutUint32(b[batchIdentity+10:], uint32(sequence))
	binary.BigEndian.PutUint32(b[batchCRCOffset:], crc32.Checksum(b[batchAttributes:], castagnoli))
}

// nextRecord splits the first record, its length included, from a run of
// uncompressed records.
func nextRecord(body []byte) (record, rest []byte, err error) {
	length, n := binary.Varint(body)
	if n <= 0 || length < 0 || length > int64(len(body)-n) {
		return nil, nil, fmt.Errorf("%w: %d bytes are left", errRecord, len(body))
	}
	end := n + int(length)
	return body[:end:end], body[end:], nil
}

// splitRecord returns the timestamp delta of a record, in milliseconds, and what
// follows its offset delta: key, value and headers.
func splitRecord(record []byte) (timestampDelta int64, tail []byte, err error) {
	_, length := binary.Varint(record)
	if length <= 0 || length >= len(record) {
		return 0, nil, errRecord
	}
	tail = record[length+1:] // 1: the attributes
	timestampDelta, n := binary.Varint(tail)
	_, m := binary.Varint(tail[max(n, 0):])
	if n <= 0 || m <= 0 {
		return 0, nil, errRecord
	}
	return timestampDelta, tail[n+m:], nil
}

// appendRenumbered appends the records from..to-1 of an uncompressed body to
// dst, for a batch of their own: their offset deltas count from 0 again, their
// timestamp deltas stay. The result is never longer than what it was made of.
func appendRenumbered(dst, body []byte, from, to int) ([]byte, error) {
	var record []byte
	var err error
	for i := range to {
		if record, body, err = nextRecord(body); err != nil {
			return dst, fmt.Errorf("record %d of %d: %w", i, to, err)
		}
		if i < from {
			continue
		}
		timestampDelta, tail, err := splitRecord(record)
		if err != nil {
			return dst, fmt.Errorf("record %d of %d: %w", i, to, err)
		}
		dst = appendRecordHead(dst, len(tail), timestampDelta, i-from)
		dst = append(dst, tail...)
	}
	return dst, nil
}

// appendRecordHead appends a record up to its deltas, for a tail of n bytes.
func appendRecordHead(dst []byte, n int, timestampDelta int64, offsetDelta int) []byte {
	length := 1 + varintSize(timestampDelta) + varintSize(int64(offsetDelta)) + n
	dst = binary.AppendVarint(dst, int64(length))
	dst = append(dst, 0)
	dst = binary.AppendVarint(dst, timestampDelta)
	return binary.AppendVarint(dst, int64(offsetDelta))
}
