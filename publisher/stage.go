package publisher

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/memory"
)

const (
	// roomPatience is how long a staged packet waits for memory while nothing
	// at all is given back.
	roomPatience = time.Second
	// failingPatience is how long all packets of a stage together wait that are for
	// partitions that fail: they hold up those for others.
	failingPatience = 10 * time.Second
	// answerPatience is how long a partition may not answer, or a stage not empty
	// itself, before it counts as failing.
	answerPatience = 3 * time.Second
)

// stage keeps packets of a topic whose partition is not known yet, or still has older
// records of their exporters, in the order in which they came.
type stage struct {
	mu     sync.Mutex
	waits  chunks
	counts counts
	closed bool
	// ended is set, under mu, when the stage is empty and takes no more.
	ended atomic.Bool
}

// newStage returns an empty stage. To the budget it fails while nothing can leave
// it: as long as the topic's partitions are not known.
func newStage(b *memory.Budget, failing bool) *stage {
	s := &stage{waits: chunks{budget: b, account: memory.NewStage(failing)}}
	return s
}

// append keeps the records of the packet in e, those there is no room for it
// drops and counts. It returns false, and has done nothing, when the stage has ended.
func (s *stage) append(at place, e *batch.Encoder) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Load() {
		return false, nil
	}
	return true, s.counts.take(e, s.closed, func(from, to int) bool { return s.waits.append(at, e, from, to) })
}

// mark tells the budget whether the stage fails to empty itself.
func (s *stage) mark(failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits.budget.Mark(s.waits.account, failing, failing)
}

// oldest takes the first chunk out of the stage. Its memory stays charged until
// release. It returns false, and ends the stage, when there is none.
func (s *stage) oldest() (chunk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waits.empty() {
		s.ended.Store(true)
		return chunk{}, false
	}
	return s.waits.shift(), true
}

// drop gives up n records that were to move.
func (s *stage) drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.buffered -= uint64(n)
	s.counts.dropped[DropBufferFull] += uint64(n)
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
	s.waits.discard()
}

// drain moves what s holds to the partitions, in order, once after is closed,
// and goes on until s is empty. It waits for no partition: what one cannot take
// into a batch now waits there, behind its older records.
func (t *topic) drain(s *stage, after <-chan struct{}) {
	if after != nil && !t.awaitSettled(s, after) {
		return
	}
	d := drain{topic: t, stage: s}
	for t.core.ctx.Err() == nil {
		c, ok := s.oldest()
		if !ok {
			t.core.settledSome()
			return
		}
		d.empty(c)
	}
}

// awaitSettled waits until after is closed; false when the publisher ends. s counts
// as failing when that takes long.
func (t *topic) awaitSettled(s *stage, after <-chan struct{}) bool {
	timer := time.NewTimer(answerPatience)
	defer timer.Stop()
	for {
		select {
		case <-after:
			s.mark(false)
			return true
		case <-timer.C:
			s.mark(true)
		case <-t.core.ctx.Done():
			return false
		}
	}
}

// drain is what the goroutine has that empties a stage.
type drain struct {
	topic *topic
	stage *stage
	raw   []byte
	// waited is how long room for partitions that fail was waited for.
	waited time.Duration
}

// empty moves the packets of c. Its memory is given back before, to make room
// for them.
func (d *drain) empty(c chunk) {
	content, err := c.content(d.raw)
	if err != nil {
		panic(fmt.Sprintf("publisher: reading staged packets of our own: %v", err))
	}
	if c.packed == 0 {
		content = append(d.raw[:0], content...)
	}
	d.raw = content
	d.stage.waits.release(c)
	for len(content) > 0 {
		var packet staged
		packet, content = nextStaged(content)
		d.move(packet)
	}
}

// move takes a packet to its partition. When there is no room for it, it waits for
// memory as long as any is given back, but for all partitions that fail no longer
// than failingPatience; then it drops the packet.
func (d *drain) move(packet staged) {
	t := d.topic
	part := t.layout.Load().partition(packet.at)
	for {
		moved, failing := t.tryMove(d.stage, part, packet)
		if moved {
			return
		}
		if failing && d.waited >= failingPatience {
			break
		}
		began := time.Now()
		room := t.core.budget.AwaitRoom(t.core.ctx, roomPatience)
		if failing {
			d.waited += time.Since(began)
		}
		if !room {
			break
		}
	}
	if t.core.ctx.Err() == nil { // else the stage discards all it has not moved
		d.stage.drop(packet.Records)
	}
}

// tryMove moves a packet if there is room.
func (t *topic) tryMove(s *stage, part *partition, packet staged) (moved, failing bool) {
	t.moving.Lock()
	defer t.moving.Unlock()
	if moved, failing = part.appendStaged(packet); !moved {
		return false, failing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.buffered -= uint64(packet.Records)
	return true, false
}
