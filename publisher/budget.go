package publisher

import (
	"math/bits"
	"sync"
)

// Sizes of batch buffers.
const (
	minBuffer  = 16 << 10
	fineBuffer = 64 << 10 // above this, sizes are multiples of it
)

// budget hands out the buffers of all batches and keeps their sum within a
// limit. It also keeps one partition from taking what the others need:
//
//   - an account may hold at most a share: a quarter of the limit (half of it
//     between two accounts, a third between three) or two full batches;
//   - half of the limit is set aside in equal parts, so that however many
//     partitions are dead, a living one always finds its part free.
//
// Buffers that come back are kept for reuse up to an eighth of the limit, and
// only within it. It is safe for concurrent use; it is asked once a batch, not
// once a packet.
type budget struct {
	mu    sync.Mutex
	limit int64
	used  int64 // charged to accounts and requests

	share  int64 // most an account may hold
	floor  int64 // what every account may hold whatever the others do
	common int64 // the rest, first come first served
	beyond int64 // what accounts hold above their floors, together

	copies      int64 // the client's copies of requests under way
	copiesLimit int64

	pooled int64
	pool   map[int][][]byte

	// room has a token after something was given back.
	room chan struct{}
}

// account is what one partition holds of the budget.
type account struct {
	held int64
	// most, when not zero, takes the place of the budget's share.
	most int64
}

// full tells whether it is the account's own share, not the sum of all, that
// leaves no room for n bytes more.
func (b *budget) full(a *account, n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return a.held+int64(openSize(n)) > b.share
}

// newBudget returns a budget of limit bytes for n topics, of one account each
// until their partitions are known. An eighth of it,
// or one full request if that is more, is kept for the client's copies of
// requests under way.
func newBudget(limit int64, n int) *budget {
	b := &budget{limit: limit, pool: make(map[int][][]byte), room: make(chan struct{}, 1)}
	b.copiesLimit = max(limit/8, MaxBatchBytes+fineBuffer)
	b.setAccounts(n, nil)
	return b
}

// forBatches is what of the limit all accounts together may hold.
func (b *budget) forBatches() int64 { return b.limit - b.copiesLimit }

// forEverything is what the stages together may hold that keep everything of
// topics while no partition of them is known: the rest is for the partitions,
// when that moves there.
func (b *budget) forEverything() int64 { return b.forBatches() / 4 * 3 }

// setAccounts shares the budget between n accounts from now on. holders are
// those that hold something of it, or may.
func (b *budget) setAccounts(n int, holders []*account) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.share = max(b.forBatches()/int64(min(n, 4)), 2*int64(bufferSize(MaxBatchBytes)))
	b.floor = b.forBatches() / 2 / int64(n)
	if b.floor < minBuffer {
		b.floor = 0
	}
	b.common = b.forBatches() - b.floor*int64(n)
	b.beyond = 0
	for _, a := range holders {
		b.beyond += max(0, a.held-b.floor)
	}
}

// openSize is the capacity of the buffer handed out for n bytes that are still to
// be written: a power of two up to the largest batch, so that nearly every buffer
// that is given back is of use to the next one.
func openSize(n int) int {
	size := bufferSize(n)
	if n > fineBuffer && n <= MaxBatchBytes {
		size = 1 << bits.Len(uint(n-1))
	}
	return size
}

// bufferSize is the capacity of the buffer handed out for n bytes that are there:
// hardly more, since a batch may wait in it for long.
func bufferSize(n int) int {
	size := minBuffer
	for size < fineBuffer {
		if n <= size {
			return size
		}
		size *= 2
	}
	return (n + fineBuffer - 1) / fineBuffer * fineBuffer
}

// take charges a buffer of at least n bytes to a and returns it empty, or nil
// when there is no room for it.
func (b *budget) take(a *account, n int) []byte {
	size := openSize(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.charge(a, int64(size)) {
		return nil
	}
	buf := b.buffer(size)
	if buf == nil {
		b.discharge(a, int64(size))
	}
	return buf
}

// force is take without asking whether there is room. It is for the one case in
// which a batch in memory must become two; it returns nil only when the
// operating system has no memory.
func (b *budget) force(a *account, n int) []byte {
	size := bufferSize(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	buf := b.buffer(size)
	if buf != nil {
		b.add(a, int64(size))
	}
	return buf
}

// give returns a buffer of a.
func (b *budget) give(a *account, buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.discharge(a, int64(cap(buf)))
	b.keep(buf)
}

// exchange returns a buffer with room for n bytes in place of buf, which must
// be at least that large. It never fails: at worst it is buf itself. The
// caller copies what it needs into the new buffer and then calls release(buf)
// if the two differ.
func (b *budget) exchange(a *account, buf []byte, n int) []byte {
	size := bufferSize(n)
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

// release puts away a buffer that is no longer charged.
func (b *budget) release(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(buf)
}

// startCopy charges the client's copy of a request. One request is always let
// through, so that a budget smaller than a request still moves.
func (b *budget) startCopy(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.copies > 0 && b.copies+n > b.copiesLimit {
		return false
	}
	b.copies += n
	return true
}

// endCopy takes back startCopy's charge.
func (b *budget) endCopy(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.copies -= n
}

// bytes is what is charged now.
func (b *budget) bytes() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used + b.copies
}

// close unmaps the buffers kept for reuse.
func (b *budget) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shrink(0)
}

// charge adds size to what a holds if every rule allows it.
func (b *budget) charge(a *account, size int64) bool {
	held, most := a.held+size, b.share
	if a.most > 0 {
		most = a.most
	}
	if held > most {
		return false
	}
	over := max(0, held-b.floor) - max(0, a.held-b.floor)
	if over > 0 && b.beyond+over > b.common {
		return false
	}
	if b.used+size > b.forBatches() {
		return false
	}
	b.add(a, size)
	return true
}

func (b *budget) add(a *account, size int64) {
	b.beyond += max(0, a.held+size-b.floor) - max(0, a.held-b.floor)
	a.held += size
	b.used += size
}

func (b *budget) discharge(a *account, size int64) {
	b.add(a, -size)
	select {
	case b.room <- struct{}{}:
	default:
	}
}

// buffer returns an empty buffer of exactly size bytes, kept or new; nil when
// the operating system refuses one.
func (b *budget) buffer(size int) []byte {
	if kept := b.pool[size]; len(kept) > 0 {
		buf := kept[len(kept)-1]
		b.pool[size] = kept[:len(kept)-1]
		b.pooled -= int64(size)
		return buf
	}
	b.shrink(max(0, b.limit-b.used-int64(size)))
	buf, err := mapMemory(size)
	if err != nil {
		return nil
	}
	return buf[:0]
}

// keep puts buf away for reuse, or gives it back to the operating system.
func (b *budget) keep(buf []byte) {
	size := int64(cap(buf))
	if b.pooled+size > b.limit/8 || b.used+b.pooled+size > b.limit {
		unmapMemory(buf[:size])
		return
	}
	b.pool[int(size)] = append(b.pool[int(size)], buf[:0])
	b.pooled += size
}

// shrink gives buffers kept for reuse back until they are at most n bytes.
func (b *budget) shrink(n int64) {
	for size, kept := range b.pool {
		for len(kept) > 0 && b.pooled > n {
			unmapMemory(kept[len(kept)-1][:size])
			kept = kept[:len(kept)-1]
			b.pooled -= int64(size)
		}
		b.pool[size] = kept
	}
}
