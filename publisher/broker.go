package publisher

import (
	"sync"
	"time"
)

// maxRequestsPerBroker may be under way at a time.
const maxRequestsPerBroker = 4

// broker is what the sender knows of one. It is safe for concurrent use.
type broker struct {
	id int32
	// inOrder lets only one request at a time be under way, on the broker's sole
	// connection: where brokers acknowledge nothing, two batches of a partition
	// would overtake each other on two of them. They still may when one breaks and
	// the next follows.
	inOrder bool
	// copies is what the client has copied for it, in bytes; the budget's lock
	// guards it.
	copies int64

	mu       sync.Mutex
	requests int // under way
	alone    int // of them, for a partition that has failed
	until    time.Time
}

// begin takes one of the broker's places for requests, if one is free and the
// broker has not asked to be left alone. Partitions that have failed, and may
// fail again after a long wait, leave one place to the others.
func (b *broker) begin(now time.Time, alone bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	places := maxRequestsPerBroker
	if b.inOrder {
		places = 1
	}
	if b.requests == places || (alone && b.alone > 0 && b.alone == places-1) || now.Before(b.until) {
		return false
	}
	b.requests++
	if alone {
		b.alone++
	}
	return true
}

// end gives the place back.
func (b *broker) end(alone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests--
	if alone {
		b.alone--
	}
}

// idle reports whether no request is under way.
func (b *broker) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests == 0
}

// throttle leaves the broker alone until a time.
func (b *broker) throttle(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = until
}

func (b *broker) throttledUntil() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until
}
