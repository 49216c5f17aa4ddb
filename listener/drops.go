package listener

import "sync"

// dropCounter adds up a counter of the kernel's that has 32 bits and wraps. The
// zero value is ready for a new socket, whose counter is 0.
type dropCounter struct {
	// mu is held while the kernel is asked: were an older answer to come in
	// after a newer one, it would look like a wrap.
	mu    sync.Mutex
	last  uint32
	total uint64
	final bool // nothing is added any more
}

// update adds what read finds new, and returns the total. An error of read
// leaves the total as it is.
func (c *dropCounter) update(read func() (uint32, error)) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(read)
	return c.total
}

// finish is the last update: the total stays as it is then.
func (c *dropCounter) finish(read func() (uint32, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.final = c.add(read) || c.final
}

// add adds what read finds new and reports whether it could.
func (c *dropCounter) add(read func() (uint32, error)) bool {
	if c.final {
		return false
	}
	now, err := read()
	if err != nil {
		return false
	}
	c.total += uint64(now - c.last) // mod 2^32
	c.last = now
	return true
}
