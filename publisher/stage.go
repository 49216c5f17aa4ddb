package publisher

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/flowpub/flowpub/publisher/batch"
)

const (
	// stageChunk is the size at which a stage compresses what it holds.
	stageChunk = 256 << 10
	// roomPatience is how long a staged packet waits for memory while nothing
	// at all is given back.
	roomPatience = 10 * time.Second
)

// stage keeps packets of a topic whose partition is not known yet, or still has older
// records of their exporters, in the order in which they came. Full chunks are
// compressed, so that a broker that comes late costs little memory.
type stage struct {
	budget *budget

	mu      sync.Mutex
	account account
	chunks  []chunk
	counts  counts
	closed  bool
	scratch []byte
	// ended is set, under mu, when the stage is empty and takes no more.
	ended atomic.Bool
}

// chunk is a run of staged packets. Each is its length (4 bytes), then hash
// (4), timestamp (8), records (2), key length (1), the key, and for each record
// its length (4) and its message, without what leads to it in a value.
type chunk struct {
	buf    []byte
	packed int // raw size if it is compressed, else 0
}

// content returns the packets of c, uncompressed in buf if it has to.
func (c *chunk) content(buf []byte) ([]byte, error) {
	if c.packed == 0 {
		return c.buf, nil
	}
	return s2.Decode(buf[:cap(buf)], c.buf)
}

// stagedHeader is the size of what precedes a staged packet's key.
const stagedHeader = 4 + 4 + 8 + 2 + 1

// newStage returns an empty stage that may hold most bytes of the budget; 0
// means as much as a partition.
func newStage(b *budget, most int64) *stage {
	return &stage{budget: b, account: account{most: most}}
}

// append keeps all records of the packet in e, or drops and counts them. It
// returns false, and has done nothing, when the stage has ended.
func (s *stage) append(hash uint32, e *batch.Encoder) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return false, nil
	}
	n := e.Records()
	s.counts.decoded += uint64(n)
	if s.closed {
		s.counts.dropped[DropShutdown] += uint64(n)
		return true, ErrClosed
	}
	c := s.room(stagedHeader + len(e.Key()) + e.MaxMessagesSize(0, n))
	if c == nil {
		s.counts.dropped[DropBufferFull] += uint64(n)
		return true, ErrBufferFull
	}
	c.buf = appendStaged(c.buf, hash, e)
	s.counts.buffered += uint64(n)
	return true, nil
}

// appendStaged appends a packet as chunk describes it.
func appendStaged(b []byte, hash uint32, e *batch.Encoder) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, hash)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Timestamp()))
	b = binary.BigEndian.AppendUint16(b, uint16(e.Records()))
	b = append(b, byte(len(e.Key())))
	b = append(b, e.Key()...)
	b = e.AppendMessages(b, 0, e.Records())
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// room returns the last chunk with room for n bytes more, which may be a new
// one; nil when the budget has none.
func (s *stage) room(n int) *chunk {
	if last := len(s.chunks) - 1; last >= 0 {
		c := &s.chunks[last]
		if c.packed == 0 && cap(c.buf)-len(c.buf) >= n {
			return c
		}
		s.pack(c)
	}
	buf := s.budget.take(&s.account, max(n, stageChunk))
	if buf == nil {
		return nil
	}
	s.chunks = append(s.chunks, chunk{buf: buf})
	return &s.chunks[len(s.chunks)-1]
}

// pack compresses a chunk, unless it is already or that makes it no smaller.
func (s *stage) pack(c *chunk) {
	if c.packed != 0 {
		return
	}
	if need := s2.MaxEncodedLen(len(c.buf)); cap(s.scratch) < need {
		s.scratch = make([]byte, need)
	}
	packed := s2.Encode(s.scratch[:cap(s.scratch)], c.buf)
	buf := s.budget.exchange(&s.account, c.buf, len(packed))
	if cap(buf) == cap(c.buf) {
		return
	}
	s.budget.release(c.buf)
	c.packed = len(c.buf)
	c.buf = append(buf, packed...) //nolint:gocritic // what was in it is in packed
}

