package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/flowpub/flowpub/publisher/zstdframe"
)

const (
	// zstdWindow is how far back zstd looks for repetitions. More finds hardly
	// more in flow records, and costs the encoder memory.
	zstdWindow = 256 << 10

	// lz4BlockSize is the size of LZ4 blocks before compression, that of Kafka's
	// own client. lz4Header says so, and readers allocate it.
	lz4BlockSize = 64 << 10
	// lz4Stored marks the length of a block that is not compressed.
	lz4Stored = 1 << 31

	// snappyBlockSize is the size of snappy blocks before compression. Snappy
	// does not look back further than 64 KiB.
	snappyBlockSize = 64 << 10

	// maxDecompressedSize bounds what decompress returns. No batch comes near.
	maxDecompressedSize = 16 * MaxBytes
)

// lz4Header begins an LZ4 frame (format version 1.5.1): magic number, flags
// (version 1, independent blocks, which is all that Java clients read, no
// checksums: the batch has its own), maximum block size of 64 KiB, and the
// checksum of these two bytes.
const lz4Header = "\x04\x22\x4d\x18\x60\x40\x82"

// snappyHeader begins a stream of snappy-java: magic, version 1, compatible
// with version 1. Then each block comes after its compressed length, big-endian.
// It is what Kafka's own client writes and so what every reader knows; bare
// snappy is told from it by guessing.
const snappyHeader = "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"

// compressor compresses the bodies of record batches, one at a time. It keeps
// the codec's state, so that nothing is allocated from the second batch on:
// 0.8 MB for gzip, 140 KB for LZ4, 1.1 MB for zstd; snappy's comes from a pool.
type compressor struct {
	codec Compression
	gzip  *gzip.Writer
	lz4   *lz4.Compressor
	zstd  *zstd.Encoder
	out   appender
}

// appender is a writer to the end of a slice.
type appender []byte

func (a *appender) Write(b []byte) (int, error) {
	*a = append(*a, b...)
	return len(b), nil
}

// newCompressor returns a compressor for c. All codecs are set to their fastest
// level.
func newCompressor(c Compression) *compressor {
	z := &compressor{codec: c}
	var err error
	switch c {
	case CompressionGzip:
		z.gzip, err = gzip.NewWriterLevel(nil, gzip.BestSpeed)
	case CompressionLZ4:
		z.lz4 = new(lz4.Compressor)
	case CompressionZstd:
		z.zstd, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow),
			zstd.WithLowerEncoderMem(true),
			zstd.WithEncoderCRC(false), // the batch has its own
			zstd.WithZeroFrames(true))
	default: // the others have no state
	}
	if err != nil {
		panic("publisher: codec options: " + err.Error()) // they are constants
	}
	return z
}

// compress appends the compressed form of src to dst. With maxCompressedSize
// bytes to spare dst is not allocated anew. They must not overlap.
func (z *compressor) compress(dst, src []byte) ([]byte, error) {
	dst = slices.Grow(dst, maxCompressedSize(z.codec, len(src)))
	switch z.codec {
	case CompressionGzip:
		return z.compressGzip(dst, src)
	case CompressionSnappy:
		return compressSnappy(dst, src), nil
	case CompressionLZ4:
		return z.compressLZ4(dst, src)
	case CompressionZstd:
		return z.zstd.EncodeAll(src, dst), nil
	default:
		return append(dst, src...), nil
	}
}

// maxCompressedSize bounds the size of what c makes of n bytes, and the room
// its encoder wants while it works.
func maxCompressedSize(c Compression, n int) int {
	switch c {
	case CompressionGzip:
		return n + n>>10 + 64 // stored blocks: 5 bytes on at least 8 KiB
	case CompressionSnappy:
		blocks := n/snappyBlockSize + 1
		return len(snappyHeader) + blocks*(4+s2.MaxEncodedLen(snappyBlockSize)-snappyBlockSize) + n
	case CompressionLZ4:
		return len(lz4Header) + (n/lz4BlockSize+1)*4 + n + 4
	case CompressionZstd:
		return max(n+n>>10+64, zstdframe.MaxSize(n)) // raw blocks: 3 bytes on 128 KiB, frame header
	default:
		return n
	}
}

