package publisher

import (
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// pending is a batch of one partition from the first record appended to the last
// attempt to deliver it. Its owner's lock guards it until the partition is busy
// with it; then the goroutine of the request has it.
type pending struct {
	batch.Batch
	opened time.Time

	sealing bool // somebody compresses it now

	// stamped: the batch has a producer id and sequence numbers, which stay the
	// same in all attempts, until a broker says that it does not know the id.
	stamped bool
	// unanswered: an attempt was made whose outcome is not known, so that the
	// records may be in Kafka.
	unanswered bool
	// doubted: the records have been counted as possibly duplicated.
	doubted bool
	// refusals counts how often the brokers called the batch invalid.
	refusals int
}

// noProducer is what a batch carries that brokers need not recognise.
var noProducer = cluster.Producer{ID: -1, Epoch: -1}

// half makes b, which has been split, one of its halves, and returns the second
// with as much of b's past as matters. Neither has an identity.
func (b *pending) half(second batch.Batch) *pending {
	b.stamped, b.refusals = false, 0
	return &pending{Batch: second, opened: b.opened, unanswered: b.unanswered, doubted: b.doubted}
}

// stamp gives b its identity for all attempts to come.
func (b *pending) stamp(p cluster.Producer, sequence int32) {
	b.stamped = true
	b.Stamp(p.ID, p.Epoch, sequence)
}

// nextSequence is the sequence number after n records from one on: it goes from
// 2^31-1 to 0.
func nextSequence(sequence int32, n int) int32 {
	return int32((int64(sequence) + int64(n)) & (1<<31 - 1))
}
