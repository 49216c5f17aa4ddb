package publisher

import "fmt"

// sealer makes record batches ready to be sent. It has the working memory of
// one compression; the Publisher has as many as may compress at the same time.
type sealer struct {
	compression Compression
	compressor  *compressor
	budget      *budget
	packed, raw []byte
}

func newSealer(c Compression, b *budget) *sealer {
	c = c.codec()
	return &sealer{compression: c, compressor: newCompressor(c), budget: b}
}

// seal completes b, whose owner is the caller, and charges a with no more than
// what is left of it. Records that compression would make larger stay as they
// are.
func (s *sealer) seal(a *account, b *batch) {
	codec := CompressionNone
	switch {
	case b.lz4 != nil:
		codec = s.finish(a, b)
	case s.compression != CompressionNone:
		codec = s.compress(a, b)
	}
	putBatchHeader(b.buf, b.header(codec))
	b.sealed = true
}

// compress compresses b and returns the codec, which is none if that does not
// make it smaller.
func (s *sealer) compress(a *account, b *batch) Compression {
	packed, err := s.compressor.compress(s.headed(b), b.buf[batchHeaderSize:])
	if err != nil || len(packed) >= len(b.buf) {
		return CompressionNone
	}
	s.packed = packed
	s.replace(a, b, packed)
	return s.compression
}

// finish does the same for a batch that is compressed already.
func (s *sealer) finish(a *account, b *batch) Compression {
	b.buf = b.lz4.finish(b.buf, batchHeaderSize)
	b.lz4 = nil
	if len(b.buf) >= b.raw {
		raw := s.headed(b)[:b.raw]
		if err := lz4Raw(raw[batchHeaderSize:], b.buf[batchHeaderSize:]); err == nil {
			s.replace(a, b, raw)
			return CompressionNone
		}
	}
	if bufferSize(len(b.buf)) <= cap(b.buf)/4*3 {
		s.replace(a, b, b.buf)
	}
	return CompressionLZ4
}

// headed returns s.packed empty but for a header, with room for b compressed.
func (s *sealer) headed(b *batch) []byte {
	if need := batchHeaderSize + maxCompressedSize(s.compression, len(b.buf)); cap(s.packed) < need {
		s.packed = make([]byte, 0, need)
	}
	return s.packed[:batchHeaderSize]
}

// replace puts content in place of b's, in a smaller buffer if one fits.
func (s *sealer) replace(a *account, b *batch, content []byte) {
	old := b.buf
	b.buf = append(s.budget.exchange(a, old, len(content)), content...)
	if cap(b.buf) != cap(old) {
		s.budget.release(old)
	}
}

// split makes two batches of a sealed one with at least two records: b keeps
// the first half, the second is returned. Both are sealed and have no identity, and as much of b's past as matters.
func (s *sealer) split(a *account, b *batch) (*batch, error) {
	body := b.buf[batchHeaderSize:]
	if codec := Compression(b.buf[batchAttributes+1] & 7); codec != CompressionNone {
		raw, err := decompress(codec, s.raw[:0], body)
		if err != nil {
			return nil, fmt.Errorf("publisher: reading a batch of our own: %w", err)
		}
		s.raw, body = raw, raw
	}
	half := b.records / 2
	second, err := s.part(a, b, body, half, b.records)
	if err != nil {
		return nil, err
	}
	first, err := s.part(a, b, body, 0, half)
	if err != nil {
		s.budget.give(a, second.buf)
		return nil, err
	}
	s.budget.give(a, b.buf)
	*b = *first
	return second, nil
}

// part returns a sealed batch of the records from..to-1 of b, whose
// uncompressed records are body.
func (s *sealer) part(a *account, b *batch, body []byte, from, to int) (*batch, error) {
	buf := s.budget.force(a, batchHeaderSize+len(body))
	if buf == nil {
		return nil, fmt.Errorf("publisher: the operating system has no %d bytes to split a batch", len(body))
	}
	buf, err := appendRenumbered(buf[:batchHeaderSize], body, from, to)
	if err != nil {
		s.budget.give(a, buf)
		return nil, fmt.Errorf("publisher: reading a batch of our own: %w", err)
	}
	part := &batch{
		buf: buf, records: to - from, raw: len(buf),
		base: b.base, latest: b.latest, opened: b.opened,
		unanswered: b.unanswered, doubted: b.doubted,
	}
	s.seal(a, part)
	return part, nil
}
