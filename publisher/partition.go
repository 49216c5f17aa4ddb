package publisher

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/memory"
)

// partition owns everything of one partition of a topic: the batch being
// filled, the batches waiting, the one under way, and the sequence numbers.
//
// Its records leave in the order in which they came: batches are sent oldest
// first, one at a time, and the next only when the last one's fate is known.
type partition struct {
	core   *core
	agenda agenda
	target *target
	number int32
	// framing is that of the topic, which never changes.
	framing batch.Framing

	mu sync.Mutex
	// generation is that of the newest layout that took note of this partition;
	// appends by an older layout are refused.
	generation int
	closed     bool
	flushing   bool // no batch waits for more records
	account    memory.Account
	open       *pending
	queue      []*pending // full batches and those tried already, oldest first
	busy       bool       // a request has queue[0]
	since      time.Time  // when the first of them was queued, or the last delivery
	// late is what came from stages and found no room in batches, and everything
	// that came after that. It follows the open batch.
	late      chunks
	refilling bool // somebody moves it to batches
	counts    counts
	// accepted and settled count records appended, and those delivered or
	// dropped since. They tell when what came before a moment is gone.
	accepted, settled uint64
	marks             []mark

	delivers bool      // the last attempt that has ended was a success
	failures int       // in a row; after one, requests are not shared
	after    time.Time // no attempt before

	// sequence is the next sequence number under producer.
	producer cluster.Producer
	sequence int32
	// renew asks for a new producer id before the next batch is sent, since the
	// next sequence numbers may be in Kafka with other records.
	renew bool

	ratio float64 // what compression made of the last batches: about 0 to 1
	usual int     // what the last batch took of its buffer

	// candidate is set while the sender has the partition on its list.
	candidate atomic.Bool
}

// agenda is told by partitions when they may have something to send.
type agenda interface {
	// ready: now.
	ready(p *partition)
	// linger: a batch was opened at a time, and waits for more records.
	linger(p *partition, opened time.Time)
	// delay: after a failure, not before a time.
	delay(p *partition, until time.Time)
}

// mark is closed once settled has reached a count.
type mark struct {
	settled uint64
	reached chan struct{}
}

func newPartition(t *topic, number int32, generation int) *partition {
	p := &partition{
		core: t.core, agenda: t.agenda, target: &t.target, number: number, framing: t.framing(), generation: generation,
		closed: t.flushing, flushing: t.flushing, ratio: 1,
	}
	p.late = chunks{budget: t.core.budget, account: &p.account, framing: p.framing}
	return p
}

// append queues the records of the packet in e; those there is no room for are
// dropped and counted. It returns false, and has done nothing, when l is no longer
// the layout.
func (p *partition) append(l *layout, at place, e *batch.Encoder) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.generation > l.generation {
		return false, nil
	}
	return true, p.counts.take(e, p.closed, func(from, to int) bool { return p.keep(at, e, from, to) })
}

// keep queues the records from..to-1 of the packet in e, if there is room.
func (p *partition) keep(at place, e *batch.Encoder, from, to int) bool {
	n := to - from
	if !p.late.empty() {
		p.mark()
		if !p.late.append(at, e, from, to) {
			return false
		}
		p.accepted += uint64(n)
		return true
	}
	b := p.room(e.MaxSize(from, to), memory.Fresh)
	if b == nil {
		return false
	}
	before := b.Size()
	b.Append(e, from, to)
	p.accepted += uint64(n)
	p.appended(b, n, before)
	return true
}

// appended tells the sender once that the open batch b may go, to which n records
// were appended, and which had a size before: whatever keeps it from going then
// makes the sender look again when it ends.
func (p *partition) appended(b *pending, n, before int) {
	enough := p.enough()
	switch {
	case p.flushing || (b.Size() >= enough && before < enough):
		p.agenda.ready(p)
	case b.Records() == n:
		p.agenda.linger(p, b.opened)
	}
}

