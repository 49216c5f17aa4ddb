package zstdframe

import "math/bits"

// A table of finite state entropy (RFC 8878, section 4.1) for one kind of codes. Every
// code of the kind has a place in it, so that the table can be used for other
// blocks than the one it was made for.
type fseTable struct {
	log     uint8
	symbols int // codes are below it
	// next has the states that follow, the codes' runs one behind the other; of and
	// bits lead from a state and a code to its place there.
	next  [1 << maxTableLog]uint16
	steps [stepSlots]fseStep
	// description is the table as a frame holds it.
	description []byte
}

const (
	maxTableLog = 9
	maxSymbols  = 53
	stepSlots   = 64
)

// fseStep is how a code leaves a state: (state + bits) >> 16 bits of the state are
// written, and what is left of it, plus place, is the index of the next one.
type fseStep struct {
	bits  uint32
	place int32
}

// build makes the table from how often each code came.
func (t *fseTable) build(counts *[maxSymbols]uint32) {
	var shares [maxSymbols]uint16
	t.share(counts, &shares)
	t.describe(&shares)

	// The states are dealt out in strides that meet each once.
	size := 1 << t.log
	var dealt [1 << maxTableLog]uint8
	stride, at := size>>1+size>>3+3, 0
	for code, share := range shares[:t.symbols] {
		for range share {
			dealt[at] = uint8(code)
			at = (at + stride) & (size - 1)
		}
	}
	var begin [maxSymbols]uint16
	total := uint16(0)
	for code, share := range shares[:t.symbols] {
		begin[code] = total
		width := uint32(t.log) // of what is written in most states
		if share > 1 {
			width = uint32(t.log) - uint32(bits.Len16(share-1)-1)
		}
		t.steps[code] = fseStep{bits: width<<16 - uint32(share)<<width, place: int32(total) - int32(share)}
		total += share
	}
	for state, code := range dealt[:size] {
		t.next[begin[code]] = uint16(size + state)
		begin[code]++
	}
}

// share deals the states out to the codes, at least one to each.
func (t *fseTable) share(counts *[maxSymbols]uint32, shares *[maxSymbols]uint16) {
	total := uint64(0)
	for _, n := range counts[:t.symbols] {
		total += uint64(n)
	}
	left, largest := 1<<t.log, 0
	for code, n := range counts[:t.symbols] {
		share := max(1, uint64(n)<<t.log/max(1, total))
		shares[code] = uint16(share)
		left -= int(share)
		if n > counts[largest] {
			largest = code
		}
	}
	// What rounding left over, or took too much of, is the largest ones' part.
	for ; left < 0; left++ {
		for code, share := range shares[:t.symbols] {
			if share > shares[largest] {
				largest = code
			}
		}
		shares[largest]--
	}
	shares[largest] += uint16(left)
}

// describe writes the shares as section 4.1.1 has them: each in as many bits as what
// is left to share allows, one less for small ones.
func (t *fseTable) describe(shares *[maxSymbols]uint16) {
	var acc uint64
	width := uint(4)
	acc = uint64(t.log) - 5
	out := t.description[:0]
	left, threshold, size := 1<<t.log+1, 1<<t.log, uint(t.log)+1
	for code := 0; left > 1; code++ {
		small := 2*threshold - 1 - left // values below it are one bit shorter
		left -= int(shares[code])
		value, n := int(shares[code])+1, size
		if value >= threshold {
			value += small
		}
		if value < small {
			n--
		}
		acc |= uint64(value) << width
		for width += n; width >= 8; width -= 8 {
			out = append(out, byte(acc))
			acc >>= 8
		}
		for left < threshold {
			threshold >>= 1
			size--
		}
	}
	if width > 0 {
		out = append(out, byte(acc))
	}
	t.description = out
}

// last is the state of readers when they have the last code of all, this one.
func (t *fseTable) last(code uint8) uint32 {
	s := t.steps[code]
	width := (s.bits + 1<<15) >> 16
	return uint32(t.next[int32((width<<16-s.bits)>>width)+s.place])
}