func (z *compressor) compressGzip(dst, src []byte) ([]byte, error) {
	z.out = dst
	z.gzip.Reset(&z.out)
	_, err := z.gzip.Write(src)
	if err == nil {
		err = z.gzip.Close()
	}
	dst, z.out = z.out, nil
	if err != nil {
		return dst, fmt.Errorf("publisher: gzip: %w", err)
	}
	return dst, nil
}

func compressSnappy(dst, src []byte) []byte {
	dst = append(dst, snappyHeader...)
	for block := range slices.Chunk(src, snappyBlockSize) {
		start := len(dst) + 4
		n := len(s2.EncodeSnappy(dst[start:start:cap(dst)], block))
		dst = dst[:start+n]
		binary.BigEndian.PutUint32(dst[start-4:], uint32(n))
	}
	return dst
}

func (z *compressor) compressLZ4(dst, src []byte) ([]byte, error) {
	dst = append(dst, lz4Header...)
	for block := range slices.Chunk(src, lz4BlockSize) {
		start := len(dst) + 4
		dst = dst[:start+len(block)]
		n, err := z.lz4.CompressBlock(block, dst[start:])
		if err != nil && !errors.Is(err, lz4.ErrInvalidSourceShortBuffer) {
			return dst, fmt.Errorf("publisher: LZ4: %w", err)
		}
		length := uint32(n)
		if err != nil || n == 0 { // it would not be smaller
			n = copy(dst[start:], block)
			length = uint32(n) | lz4Stored
		}
		dst = dst[:start+n]
		binary.LittleEndian.PutUint32(dst[start-4:], length)
	}
	return append(dst, 0, 0, 0, 0), nil // no more blocks
}

// decompress appends what compress made src from to dst. It sets up the codec
// anew and is for the rare batch that must be split. More than
// maxDecompressedSize bytes are an error.
func decompress(c Compression, dst, src []byte) (out []byte, err error) {
	switch c {
	case CompressionGzip:
		out, err = decompressGzip(dst, src)
	case CompressionSnappy:
		out, err = decompressSnappy(dst, src)
	case CompressionLZ4:
		out, err = appendAll(dst, lz4.NewReader(bytes.NewReader(src)))
	case CompressionZstd:
		out, err = decompressZstd(dst, src)
	default:
		return append(dst, src...), nil
	}
	if err != nil {
		return dst, fmt.Errorf("publisher: decompressing %d bytes of %v: %w", len(src), c, err)
	}
	return out, nil
}

// errDecompressedSize is what data expanding beyond maxDecompressedSize yields.
var errDecompressedSize = fmt.Errorf("more than %d bytes come out", maxDecompressedSize)

// appendAll reads r to its end.
func appendAll(dst []byte, r io.Reader) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	n, err := b.ReadFrom(io.LimitReader(r, maxDecompressedSize+1))
	if err == nil && n > maxDecompressedSize {
		err = errDecompressedSize
	}
	return b.Bytes(), err
}

func decompressGzip(dst, src []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(src))
	if err != nil {
		return dst, err
	}
	return appendAll(dst, r)
}

func decompressZstd(dst, src []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDecompressedSize))
	if err != nil {
		return dst, err
	}
	defer r.Close()
	return r.DecodeAll(src, dst)
}

func decompressSnappy(dst, src []byte) ([]byte, error) {
	src, ok := bytes.CutPrefix(src, []byte(snappyHeader))
	if !ok {
		return dst, errors.New("no header of snappy-java")
	}
	before := len(dst)
	for len(src) > 0 {
		if len(src) < 4 || uint64(binary.BigEndian.Uint32(src)) > uint64(len(src)-4) {
			return dst, io.ErrUnexpectedEOF
		}
		end := 4 + int(binary.BigEndian.Uint32(src))
		n, err := s2.DecodedLen(src[4:end])
		if err != nil {
			return dst, err
		}
		if len(dst)-before+n > maxDecompressedSize {
			return dst, errDecompressedSize
		}
		start := len(dst)
		dst = slices.Grow(dst, n)[:start+n]
		if _, err := s2.Decode(dst[start:], src[4:end]); err != nil {
			return dst, err
		}
		src = src[end:]
	}
	return dst, nil
}
