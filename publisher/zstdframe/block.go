package zstdframe

import "github.com/klauspost/compress/huff0"

// block is one that is being made.
type block struct {
	literals  []byte
	sequences []sequence
	out       []byte
	sent      sent
}

// sent is which tables the reader of this frame has.
type sent struct{ literals, sequences bool }

const (
	literalsRaw        = 0
	literalsCompressed = 2
	literalsTreeless   = 3 // with the table of the block before

	tablesNew    = 2<<6 | 2<<4 | 2<<2
	tablesRepeat = 3<<6 | 3<<4 | 3<<2
	// fewLiterals are not worth a table.
	fewLiterals = 64
)

func (b *block) reset() {
	if b.literals == nil {
		b.literals = make([]byte, 0, maxBlock+32)
	}
	b.literals, b.sequences = b.literals[:0], b.sequences[:0]
}

// add appends literals.
func (b *block) add(src []byte, from, to int) {
	n := len(b.literals)
	if to-from <= 32 && from+32 <= len(src) && n+32 <= cap(b.literals) {
		*(*[32]byte)(b.literals[n : n+32]) = *(*[32]byte)(src[from:])
		b.literals = b.literals[:n+to-from]
		return
	}
	b.literals = append(b.literals, src[from:to]...)
}

// compress returns the block's body, valid until the next one.
func (e *Encoder) compress() []byte {
	b := &e.block
	if need := len(b.literals) + len(b.sequences)*maxSequenceSize + 1024; cap(b.out) < need {
		b.out = make([]byte, 0, max(need, maxBlock+maxBlock/2))
	}
	b.out = e.appendLiterals(b.out[:0])
	b.out = e.appendSequences(b.out)
	return b.out
}

// appendLiterals appends the section of literals (RFC 8878, section 3.1.1.3.1).
func (e *Encoder) appendLiterals(out []byte) []byte {
	literals := e.block.literals
	if len(literals) >= fewLiterals {
		if table, data, ok := e.huffman(literals); ok {
			kind := uint64(literalsTreeless)
			if !e.block.sent.literals {
				kind, table = literalsCompressed, e.table
			}
			e.block.sent.literals = true
			out = appendLiteralsHead(out, kind, len(literals), len(table)+len(data))
			return append(append(out, table...), data...)
		}
	}
	switch n := len(literals); {
	case n < 1<<5:
		out = append(out, literalsRaw|byte(n<<3))
	case n < 1<<12:
		out = append(out, literalsRaw|1<<2|byte(n<<4), byte(n>>4))
	default:
		out = append(out, literalsRaw|3<<2|byte(n<<4), byte(n>>4), byte(n>>12))
	}
	return append(out, literals...)
}

// appendLiteralsHead says how large literals are, before and after, in four streams.
func appendLiteralsHead(out []byte, kind uint64, raw, size int) []byte {
	format, width, length := uint64(1), 10, 3
	if most := max(raw, size); most >= 1<<14 {
		format, width, length = 3, 18, 5
	} else if most >= 1<<10 {
		format, width, length = 2, 14, 4
	}
	head := kind | format<<2 | uint64(raw)<<4 | uint64(size)<<(4+width)
	for range length {
		out = append(out, byte(head))
		head >>= 8
	}
	return out
}

// huffman compresses literals with the table there is, or else with a new one, which it
// returns.
func (e *Encoder) huffman(literals []byte) (table, data []byte, ok bool) {
	h := &e.huff
	if len(e.table) > 0 && (e.frames > 0 || e.block.sent.literals) {
		h.Reuse = huff0.ReusePolicyMust
		h.Out = h.Out[:0]
		if _, _, err := huff0.Compress4X(literals, h); err == nil {
			return nil, h.OutData, true
		}
	}
	h.Reuse = huff0.ReusePolicyNone
	if _, _, err := huff0.Compress4X(literals, h); err != nil {
		e.table = e.table[:0]
		return nil, nil, false
	}
	e.table = append(e.table[:0], h.OutTable...)
	e.block.sent.literals = false
	return e.table, h.OutData, true
}

// appendSequences appends the section of sequences (RFC 8878, section 3.1.1.3.2).
func (e *Encoder) appendSequences(out []byte) []byte {
	seqs := e.block.sequences
	switch n := len(seqs); {
	case n == 0:
		return append(out, 0)
	case n < 128:
		out = append(out, byte(n))
	case n < 0x7f00:
		out = append(out, byte(n>>8)|0x80, byte(n))
	default:
		out = append(out, 0xff, byte(n-0x7f00), byte((n-0x7f00)>>8))
	}
	t := &e.tables
	if len(t.literals.description) == 0 || e.frames == 0 && !e.block.sent.sequences {
		t.build(seqs)
	}
	if e.block.sent.sequences {
		out = append(out, tablesRepeat)
	} else {
		out = append(out, tablesNew)
		out = append(out, t.literals.description...)
		out = append(out, t.offsets.description...)
		out = append(out, t.matches.description...)
	}
	e.block.sent.sequences = true
	return t.append(out, seqs)
}