// appendStaged queues a packet that was staged and has been counted as decoded
// there: in a batch, if few wait, else behind them. It returns false when there is
// no room, and whether the partition fails.
func (p *partition) appendStaged(packet staged) (done, failing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.late.empty() || !p.batched(packet) {
		p.mark()
		first := p.late.empty()
		if !p.late.move(packet) {
			return false, p.account.Failing()
		}
		if first {
			p.agenda.ready(p)
		}
	}
	p.counts.buffered += uint64(packet.Records)
	p.accepted += uint64(packet.Records)
	return true, false
}

// batched appends a packet that was staged to a batch, if few wait and there is
// room.
func (p *partition) batched(packet staged) bool {
	if !p.wants(packet.MaxSize(p.framing)) {
		return false
	}
	b := p.room(packet.MaxSize(p.framing), p.batchClaim())
	if b == nil {
		return false
	}
	before := b.Size()
	b.AppendStaged(packet.Staged, p.framing)
	p.appended(b, packet.Records, before)
	return true
}

// batchClaim is what a buffer is for that takes what is late to a batch.
func (p *partition) batchClaim() memory.Claim {
	if p.open == nil && len(p.queue) == 0 {
		return memory.Only
	}
	return memory.ForBatch
}

// wants reports whether n bytes that are late should go on into batches: one waits
// while another is under way. Until one has been delivered a small one will do.
func (p *partition) wants(n int) bool {
	if p.delivers {
		return len(p.queue) <= 1
	}
	return len(p.queue) == 0 && (p.open == nil || p.open.Size()+n <= maxChunk)
}

// refill moves what is late to batches as long as they are wanted and there is room.
func (p *partition) refill() {
	scratch := takeScratch()
	defer chunkScratch.Put(scratch)
	for !p.late.empty() && p.wants(p.late.list[0].next) && p.room(p.late.list[0].next, p.batchClaim()) != nil {
		first := &p.late.list[0]
		content, err := first.content(*scratch)
		if err != nil {
			panic(fmt.Sprintf("publisher: reading late packets of our own: %v", err))
		}
		for first.read < len(content) {
			packet, rest := nextStaged(content[first.read:])
			if !p.batched(packet) {
				first.next = packet.MaxSize(p.framing)
				return
			}
			first.read = len(content) - len(rest)
		}
		p.late.release(p.late.shift())
	}
}

// refillLater refills in a goroutine of its own, and has the sender look again. The
// caller holds the lock.
func (p *partition) refillLater() {
	p.refilling = true
	p.core.working.Go(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.refill()
		p.refilling = false
		if p.open == nil && len(p.queue) == 0 { // there is no room
			p.agenda.delay(p, time.Now().Add(minBackoff))
			return
		}
		p.agenda.ready(p)
	})
}

// fails reports whether the partition fails to deliver: its last attempt was in
// vain, or what it has queued waits for long without any.
func (p *partition) fails() bool { return p.failures > 0 || p.stalled() }

// stalled reports whether what the partition has queued waits for long without a
// delivery.
func (p *partition) stalled() bool {
	return len(p.queue) > 0 && time.Since(p.since) > answerPatience
}

// mark tells the budget whether the partition fails to deliver.
func (p *partition) mark() { p.core.budget.Mark(&p.account, p.fails(), p.stalled()) }

// take asks the budget for a buffer of n bytes.
func (p *partition) take(n int, c memory.Claim) []byte {
	p.mark()
	return p.core.budget.Take(&p.account, n, c)
}

// room returns the open batch with room for n bytes of records more, which may
// be a new one; nil when the budget has none.
func (p *partition) room(n int, c memory.Claim) *pending {
	b := p.open
	if b != nil && b.Size()+n > p.mostRaw() {
		p.shut()
		b = nil
	}
	if b != nil && !b.Has(b.Room(n)) && !p.grow(b, b.Room(n), c) {
		if len(p.queue) > 0 && b.Size() < p.leastUsual() {
			return nil
		}
		p.shut()
		b = nil
	}
	if b == nil {
		b = p.begin(n, c)
	}
	return b
}

