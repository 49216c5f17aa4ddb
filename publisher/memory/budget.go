package memory

import (
	"context"
	"math/bits"
	"sync"
	"time"
)

const (
	// needWindow is how long a budget remembers what an account has held.
	needWindow = 30 * time.Second
	// mostReserve is the most that is set aside since it was needed lately.
	mostReserve = 32 << 20
	// ownShare is how many times what is left to failing accounts one of them may
	// hold: 8/9 of their part if it fails alone.
	ownShare = 8
)

// Claim says what a buffer is for.
type Claim uint8

// The claims.
const (
	Fresh    Claim = iota // for what has just come
	ForBatch              // for a batch of what waits in the budget already
	Moved                 // for what only changes its place in the budget
	Only                  // for the only batch of a partition, of what waits
)

// Budget hands out the buffers of all batches and stages and keeps their sum
// within a limit. Accounts that fail to deliver leave room in it to the others:
//
//	0                                              limit
//	|------------ batches and stages -------------|copies|
//	|---- accounts that fail ----|---- reserve ----|
//	|---- accounts that do not fail ---------|spare|
//
// Accounts that fail may fill everything but the reserve: 3/8, or half as much again
// as the others have lately held at the same time, if that is more, up to 3/4 as
// long as that is no more than 32 MiB. If there is no other partition, it is what is
// kept: a sixteenth, or two packets of each that does not fail, up to half. One may
// hold no more than ownShare times what it leaves to the next.
//
// Accounts that do not fail may fill everything but what is spare: a
// thirty-second, or a packet of each partition, if that is more, up to an eighth.
// What is spare is for those which hold no more than an equal part of it; of those
// that fail, only half.
//
// Stages of topics whose partitions are not known share three quarters, since what
// they hold needs some room when it moves on.
//
// Buffers that come back are kept for reuse up to an eighth of the limit, and
// only within it. It is safe for concurrent use; it is asked once a batch, not
// once a packet.
type Budget struct {
	mu     sync.Mutex
	limit  int64
	batch  int64 // the largest buffer for a batch
	packet int64 // the buffer of a batch with one packet

	used    int64 // charged to accounts
	failing int64 // of it, to those that fail
	copies  int64 // the client's copies of requests under way
	retries int64 // of them, of partitions that have failed

	partitions []*Account
	stages     []*Account
	n          int   // partitions, and topics whose partitions are not known
	dead       int   // partitions that fail
	unknown    int   // topics whose partitions are not known
	needed     int64 // what the accounts that do not fail held lately, each at its peak
	peak, last int64 // the most that they held at the same time, in this needWindow and the last
	kept       int64 // for them, whatever the others do
	spare      int64 // of it, for the first packets of each
	part       int64 // how much that is for each
	turned     time.Time

	pooled int64
	pool   map[int][][]byte

	// room has a token after something was given back.
	room chan struct{}
}

// New returns a budget of limit bytes for n topics whose partitions are
// not known yet. No batch is larger than largest; one with a single packet is to have
// a buffer of packet bytes.
func New(limit int64, largest, packet, n int) *Budget {
	b := &Budget{limit: limit, packet: int64(openSize(packet)), pool: make(map[int][][]byte), room: make(chan struct{}, 1)}
	b.batch = min(int64(largest), max(fineBuffer, int64(1)<<(bits.Len64(uint64(limit/64))-1)))
	b.turned = time.Now()
	b.SetAccounts(nil, nil, n)
	return b
}

// Largest is the most bytes to put into one batch. Small budgets have small
// batches.
func (b *Budget) Largest() int { return int(b.batch) }

// copiesLeast is what is set aside for the client's copies: one of the largest
// batch of a partition that has failed, one of another, or more.
func (b *Budget) copiesLeast() int64 { return max(b.limit/16, 2*b.batch) }

// whole is what all accounts together may hold when no more copies are made than
// are provided for.
func (b *Budget) whole() int64 { return b.limit - b.copiesLeast() }

// Enough is the least limit with which what is kept has room for a packet of
// each of n partitions.
func (b *Budget) Enough(n int) int64 {
	const mebibyte = 1 << 20
	whole := 4 * int64(n) * b.packet
	return (max(whole*16/15, whole+2*b.batch) + mebibyte) / mebibyte * mebibyte
}

// SetAccounts tells the budget who there is from now on: partitions, stages, and
// how many topics whose partitions are not known.
func (b *Budget) SetAccounts(partitions, stages []*Account, unknown int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.partitions, b.stages, b.n, b.unknown = partitions, stages, len(partitions)+unknown, unknown
	b.dead = 0
	for _, a := range partitions {
		a.counted = true
		if a.dead {
			b.dead++
		}
	}
	b.review()
	b.count()
}

// review works out what is kept.
func (b *Budget) review() {
	packets := b.packet * int64(b.n-b.dead)
	b.kept = max(b.whole()/16, min(b.whole()/2, 2*packets))
	b.spare = max(b.whole()/32, min(b.whole()/8, packets))
	b.part = max(b.spare/int64(max(1, b.n)), b.packet)
}

// count adds up what the accounts that do not fail have held lately.
func (b *Budget) count() {
	b.needed = 0
	for _, list := range [][]*Account{b.partitions, b.stages} {
		for _, a := range list {
			if !a.failing {
				b.needed += a.most()
			}
		}
	}
}

// turn begins another needWindow when one is over.
func (b *Budget) turn() {
	now := time.Now()
	if now.Sub(b.turned) < needWindow {
		return
	}
	b.turned = now
	b.last, b.peak = b.peak, b.used-b.failing
	for _, list := range [][]*Account{b.partitions, b.stages} {
		for _, a := range list {
			a.last, a.peak = a.peak, a.held
		}
	}
	b.count()
}

