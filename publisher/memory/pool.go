package memory

import (
	"math/bits"
)

// Sizes of buffers.
const (
	smallStep = 4 << 10  // of buffers up to fineBuffer
	openStep  = 16 << 10 // the same, of those that are still to be filled
	// fineBuffer is the size above which all sizes are multiples of it.
	fineBuffer = 64 << 10
	// largeBuffer is the size up to which open buffers are powers of two.
	largeBuffer = 1 << 20
)

// openSize is the capacity of the buffer handed out for n bytes that are still to
// be written: above fineBuffer a power of two, so that nearly every buffer that
// is given back is of use to the next one.
func openSize(n int) int {
	switch {
	case n <= fineBuffer:
		return (max(n, 1) + openStep - 1) / openStep * openStep
	case n <= largeBuffer:
		return 1 << bits.Len(uint(n-1))
	default:
		return Size(n)
	}
}

// Size is the capacity of the buffer handed out for n bytes that are there:
// hardly more, since a batch may wait in it for long.
func Size(n int) int {
	step := fineBuffer
	if n <= fineBuffer {
		step = smallStep
	}
	return (max(n, 1) + step - 1) / step * step
}

// Release puts away a buffer that is no longer charged.
func (b *Budget) Release(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keep(buf)
}

// Close unmaps the buffers kept for reuse.
func (b *Budget) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shrink(0)
}

// buffer returns an empty buffer of exactly size bytes, kept or new; nil when
// the operating system refuses one.
func (b *Budget) buffer(size int) []byte {
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
func (b *Budget) keep(buf []byte) {
	size := int64(cap(buf))
	if b.pooled+size > b.limit/8 || b.used+b.pooled+size > b.limit {
		unmapMemory(buf[:size])
		return
	}
	b.pool[int(size)] = append(b.pool[int(size)], buf[:0])
	b.pooled += size
}

// shrink gives buffers kept for reuse back until they are at most n bytes.
func (b *Budget) shrink(n int64) {
	for size, kept := range b.pool {
		for len(kept) > 0 && b.pooled > n {
			unmapMemory(kept[len(kept)-1][:size])
			kept = kept[:len(kept)-1]
			b.pooled -= int64(size)
		}
		b.pool[size] = kept
	}
}
