package main

import "sync"

// tailSize is how much a tail keeps.
const tailSize = 4 << 10

// tail is a writer that keeps the end of what is written. It is safe for
// concurrent use.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	t.kept = append(t.kept[:0], t.kept[max(0, len(t.kept)-tailSize):]...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}