// oldest takes the first chunk out of the stage. Its memory stays charged until
// release. It returns false, and ends the stage, when there is none.
func (s *stage) oldest() (chunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.chunks) == 0 {
		s.ended.Store(true)
		s.scratch = nil
		return chunk{}, false
	}
	c := s.chunks[0]
	s.chunks = s.chunks[1:]
	return c, true
}

func (s *stage) release(c chunk) {
	s.budget.give(&s.account, c.buf)
}

// close makes the stage take no more.
func (s *stage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// discard drops all that is left.
func (s *stage) discard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.dropped[DropShutdown] += s.counts.buffered
	s.counts.buffered = 0
	for _, c := range s.chunks {
		s.budget.give(&s.account, c.buf)
	}
	s.chunks = nil
}

// staged is a packet read back from a chunk.
type staged struct {
	batch.Staged
	hash uint32
}

// nextStaged reads the first packet of b and returns what follows it.
func nextStaged(b []byte) (staged, []byte) {
	size := binary.BigEndian.Uint32(b)
	rest := b[4+size:]
	b = b[4 : 4+size]
	key := stagedHeader - 4
	end := key + int(b[key-1])
	return staged{
		hash: binary.BigEndian.Uint32(b),
		Staged: batch.Staged{
			Timestamp: int64(binary.BigEndian.Uint64(b[4:])),
			Records:   int(binary.BigEndian.Uint16(b[12:])),
			Key:       b[key:end],
			Messages:  b[end:],
		},
	}, rest
}

// drain moves what s holds to the partitions, in order, once after is closed,
// and goes on until s is empty.
func (t *topic) drain(s *stage, after <-chan struct{}) {
	if after != nil {
		select {
		case <-after:
		case <-t.pub.ctx.Done():
			return
		}
	}
	var raw []byte
	for t.pub.ctx.Err() == nil {
		c, ok := s.oldest()
		if !ok {
			t.pub.poke()
			return
		}
		content, err := c.content(raw)
		if err != nil {
			panic(fmt.Sprintf("publisher: reading staged packets of our own: %v", err))
		}
		if c.packed > 0 {
			raw = content
		}
		for len(content) > 0 {
			var packet staged
			packet, content = nextStaged(content)
			if !t.move(s, packet) {
				break
			}
		}
		s.release(c)
	}
}

// move takes a packet from s to its partition. It waits for memory as long as
// any is given back, and drops the packet if its partition has taken its share.
// It returns false when the publisher ends.
func (t *topic) move(s *stage, packet staged) bool {
	part := t.layout.Load().partition(packet.hash)
	for patient := true; ; {
		moved, hopeless := t.tryMove(s, part, packet)
		if moved {
			return true
		}
		if hopeless || !patient {
			break
		}
		patient = t.pub.awaitRoom(t.pub.ctx)
	}
	if t.pub.ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.buffered -= uint64(packet.Records)
	s.counts.dropped[DropBufferFull] += uint64(packet.Records)
	return true
}

// tryMove moves a packet if there is room. hopeless tells that the partition has
// used up its own share and fails to deliver: others must not wait for that.
func (t *topic) tryMove(s *stage, part *partition, packet staged) (moved, hopeless bool) {
	t.moving.Lock()
	defer t.moving.Unlock()
	if hopeless, ok := part.appendStaged(packet); !ok {
		return false, hopeless
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.buffered -= uint64(packet.Records)
	return true, false
}

// awaitRoom waits until the budget was given something back; false when that
// takes too long.
func (p *Publisher) awaitRoom(ctx context.Context) bool {
	timer := time.NewTimer(roomPatience)
	defer timer.Stop()
	select {
	case <-p.budget.room:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// appendStaged is append for a packet that was staged: it has been counted as
// decoded there. When there is no room, hopeless tells whether the partition's
// own share is used up while it fails to deliver.
func (p *partition) appendStaged(packet staged) (hopeless, done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := packet.MaxSize()
	b := p.room(size)
	if b == nil {
		return p.failures > 0 && p.pub.budget.full(&p.account, batch.HeaderSize+size), false
	}
	before := b.Size()
	b.AppendStaged(packet.Staged, p.framing)
	p.appended(b, packet.Records, before)
	return false, true
}
