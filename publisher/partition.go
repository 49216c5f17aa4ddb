package publisher

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
)

// partition owns everything of one partition of a topic: the batch being
// filled, the batches waiting, the one under way, and the sequence numbers.
//
// Its records leave in the order in which they came: batches are sent oldest
// first, one at a time, and the next only when the last one's fate is known.
type partition struct {
	pub    *Publisher
	topic  *topic
	number int32
	// framing is that of the topic, which never changes.
	framing batch.Framing

	mu sync.Mutex
	// generation is that of the newest layout that took note of this partition;
	// appends by an older layout are refused.
	generation int
	closed     bool
	flushing   bool // nothing waits for company any more
	account    account
	open       *pending
	queue      []*pending // full batches and those tried already, oldest first
	busy       bool       // a request has queue[0]
	counts     counts
	// accepted and settled count records appended, and those delivered or
	// dropped since. They tell when what came before a moment is gone.
	accepted, settled uint64
	marks             []mark

	failures int       // in a row; after one, requests are not shared
	after    time.Time // no attempt before

	// sequence is the next sequence number under producer.
	producer producer
	sequence int32
	// renew asks for a new producer id before the next batch is sent, since the
	// next sequence numbers may be in Kafka with other records.
	renew bool

	ratio float64 // what compression made of the last batches: about 0 to 1
	usual int     // what the last batch took of its buffer

	// candidate is set while the sender has the partition on its list.
	candidate atomic.Bool
}

// mark is closed once settled has reached a count.
type mark struct {
	settled uint64
	reached chan struct{}
}

func newPartition(t *topic, number int32, generation int) *partition {
	return &partition{
		pub: t.pub, topic: t, number: number, framing: t.framing(), generation: generation,
		closed: t.flushing, flushing: t.flushing, ratio: 1,
	}
}

// append queues all records of the packet in e, or drops and counts them. It
// returns false, and has done nothing, when l is no longer the layout.
func (p *partition) append(l *layout, e *batch.Encoder) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.generation > l.generation {
		return false, nil
	}
	n := e.Records()
	p.counts.decoded += uint64(n)
	if p.closed {
		p.counts.dropped[DropShutdown] += uint64(n)
		return true, ErrClosed
	}
	b := p.room(e.MaxSize(0, n))
	if b == nil {
		p.counts.dropped[DropBufferFull] += uint64(n)
		return true, ErrBufferFull
	}
	before := b.Size()
	b.Append(e, 0, n)
	p.appended(b, n, before)
	return true, nil
}

// appended accounts for n records appended to the open batch b, which had a size
// before. The sender is told once that the batch may go: whatever keeps it from
// going then makes the sender look again when it ends.
func (p *partition) appended(b *pending, n, before int) {
	p.counts.buffered += uint64(n)
	p.accepted += uint64(n)
	enough := p.pub.cfg.BatchBytes
	switch {
	case p.flushing || (b.Size() >= enough && before < enough):
		p.pub.sender.ready(p)
	case b.Records() == n:
		p.pub.sender.linger(p, b.opened)
	}
}

// room returns the open batch with room for n bytes of records more, which may
// be a new one; nil when the budget has none.
func (p *partition) room(n int) *pending {
	b := p.open
	if b != nil && b.Size()+n > p.mostRaw() {
		p.shut()
		b = nil
	}
	if b != nil && !b.Has(b.Room(n)) && !p.grow(b, b.Room(n)) {
		if len(p.queue) > 0 && b.Size() < p.leastUsual() {
			return nil
		}
		p.shut()
		b = nil
	}
	if b == nil {
		b = p.begin(n)
	}
	return b
}

// leastUsual is how small a batch may be that is queued behind others. A
// partition that has used up its share would otherwise queue ever smaller ones,
// and be too slow to recover from it.
func (p *partition) leastUsual() int { return min(p.usual, p.pub.cfg.BatchBytes/4) }

// begin opens a batch with room for n bytes, as large as the last ones if there
// is room for that.
func (p *partition) begin(n int) *pending {
	opened := time.Now()
	need := batch.Room(p.pub.cfg.Compression, n)
	buf := p.pub.budget.take(&p.account, max(need, p.usual))
	if buf == nil && len(p.queue) > 0 {
		buf = p.pub.budget.take(&p.account, max(need, p.leastUsual()))
	} else if buf == nil {
		buf = p.pub.budget.take(&p.account, need)
	}
	if buf == nil {
		return nil
	}
	p.open = &pending{Batch: batch.Open(buf, p.pub.cfg.Compression), opened: opened}
	return p.open
}

