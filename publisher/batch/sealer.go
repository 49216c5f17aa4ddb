package batch

import (
	"fmt"

	"github.com/flowpub/flowpub/publisher/zstdframe"
)

// Memory is where the buffers of a batch come from.
type Memory interface {
	// Exchange returns an empty buffer with room for n bytes in place of buf,
	// which must be at least that large. It never fails: at worst it is buf
	// itself. The caller copies what it needs into the new buffer and then calls
	// Release(buf) if the two differ.
	Exchange(buf []byte, n int) []byte
	// Capacity is that of the buffer which Exchange would like to return.
	Capacity(n int) int
	// Release puts away a buffer that was exchanged.
	Release(buf []byte)
	// Force returns an empty buffer for n bytes without asking whether there is
	// room; nil only when the operating system has none.
	Force(n int) []byte
	// Give returns a buffer.
	Give(buf []byte)
}

// Sealer makes record batches ready to be sent. It has the working memory of
// one compression, and is used by one goroutine at a time.
type Sealer struct {
	compression Compression
	compressor  *compressor
	packed, raw []byte
	// zstd and marks are for batches with marks.
	zstd  *zstdframe.Encoder
	marks []zstdframe.Mark
}

// NewSealer returns a sealer for batches opened with c.
func NewSealer(c Compression) *Sealer {
	c = c.codec()
	return &Sealer{compression: c, compressor: newCompressor(c)}
}

// Seal completes b, which is shut, but for its stamp, and keeps no more memory
// than what is left of it needs. Records that compression would make larger stay
// as they are.
func (s *Sealer) Seal(m Memory, b *Batch) {
	codec := CompressionNone
	switch {
	case b.lz4 != nil:
		codec = s.finish(m, b)
	case s.compression != CompressionNone:
		codec = s.compress(m, b)
	}
	putBatchHeader(b.buf, b.header(codec))
	b.sealed = true
}

// compress compresses b and returns the codec, which is none if that does not
// make it smaller.
func (s *Sealer) compress(m Memory, b *Batch) Compression {
	packed, err := s.pack(b)
	if err != nil || len(packed) >= len(b.buf) {
		return CompressionNone
	}
	s.packed = packed
	replace(m, b, packed)
	return s.compression
}

// pack returns b with its records compressed.
func (s *Sealer) pack(b *Batch) ([]byte, error) {
	if !b.marked {
		return s.compressor.compress(s.headed(b), b.buf[HeaderSize:])
	}
	b.marked = false
	var known int
	s.marks, known = b.appendMarks(s.marks[:0])
	if known >= b.records/4*3 && len(b.buf) <= zstdframe.MaxContent {
		if s.zstd == nil {
			s.zstd = zstdframe.NewEncoder()
		}
		s.zstd.Suffix = b.suffix
		packed := s.zstd.Append(s.headed(b), b.buf[HeaderSize:], s.marks)
		if len(packed) <= len(b.buf)/2 {
			return packed, nil
		}
	}
	return s.compressor.compress(s.headed(b), b.buf[HeaderSize:])
}

// finish does the same for a batch that is compressed already.
func (s *Sealer) finish(m Memory, b *Batch) Compression {
	b.buf = b.lz4.finish(b.buf, HeaderSize)
	b.lz4 = nil
	if len(b.buf) >= b.raw {
		raw := s.headed(b)[:b.raw]
		if err := lz4Raw(raw[HeaderSize:], b.buf[HeaderSize:]); err == nil {
			replace(m, b, raw)
			return CompressionNone
		}
	}
	if m.Capacity(len(b.buf)) <= cap(b.buf)/4*3 {
		replace(m, b, b.buf)
	}
	return CompressionLZ4
}

// headed returns s.packed empty but for a header, with room for b compressed.
func (s *Sealer) headed(b *Batch) []byte {
	if need := HeaderSize + maxCompressedSize(s.compression, len(b.buf)); cap(s.packed) < need {
		s.packed = make([]byte, 0, need)
	}
	return s.packed[:HeaderSize]
}

// replace puts content in place of b's, in a smaller buffer if one fits.
func replace(m Memory, b *Batch, content []byte) {
	old := b.buf
	b.buf = append(m.Exchange(old, len(content)), content...)
	if cap(b.buf) != cap(old) {
		m.Release(old)
	}
}

// Split makes two batches of a sealed one with at least two records: b keeps
// the first half, the second is returned. Both are sealed and have no stamp.
func (s *Sealer) Split(m Memory, b *Batch) (Batch, error) {
	body := b.buf[HeaderSize:]
	if codec := Compression(b.buf[batchAttributes+1] & 7); codec != CompressionNone {
		raw, err := decompress(codec, s.raw[:0], body)
		if err != nil {
			return Batch{}, fmt.Errorf("publisher: reading a batch of our own: %w", err)
		}
		s.raw, body = raw, raw
	}
	half := b.records / 2
	second, err := s.part(m, b, body, half, b.records)
	if err != nil {
		return Batch{}, err
	}
	first, err := s.part(m, b, body, 0, half)
	if err != nil {
		m.Give(second.buf)
		return Batch{}, err
	}
	m.Give(b.buf)
	*b = first
	return second, nil
}

// part returns a sealed batch of the records from..to-1 of b, whose
// uncompressed records are body.
func (s *Sealer) part(m Memory, b *Batch, body []byte, from, to int) (Batch, error) {
	buf := m.Force(HeaderSize + len(body))
	if buf == nil {
		return Batch{}, fmt.Errorf("publisher: the operating system has no %d bytes to split a batch", len(body))
	}
	buf, err := appendRenumbered(buf[:HeaderSize], body, from, to)
	if err != nil {
		m.Give(buf)
		return Batch{}, fmt.Errorf("publisher: reading a batch of our own: %w", err)
	}
	part := Batch{
		buf: buf, records: to - from, raw: len(buf),
		base: b.base, latest: b.latest,
	}
	s.Seal(m, &part)
	return part, nil
}