// enough is the size at which a batch is sent without waiting for more.
func (p *partition) enough() int { return min(p.core.cfg.BatchBytes, p.core.budget.Largest()) }

// leastUsual is how small a batch may be that is queued behind others. A
// partition that has used up its share would otherwise queue ever smaller ones,
// and be too slow to recover from it.
func (p *partition) leastUsual() int { return min(p.usual, p.enough()/4) }

// begin opens a batch with room for n bytes, as large as the last ones if there
// is room for that.
func (p *partition) begin(n int, c memory.Claim) *pending {
	opened := time.Now()
	need := batch.Room(p.core.cfg.Compression, n)
	buf := p.take(max(need, p.usual), c)
	if buf == nil && len(p.queue) > 0 {
		buf = p.take(max(need, p.leastUsual()), c)
	} else if buf == nil {
		buf = p.take(need, c)
	}
	if buf == nil {
		return nil
	}
	p.open = &pending{Batch: batch.Open(buf, p.core.cfg.Compression), opened: opened}
	return p.open
}

// grow moves b to a larger buffer, of at least n bytes: twice as large, or a
// quarter if there is no room for that.
func (p *partition) grow(b *pending, n int, c memory.Claim) bool {
	buf := p.take(max(n, min(2*cap(b.Bytes()), p.core.budget.Largest())), c)
	if buf == nil {
		buf = p.core.budget.TakeExact(&p.account, max(n, cap(b.Bytes())/4*5), c)
	}
	if buf == nil {
		return false
	}
	p.core.budget.Give(&p.account, b.Move(buf))
	return true
}

// mostRaw is how large a batch may get before compression. It grows beyond
// Config.BatchBytes only while the partition is busy, and never beyond what the
// broker is expected to take after compression.
func (p *partition) mostRaw() int {
	most := float64(p.mostWire()) * 0.9 / max(p.ratio, 0.1)
	return max(min(int(most), p.core.budget.Largest()), MinBatchBytes)
}

// mostWire is the size of a record batch that the broker will take.
func (p *partition) mostWire() int {
	most := MaxBatchBytes
	if limit := int(p.target.messageLimit.Load()); limit > 0 {
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
		p.agenda.ready(p)
	}
}

// enqueue moves the open batch to the queue.
func (p *partition) enqueue() *pending {
	b := p.open
	p.open = nil
	b.Shut()
	p.usual = max(b.Taken(), p.usual/4*3)
	if len(p.queue) == 0 {
		p.since = time.Now()
	}
	p.queue = append(p.queue, b)
	return b
}

// sealLater compresses b in a goroutine of its own. The caller holds the lock.
func (p *partition) sealLater(b *pending) {
	b.sealing = true
	p.core.working.Go(func() {
		if p.core.ctx.Err() == nil { // else it will be discarded
			p.seal(b)
		}
		p.mu.Lock()
		b.sealing = false
		p.mu.Unlock()
		p.agenda.ready(p)
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
	if len(p.queue) == 0 && !p.late.empty() && !p.refilling {
		p.refillLater()
	}
	if len(p.queue) == 0 || p.queue[0].sealing {
		return nil, false
	}
	p.busy = true
	return p.queue[0], p.failures > 0
}

// due reports whether the open batch should wait no longer.
func (p *partition) due(now time.Time, linger time.Duration) bool {
	return p.open != nil &&
		(p.flushing || !p.late.empty() || p.open.Size() >= p.enough() || now.Sub(p.open.opened) >= linger)
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
	if !p.refilling {
		p.refill()
	}
	waiting := len(p.queue) > 0 || !p.late.empty() || p.due(time.Now(), p.core.cfg.Linger)
	p.mu.Unlock()
	if waiting {
		p.agenda.ready(p)
	}
}

// flush sends the open batch without waiting for more records, and takes none.
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
	p.counts.dropped[DropShutdown] += p.counts.buffered // what is late
	p.counts.buffered = 0
	p.late.discard()
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
