package zstdframe

import (
	"encoding/binary"
	"math/bits"
)

// sequence is a run of literals and a match behind it.
type sequence struct {
	literals uint32
	match    uint32 // its length - minMatch
	offset   uint32 // the value that is written: 1 to 3 for a repeated one, or the distance + 3
}

const minMatch = 3

// lengthCode is the code of a length (RFC 8878, section 3.1.1.3.2.1.1): its smallest
// value, and how many bits more are written.
type lengthCode struct {
	base  uint32
	extra uint8
}

var (
	literalCodes = lengthCodes(16, []uint8{1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	matchCodes   = lengthCodes(32, []uint8{1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16})
	// literalCodeOf and matchCodeOf are the codes of small lengths.
	literalCodeOf = [64]uint8(codesOf(literalCodes[:literalSymbols], 64))
	matchCodeOf   = [128]uint8(codesOf(matchCodes[:matchSymbols], 128))
)

const (
	literalSymbols = 36
	matchSymbols   = 53
	offsetSymbols  = 22 // distances are below 4 MiB
	maxFrame       = 1 << 21

	// The tables have 1 << log states, the most that readers take.
	literalLog, offsetLog, matchLog = 9, 8, 9

	codeSlots = 64
)

// lengthCodes are codes that stand for one value each, up to single, and then ones with
// so many extra bits.
func lengthCodes(single int, extra []uint8) (codes [codeSlots]lengthCode) {
	base := uint32(0)
	for code := range single + len(extra) {
		codes[code].base = base
		if code >= single {
			codes[code].extra = extra[code-single]
		}
		base += 1 << codes[code].extra
	}
	return codes
}

// codesOf are the codes of the lengths below n.
func codesOf(codes []lengthCode, n int) []uint8 {
	of := make([]uint8, n)
	for length := range of {
		for code := range codes {
			if codes[code].base <= uint32(length) {
				of[length] = uint8(code)
			}
		}
	}
	return of
}

func literalCode(n uint32) uint8 {
	if n < 64 {
		return literalCodeOf[n]
	}
	return uint8(bits.Len32(n)) + 18
}

func matchCode(n uint32) uint8 {
	if n < 128 {
		return matchCodeOf[n]
	}
	return uint8(bits.Len32(n)) + 35
}

func offsetCode(v uint32) uint8 { return uint8(bits.Len32(v)) - 1 }

// tables are those of the three kinds of codes.
type tables struct{ literals, offsets, matches fseTable }

func (t *tables) init() {
	t.literals.log, t.literals.symbols = literalLog, literalSymbols
	t.offsets.log, t.offsets.symbols = offsetLog, offsetSymbols
	t.matches.log, t.matches.symbols = matchLog, matchSymbols
}

// build makes the tables from what the sequences are.
func (t *tables) build(seqs []sequence) {
	var literals, offsets, matches [maxSymbols]uint32
	for _, s := range seqs {
		literals[literalCode(s.literals)]++
		offsets[offsetCode(s.offset)]++
		matches[matchCode(s.match)]++
	}
	t.literals.build(&literals)
	t.offsets.build(&offsets)
	t.matches.build(&matches)
}

// maxSequenceSize bounds what a sequence takes: bits of three codes, and of three values.
const maxSequenceSize = (literalLog + offsetLog + matchLog + 16 + offsetSymbols + 16 + 7) / 8

// pending are bits that are not written yet, the first ones lowest.
type pending struct {
	bits uint64
	n    uint
}

func (p pending) add(v uint64, n uint) pending {
	return pending{p.bits | v<<(p.n&63), p.n + n}
}

// flush writes whole bytes at the beginning of out, which has 8, and says how many. At most
// 7 bits are left. There must be fewer than 64.
func (p pending) flush(out []byte) (left pending, size int) {
	binary.LittleEndian.PutUint64(out, p.bits)
	return pending{p.bits >> (p.n &^ 7 & 63), p.n & 7}, int(p.n >> 3)
}

// step adds the bits with which a state is left for a code, and returns the next state.
func (t *fseTable) step(p pending, state uint32, code uint8) (left pending, next uint32) {
	s := &t.steps[code%stepSlots]
	n := (state + s.bits) >> 16 & 31
	return p.add(uint64(state&(1<<n-1)), uint(n)), uint32(t.next[(int32(state>>n)+s.place)&(1<<maxTableLog-1)])
}

// append writes the sequences, the last first, as readers start at the end. There are
// some, and room for maxSequenceSize of each and 16 bytes more.
func (t *tables) append(out []byte, seqs []sequence) []byte {
	at := len(out)
	out = out[:cap(out)]
	var p pending
	var n int
	var literals, offsets, matches uint32
	for i := len(seqs) - 1; i >= 0; i-- {
		s := &seqs[i]
		literal, match, offset := literalCode(s.literals), matchCode(s.match), offsetCode(s.offset)
		if i == len(seqs)-1 {
			literals, offsets, matches = t.literals.last(literal), t.offsets.last(offset), t.matches.last(match)
		} else {
			p, offsets = t.offsets.step(p, offsets, offset)
			p, matches = t.matches.step(p, matches, match)
			p, literals = t.literals.step(p, literals, literal)
		}
		l, m := &literalCodes[literal%codeSlots], &matchCodes[match%codeSlots]
		p = p.add(uint64(s.literals-l.base), uint(l.extra))
		if l.extra+m.extra > 9 { // with 7 bits left over, 26 of the codes, and 21 of the offset
			p, n = p.flush(out[at:])
			at += n
		}
		p = p.add(uint64(s.match-m.base), uint(m.extra))
		p = p.add(uint64(s.offset)-1<<(offset&31), uint(offset))
		p, n = p.flush(out[at:])
		at += n
	}
	p = p.add(uint64(matches)&(1<<matchLog-1), matchLog)
	p = p.add(uint64(offsets)&(1<<offsetLog-1), offsetLog)
	p = p.add(uint64(literals)&(1<<literalLog-1), literalLog)
	p = p.add(1, 1) // where readers begin
	p, n = p.flush(out[at:])
	if p.n > 0 {
		n++
	}
	return out[:at+n]
}
