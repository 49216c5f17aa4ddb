package templates

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Limits of what is read of a record batch, in bytes, whatever its codec.
const (
	maxUnpacked = 16 << 20 // all records
	maxRecord   = 64 << 10 // one record
	maxWindow   = 8 << 20  // the window of zstd
)

// maxRecords is how many records of a batch are read: a few kilobytes can unpack to millions.
const maxRecords = 1 << 16

// Offsets in a record batch, from Kafka's documentation of its message format.
const (
	batchFrame      = 8 + 4 // the first offset, and the length of what follows
	batchEpoch      = 12
	batchMagic      = 16
	batchCRC        = 17
	batchAttributes = 21
	batchLastDelta  = 23
	batchRecords    = 61

	attributesCodec   = 7
	attributesControl = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// readBatches calls take with each record of the whole batches in b, from an offset on, until it
// returns false. A nil value is a record without one. It returns the offset behind the last whole batch, or from, and how many
// batches could not be read.
func readBatches(b []byte, from int64, take func(key, value []byte) bool) (next int64, unread int) {
	next = from
	for len(b) >= batchFrame {
		first := int64(binary.BigEndian.Uint64(b))
		length := int64(binary.BigEndian.Uint32(b[8:]))
		if batchFrame+length > int64(len(b)) {
			break
		}
		batch := b[:batchFrame+length]
		b = b[batchFrame+length:]
		last, err := readBatch(batch, first, from, take)
		if errors.Is(err, errStopped) {
			return next, unread
		}
		if err != nil {
			unread++
		}
		if last >= next {
			next = last + 1
		}
	}
	return next, unread
}

// epochOf returns the epoch of the leader that took a batch.
func epochOf(batch []byte) int32 { return int32(binary.BigEndian.Uint32(batch[batchEpoch:])) }

// Why a batch is not read to its end.
var (
	errBatch   = errors.New("it is not a readable record batch")
	errStopped = errors.New("no more of it is wanted")
)

// readBatch reads a batch that begins at an offset, and returns its last offset.
func readBatch(batch []byte, first, from int64, take func(key, value []byte) bool) (last int64, err error) {
	if len(batch) < batchRecords || batch[batchMagic] != 2 {
		return first, errBatch
	}
	last = first + int64(int32(binary.BigEndian.Uint32(batch[batchLastDelta:])))
	if last < first {
		return first, errBatch
	}
	if crc32.Checksum(batch[batchAttributes:], castagnoli) != binary.BigEndian.Uint32(batch[batchCRC:]) {
		return last, errBatch
	}
	attributes := binary.BigEndian.Uint16(batch[batchAttributes:])
	if attributes&attributesControl != 0 {
		return last, nil
	}
	records, done, err := unpack(batch[batchRecords:], attributes&attributesCodec)
	if err != nil {
		return last, err
	}
	defer done()
	return last, readRecords(bufio.NewReader(io.LimitReader(records, maxUnpacked)), first, from, take)
}

// unpack returns the decompressed records. done frees what the codec took.
func unpack(b []byte, codec uint16) (records io.Reader, done func(), err error) {
	nothing := func() {}
	switch codec {
	case 0:
		return bytes.NewReader(b), nothing, nil
	case 1:
		records, err = gzip.NewReader(bytes.NewReader(b))
		return records, nothing, err
	case 2:
		b, err = unpackSnappy(b)
		return bytes.NewReader(b), nothing, err
	case 3:
		return lz4.NewReader(bytes.NewReader(b)), nothing, nil
	case 4:
		d, err := takeDecoder()
		if err != nil {
			return nil, nothing, err
		}
		done = func() {
			_ = d.Reset(nil) // which lets go of b
			idleDecoder.Store(d)
		}
		err = d.Reset(bytes.NewReader(b))
		return d, done, err
	}
	return nil, nothing, errBatch
}

// idleDecoder is one of zstd that nobody uses: it has a window of up to maxWindow, which batches that follow
// each other share.
var idleDecoder atomic.Pointer[zstd.Decoder]

// takeDecoder returns a decoder for idleDecoder to take back. It has no goroutine.
func takeDecoder() (*zstd.Decoder, error) {
	if d := idleDecoder.Swap(nil); d != nil {
		return d, nil
	}
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// xerial begins the snappy of the Java client: blocks, each behind its length.
var xerial = []byte{130, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

// xerialHead is the length of what comes before the first block.
const xerialHead = 16

// unpackSnappy decompresses one block, or several as the Java client writes them.
func unpackSnappy(b []byte) (all []byte, err error) {
	if !bytes.HasPrefix(b, xerial) || len(b) < xerialHead {
		return appendSnappy(nil, b)
	}
	for b = b[xerialHead:]; len(b) > 0 && err == nil; {
		if len(b) < 4 || uint64(binary.BigEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, errBatch
		}
		n := 4 + int(binary.BigEndian.Uint32(b))
		all, err = appendSnappy(all, b[4:n])
		b = b[n:]
	}
	return all, err
}

func appendSnappy(all, block []byte) ([]byte, error) {
	n, err := snappy.DecodedLen(block)
	if err != nil || n > maxUnpacked-len(all) {
		return nil, errBatch
	}
	one, err := snappy.Decode(nil, block)
	return append(all, one...), err
}

// readRecords reads the records of a batch that begins at an offset.
func readRecords(r *bufio.Reader, first, from int64, take func(key, value []byte) bool) error {
	for range maxRecords {
		n, err := binary.ReadVarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || n < 0 {
			return errBatch
		}
		if n > maxRecord {
			if _, err := io.CopyN(io.Discard, r, n); err != nil {
				return errBatch
			}
			if !take(nil, nil) {
				return errStopped
			}
			continue
		}
		record := make([]byte, n)
		if _, err := io.ReadFull(r, record); err != nil {
			return errBatch
		}
		key, value, delta, err := splitRecord(record)
		if err != nil {
			return err
		}
		if first+delta >= from && !take(key, value) {
			return errStopped
		}
	}
	if _, err := r.ReadByte(); errors.Is(err, io.EOF) {
		return nil
	}
	return errBatch
}

// splitRecord parses a record behind its length.
func splitRecord(b []byte) (key, value []byte, delta int64, err error) {
	if len(b) == 0 {
		return nil, nil, 0, errBatch
	}
	b = b[1:] // attributes
	number := func() (v int64) {
		v, n := binary.Varint(b)
		if n <= 0 {
			err = errBatch
			return -1
		}
		b = b[n:]
		return v
	}
	field := func() []byte {
		n := number()
		if n < 0 || err != nil {
			return nil
		}
		if n > int64(len(b)) {
			err = errBatch
			return nil
		}
		f := b[:n:n]
		b = b[n:]
		return f
	}
	number() // time
	delta = number()
	key = field()
	value = field()
	return key, value, delta, err
}
