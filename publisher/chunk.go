package publisher

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/memory"
)

// Sizes of chunks: the first of a row is small, so that many rows that hold
// little take little.
const (
	minChunk = 16 << 10
	maxChunk = 64 << 10
)

// chunks is a row of staged packets in the order in which they came, charged to
// an account. Full chunks are compressed, so that what waits for long costs little
// memory. Its owner's lock guards it.
type chunks struct {
	budget  *memory.Budget
	account *memory.Account
	framing batch.Framing // of the batches that they are for
	list    []chunk
}

// chunk is a run of staged packets. Each is its length (4 bytes), then hash (4) and
// slot (2) of its place, timestamp (8), records (2), key length (1), the key, and for
// each record its length (4) and its message, without what leads to it in a value.
type chunk struct {
	buf    []byte
	packed int // raw size if it is compressed, else 0
	read   int // how many bytes of its content have been taken away
	next   int // what a batch needs for the packet that starts there

	begunAt time.Time
}

// stagedHeader is the size of what precedes a staged packet's key.
const stagedHeader = 4 + 4 + 2 + 8 + 2 + 1

// chunkScratch has room for a chunk's content, or for its compressed form.
var chunkScratch = sync.Pool{New: func() any {
	b := make([]byte, 0, 2*maxChunk)
	return &b
}}

// takeScratch returns such a buffer, for chunkScratch.Put to take back.
func takeScratch() *[]byte { return chunkScratch.Get().(*[]byte) } //nolint:errcheck,forcetypeassert // it makes nothing else

// content returns the packets of c, uncompressed in buf if it has to.
func (c *chunk) content(buf []byte) ([]byte, error) {
	if c.packed == 0 {
		return c.buf, nil
	}
	return s2.Decode(buf[:cap(buf)], c.buf)
}

func (c *chunks) empty() bool { return len(c.list) == 0 }

// append keeps the records from..to-1 of the packet in e. It returns false when
// the budget has no room.
func (c *chunks) append(at place, e *batch.Encoder, from, to int) bool {
	last := c.withRoom(stagedHeader+len(e.Key())+e.MaxMessagesSize(from, to), memory.Fresh)
	if last == nil {
		return false
	}
	start := len(last.buf)
	last.buf = appendStaged(last.buf, at, e, from, to)
	last.begun(start, c.framing)
	return true
}

// move keeps a packet that was staged elsewhere. It takes no more memory than it
// must, and returns false when the budget has no room for that.
func (c *chunks) move(packet staged) bool {
	n := len(packet.whole)
	if c.empty() || !c.last().has(n) && !c.grow(n) {
		if !c.empty() {
			c.pack(c.last())
		}
		if !c.add(memory.Size(n), memory.Moved) {
			return false
		}
	}
	last := c.last()
	start := len(last.buf)
	last.buf = append(last.buf, packet.whole...)
	last.begun(start, c.framing)
	return true
}

// grow gives the last chunk, unless it is full, a buffer with room for n bytes more.
func (c *chunks) grow(n int) bool {
	last := c.last()
	if last.packed != 0 || len(last.buf)+n > maxChunk {
		return false
	}
	buf := c.budget.TakeExact(c.account, min(max(2*cap(last.buf), len(last.buf)+n), maxChunk), memory.Moved)
	if buf == nil {
		return false
	}
	old := last.buf
	last.buf = append(buf, old...) //nolint:gocritic // into the larger buffer
	c.budget.Give(c.account, old)
	return true
}

// add begins a chunk with n bytes. It returns false when the budget has no room.
func (c *chunks) add(n int, claimed memory.Claim) bool {
	buf := c.budget.TakeExact(c.account, n, claimed)
	if buf != nil {
		c.list = append(c.list, chunk{buf: buf, begunAt: time.Now()})
	}
	return buf != nil
}

func (c *chunks) last() *chunk { return &c.list[len(c.list)-1] }

// has reports whether c has room for n bytes more.
func (c *chunk) has(n int) bool { return c.packed == 0 && cap(c.buf)-len(c.buf) >= n }

// begun notes what the packet at start needs, if it is the next to be read.
func (c *chunk) begun(start int, f batch.Framing) {
	if start == c.read {
		packet, _ := nextStaged(c.buf[start:])
		c.next = packet.MaxSize(f)
	}
}

// withRoom returns the last chunk with room for n bytes more, which may be a new
// one; nil when the budget has none.
func (c *chunks) withRoom(n int, claimed memory.Claim) *chunk {
	if !c.empty() {
		if c.last().has(n) {
			return c.last()
		}
		c.pack(c.last())
	}
	size := max(n, min(minChunk<<min(len(c.list), 8), maxChunk))
	if !c.add(size, claimed) && (size == n || !c.add(n, claimed)) {
		return nil
	}
	return c.last()
}

// pack compresses a chunk, unless it is already or that makes it no smaller.
func (c *chunks) pack(full *chunk) {
	if full.packed != 0 {
		return
	}
	scratch := takeScratch()
	defer chunkScratch.Put(scratch)
	packed := s2.Encode((*scratch)[:cap(*scratch)], full.buf)
	buf := c.budget.Exchange(c.account, full.buf, len(packed))
	if cap(buf) == cap(full.buf) {
		return
	}
	c.budget.Release(full.buf)
	full.packed = len(full.buf)
	full.buf = append(buf, packed...) //nolint:gocritic // what was in it is in packed
}

// shift takes the first chunk away. Its memory stays charged until release.
func (c *chunks) shift() chunk {
	first := c.list[0]
	c.list[0] = chunk{}
	if c.list = c.list[1:]; len(c.list) == 0 {
		c.list = nil
	}
	return first
}

func (c *chunks) release(gone chunk) { c.budget.Give(c.account, gone.buf) }

// discard gives back everything.
func (c *chunks) discard() {
	for !c.empty() {
		c.release(c.shift())
	}
}

// appendStaged appends the records from..to-1 of a packet as chunk describes it.
func appendStaged(b []byte, at place, e *batch.Encoder, from, to int) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, at.hash)
	b = binary.BigEndian.AppendUint16(b, at.slot)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Timestamp()))
	b = binary.BigEndian.AppendUint16(b, uint16(to-from))
	b = append(b, byte(len(e.Key())))
	b = append(b, e.Key()...)
	b = e.AppendMessages(b, from, to)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// staged is a packet read back from a chunk, or a piece of one.
type staged struct {
	batch.Staged
	at    place
	whole []byte // as it is in the chunk
}

// nextStaged reads the first packet of b and returns what follows it.
func nextStaged(b []byte) (staged, []byte) {
	size := binary.BigEndian.Uint32(b)
	whole, rest := b[:4+size], b[4+size:]
	b = whole[4:]
	key := stagedHeader - 4
	end := key + int(b[key-1])
	return staged{
		at: place{hash: binary.BigEndian.Uint32(b), slot: binary.BigEndian.Uint16(b[4:])},
		Staged: batch.Staged{
			Timestamp: int64(binary.BigEndian.Uint64(b[6:])),
			Records:   int(binary.BigEndian.Uint16(b[14:])),
			Key:       b[key:end],
			Messages:  b[end:],
		},
		whole: whole,
	}, rest
}
