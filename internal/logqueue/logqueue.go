// Package logqueue keeps a program that logs from waiting for whoever reads its log.
//
// A write to a pipe waits while the pipe is full, for ever if nobody reads it. A
// [Queue] takes lines without waiting and writes them from a goroutine of its own.
// What it holds is bounded: when the reader falls behind too far the oldest lines
// are dropped and counted. The newest are kept, since they say how things are, and
// the last one is the account of everything.
package logqueue

import (
	"io"
	"sync"
	"time"
)

const (
	// DefaultLimit is how many bytes of lines a queue of the commands may hold:
	// several thousand lines.
	DefaultLimit = 1 << 20
	// lineCost is what a line takes beside its bytes: its slice, and its part of an
	// allocation's size.
	lineCost = 64
)

// Queue is an io.Writer that never waits. Each Write is one line for the output,
// whole or not at all. It is safe for concurrent use.
type Queue struct {
	out   io.Writer
	limit int
	ended chan struct{} // closed when all is written that ever will be

	mu      sync.Mutex
	changed *sync.Cond // there is a line, or closed is set
	lines   [][]byte
	held    int // what lines cost
	dropped uint64
	closed  bool
}

// New returns a queue of at most limit bytes in front of out. It is to be closed.
func New(out io.Writer, limit int) *Queue {
	q := &Queue{out: out, limit: limit, ended: make(chan struct{})}
	q.changed = sync.NewCond(&q.mu)
	go q.run()
	return q
}

// Write takes a copy of line. It never fails: a line for which there is no room is
// counted.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || lineCost+len(line) > q.limit {
		q.dropped++
		return len(line), nil
	}
	for q.held+lineCost+len(line) > q.limit {
		q.take()
		q.dropped++
	}
	q.lines = append(q.lines, append([]byte(nil), line...))
	q.held += lineCost + len(line)
	q.changed.Signal()
	return len(line), nil
}

// Dropped counts the lines that were not written: there was no room, or the output
// refused them.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Close takes no more lines, and waits until all are written, but no longer than
// limit. It reports whether they are.
func (q *Queue) Close(limit time.Duration) bool {
	q.mu.Lock()
	q.closed = true
	q.changed.Signal()
	q.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-q.ended:
		return true
	case <-timer.C:
		return false
	}
}

// run writes lines until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.ended)
	for {
		line, more := q.next()
		if !more {
			return
		}
		if _, err := q.out.Write(line); err != nil {
			q.mu.Lock()
			q.dropped++
			q.mu.Unlock()
		}
	}
}

// next waits for a line. There is none any more when the queue is closed and empty.
func (q *Queue) next() (line []byte, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.lines) == 0 && !q.closed {
		q.changed.Wait()
	}
	if len(q.lines) == 0 {
		return nil, false
	}
	return q.take(), true
}

// take removes the oldest line.
func (q *Queue) take() []byte {
	line := q.lines[0]
	q.lines[0] = nil
	q.lines = q.lines[1:]
	q.held -= lineCost + len(line)
	return line
}
