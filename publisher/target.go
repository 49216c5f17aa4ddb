package publisher

import (
	"errors"
	"sync/atomic"

	"github.com/flowpub/flowpub/publisher/failure"
)

// target is a Kafka topic, as far as it is known.
type target struct {
	name string
	// seen is what the cluster last said of it.
	seen atomic.Pointer[sighted]
	// messageLimit is the largest record batch it takes, in bytes, as far as known;
	// else 0.
	messageLimit atomic.Int64
}

// sighted is what is known of a topic in the cluster. It is immutable.
type sighted struct {
	// leaders are the broker ids of the partitions' leaders, as last known, -1
	// where there is none; nil until they are first known.
	leaders []int32
	// problem is why its metadata could not be had when last asked for.
	problem error
	// gone: the cluster says that there is no such topic.
	gone bool
}

// errNotAsked is why a topic is not known that nobody has asked about.
var errNotAsked = errors.New("publisher: no broker has been asked yet")

// known reports whether the topic was ever reached.
func (s *sighted) known() bool { return s.leaders != nil }

// leader returns the broker that leads a partition.
func (s *sighted) leader(partition int32) (id int32, err error) {
	switch {
	case s.gone:
		return 0, s.problem
	case int(partition) >= len(s.leaders) || s.leaders[partition] < 0:
		return 0, failure.ErrNoLeader
	}
	return s.leaders[partition], nil
}

// unreached notes why the cluster could not be asked. What was known stays.
func (t *target) unreached(problem error) {
	before := t.seen.Load()
	t.seen.Store(&sighted{leaders: before.leaders, problem: problem, gone: before.gone})
}

// lowerMessageLimit notes that the topic takes no batch larger than n bytes.
func (t *target) lowerMessageLimit(n int) {
	for {
		known := t.messageLimit.Load()
		if known > 0 && known <= int64(n) || t.messageLimit.CompareAndSwap(known, int64(n)) {
			return
		}
	}
}