// reserve is what failing accounts leave to the others.
func (b *Budget) reserve() int64 {
	if b.n == b.dead+b.unknown {
		return b.kept
	}
	needed := min(b.needed, max(b.peak, b.last))
	return max(b.kept, b.whole()/8*3, min(needed/2*3, b.whole()/4*3, mostReserve))
}

// Mark notes whether a fails to deliver, and for how long: one that has just begun
// to, as when a leader moves, and holds no more than half of an equal part, is not held
// back yet. The caller holds the lock of a's owner.
func (b *Budget) Mark(a *Account, failing, long bool) {
	if !failing && !a.dead {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.counted && a.dead != failing {
		b.dead += sign(failing)
		b.review()
	}
	a.dead = failing
	if back := failing && (long || a.held > b.whole()/2/int64(max(1, b.n))); back != a.failing {
		a.failing = back
		b.failing += int64(sign(back)) * a.held
		b.needed -= int64(sign(back)) * a.most()
	}
}

// sign is 1 or -1.
func sign(plus bool) int {
	if plus {
		return 1
	}
	return -1
}

// allows reports whether the rules let a have size bytes more.
func (b *Budget) allows(a *Account, size int64, c Claim) bool {
	left := b.limit - max(b.copies, b.copiesLeast()) - b.used - size
	first := a.held+size <= b.part
	switch {
	case left < 0:
		return false
	case first && !a.failing || c == Only:
		return true
	case first:
		return left >= max(b.kept/4, b.spare/2)
	case c == Moved && a.failing:
		return left >= b.kept/2
	case c == Moved:
		return left >= b.whole()/64
	case c == Fresh && !a.failing:
		return left >= b.spare
	case a.unknown:
		return left >= b.kept && a.held+size <= b.whole()/4*3/int64(max(1, b.unknown))
	case c == ForBatch && !a.failing:
		return left >= b.kept/4*3
	case c == ForBatch:
		return left >= b.kept
	}
	others := b.whole() - b.reserve() - b.failing - size
	return left >= b.kept && a.held+size <= ownShare*others
}

// Take charges a buffer of at least n bytes to a and returns it empty, or nil
// when there is no room for it.
func (b *Budget) Take(a *Account, n int, c Claim) []byte { return b.TakeExact(a, openSize(n), c) }

// TakeExact is Take for a buffer that has hardly more than n bytes.
func (b *Budget) TakeExact(a *Account, n int, c Claim) []byte {
	size := Size(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	if !b.allows(a, int64(size), c) {
		return nil
	}
	return b.charged(a, size)
}

// Force is Take without asking whether there is room. It is for the one case in
// which a batch in memory must become two; it returns nil only when the
// operating system has no memory.
func (b *Budget) Force(a *Account, n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.charged(a, Size(n))
}

// charged returns an empty buffer that is charged to a.
func (b *Budget) charged(a *Account, size int) []byte {
	buf := b.buffer(size)
	if buf != nil {
		b.add(a, int64(size))
	}
	return buf
}

// Give returns a buffer of a.
func (b *Budget) Give(a *Account, buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.discharge(a, int64(cap(buf)))
	b.keep(buf)
}

// Exchange returns a buffer with room for n bytes in place of buf, which must
// be at least that large. It never fails: at worst it is buf itself. The
// caller copies what it needs into the new buffer and then calls Release(buf)
// if the two differ.
func (b *Budget) Exchange(a *Account, buf []byte, n int) []byte {
	size := Size(n)
	if size >= cap(buf) {
		return buf[:0]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	small := b.buffer(size)
	if small == nil {
		return buf[:0]
	}
	b.discharge(a, int64(cap(buf)))
	b.add(a, int64(size))
	return small
}

// StartCopy charges the client's copy of a batch to a broker, whose copies are
// of, or to all partitions together that have failed, if that is nil. All copies
// have a quarter of the limit, as far as batches leave it, and always what is set
// aside for them. Partitions that have failed may have half of that, and one broker
// four times what it leaves to the others, so that those that do not answer leave some
// to those that do. A single copy is always let through, so that everything moves.
func (b *Budget) StartCopy(of *int64, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := max(b.copiesLeast(), min(b.limit/4, b.limit-b.used-b.spare))
	free := all - b.copies - n
	most := 4 * free
	if of == nil {
		of, most = &b.retries, all/2
	}
	fair := *of+n <= most
	if b.copies > 0 && (free < 0 || !fair && *of > 0) {
		return false
	}
	b.copies += n
	*of += n
	return true
}

// EndCopy takes back StartCopy's charge.
func (b *Budget) EndCopy(of *int64, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of == nil {
		of = &b.retries
	}
	b.copies -= n
	*of -= n
}

// Bytes is what is charged now.
func (b *Budget) Bytes() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used + b.copies
}

func (b *Budget) add(a *Account, size int64) {
	before := a.most()
	a.held += size
	a.peak = max(a.peak, a.held)
	b.used += size
	if a.failing {
		b.failing += size
	} else {
		b.needed += a.most() - before
		b.peak = max(b.peak, b.used-b.failing)
	}
}

func (b *Budget) discharge(a *Account, size int64) {
	b.add(a, -size)
	select {
	case b.room <- struct{}{}:
	default:
	}
}

// AwaitRoom waits until something was given back; false when that takes too long,
// or ctx ends.
func (b *Budget) AwaitRoom(ctx context.Context, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-b.room:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// Limit is the most that all buffers together may take.
func (b *Budget) Limit() int64 { return b.limit }