// grow moves b to a larger buffer, of at least n bytes.
func (p *partition) grow(b *pending, n int) bool {
	buf := p.pub.budget.take(&p.account, max(n, min(2*cap(b.Bytes()), MaxBatchBytes)))
	if buf == nil {
		return false
	}
	p.pub.budget.give(&p.account, b.Move(buf))
	return true
}

// mostRaw is how large a batch may get before compression. It grows beyond
// Config.BatchBytes only while the partition is busy, and never beyond what the
// broker is expected to take after compression.
func (p *partition) mostRaw() int {
	most := float64(p.mostWire()) * 0.9 / max(p.ratio, 0.1)
	return max(min(int(most), MaxBatchBytes), MinBatchBytes)
}

// mostWire is the size of a record batch that the broker will take.
func (p *partition) mostWire() int {
	most := MaxBatchBytes
	if limit := int(p.topic.messageLimit.Load()); limit > 0 {
		most = min(most, limit)
	}
	return most
}

// shut closes the open batch to more records and queues it. What cannot be
// sent now is compressed at once, to make room.
func (p *partition) shut() {
	b := p.enqueue()
	if p.busy || len(p.queue) > 1 || p.failures > 0 {
		p.sealLater(b)
	} else {
		p.pub.sender.ready(p)
	}
}

// enqueue moves the open batch to the queue.
func (p *partition) enqueue() *pending {
	b := p.open
	p.open = nil
	b.Shut()
	p.usual = max(len(b.Bytes()), p.usual/4*3)
	p.queue = append(p.queue, b)
	return b
}

// sealLater compresses b in a goroutine of its own. The caller holds the lock.
func (p *partition) sealLater(b *pending) {
	b.sealing = true
	p.pub.working.Go(func() {
		if p.pub.ctx.Err() == nil { // else it will be discarded
			p.pub.seal(p, b)
		}
		p.mu.Lock()
		b.sealing = false
		p.mu.Unlock()
		p.pub.sender.ready(p)
	})
}

// next gives the caller the batch to send now and makes the partition busy. It
// returns nil when there is none or its time has not come. alone tells that the
// batch must not share a request. The open batch counts if it has lingered for
// so long.
func (p *partition) next(now time.Time, linger time.Duration) (b *pending, alone bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy || now.Before(p.after) {
		return nil, false
	}
	if len(p.queue) == 0 && p.due(now, linger) {
		p.enqueue()
	}
	if len(p.queue) == 0 || p.queue[0].sealing {
		return nil, false
	}
	p.busy = true
	return p.queue[0], p.failures > 0
}

// due tells whether the open batch should wait no longer.
func (p *partition) due(now time.Time, linger time.Duration) bool {
	return p.open != nil &&
		(p.flushing || p.open.Size() >= p.pub.cfg.BatchBytes || now.Sub(p.open.opened) >= linger)
}

// release ends the partition's being busy without an attempt.
func (p *partition) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// more tells the sender if there is more to send.
func (p *partition) more() {
	p.mu.Lock()
	waiting := len(p.queue) > 0 || p.due(time.Now(), p.pub.cfg.Linger)
	p.mu.Unlock()
	if waiting {
		p.pub.sender.ready(p)
	}
}

// flush lets nothing wait for company from now on and takes no more.
func (p *partition) flush() {
	p.mu.Lock()
	p.closed, p.flushing = true, true
	p.mu.Unlock()
	p.more()
}

// discard drops what is left when the publisher has ended.
func (p *partition) discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open != nil {
		p.enqueue()
	}
	for len(p.queue) > 0 {
		b := p.queue[0]
		p.drop(b, DropShutdown)
	}
}

// markNow returns a channel that is closed once all records accepted until now
// are settled. The caller holds the lock.
func (p *partition) markNow() <-chan struct{} {
	reached := make(chan struct{})
	if p.settled == p.accepted {
		close(reached)
	} else {
		p.marks = append(p.marks, mark{settled: p.accepted, reached: reached})
	}
	return reached
}
