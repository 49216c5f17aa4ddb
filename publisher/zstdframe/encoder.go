package zstdframe

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

const (
	magic = 0xfd2fb528
	// oneSegment: the window is the content, whose size follows in 4 bytes.
	oneSegment = 0xa0
	headerSize = 4 + 1 + 4
	blockHead  = 3
	maxBlock   = 128 << 10

	// A block is stored, one byte repeated, or compressed.
	blockRaw        = 0
	blockCompressed = 2

	// MaxContent is the largest content of a frame.
	MaxContent = maxFrame

	// keptFrames is for how many frames the tables are used that were made for one.
	keptFrames = 16
)

// MaxSize bounds the frame of n bytes.
func MaxSize(n int) int { return headerSize + n + blockHead*(n/(maxBlock/2)+2) }

// Encoder writes frames, one at a time. It takes 0.5 MB and allocates nothing from the
// second frame on. What a frame looks like depends on those before it, since tables are
// kept; what it holds does not.
type Encoder struct {
	// Suffix is how many bytes all records end with that are the same in each.
	Suffix int

	search search
	block  block
	tables tables
	huff   huff0.Scratch
	// table describes huff's table; empty if it has none.
	table []byte
	// frames is for how many the tables of sequences were used.
	frames int
}

// NewEncoder returns an encoder.
func NewEncoder() *Encoder {
	e := new(Encoder)
	e.tables.init()
	return e
}

// Append appends to dst the frame of src, of at most MaxContent bytes, of which some
// records are marked, in order. With MaxSize(len(src)) bytes to spare dst is not allocated
// anew. They must not overlap.
func (e *Encoder) Append(dst, src []byte, marks []Mark) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, oneSegment)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(src)))
	e.search.begin(src, marks, e.Suffix)
	if e.frames++; e.frames > keptFrames {
		e.frames = 0
	}
	e.block.sent = sent{}
	for {
		before, from := e.search.repeats, e.search.at
		e.block.reset()
		e.search.run(&e.block)
		raw := src[from:e.search.at]
		head := uint32(0)
		if e.search.at == len(src) {
			head = 1
		}
		if body := e.compress(); len(body) < len(raw) {
			dst = appendBlock(dst, head|blockCompressed<<1, body)
		} else {
			e.search.repeats, e.block.sent = before, sent{} // the reader saw none of it
			dst = appendBlock(dst, head|blockRaw<<1, raw)
		}
		if head == 1 {
			return dst
		}
	}
}

func appendBlock(dst []byte, head uint32, body []byte) []byte {
	head |= uint32(len(body)) << 3
	return append(append(dst, byte(head), byte(head>>8), byte(head>>16)), body...)
}
