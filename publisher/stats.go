package publisher

import "github.com/flowpub/flowpub/publisher/deadletter"

// DropReason says why a flow record was given up.
type DropReason uint8

// The reasons a flow record is dropped for.
const (
	// DropBufferFull: the budget had no room when the record came.
	DropBufferFull DropReason = iota
	// DropTooLarge: the brokers refuse the record even alone.
	DropTooLarge
	// DropRefused: the brokers called the record invalid, again and again.
	DropRefused
	// DropShutdown: given up at shutdown; never sent, or every attempt refused.
	DropShutdown
	// DropUnconfirmed: given up, for whatever reason, after an attempt whose
	// outcome is not known; the record may be in Kafka.
	DropUnconfirmed

	dropReasons
)

// String returns the reason's metric label.
func (r DropReason) String() string {
	return [dropReasons]string{"buffer_full", "too_large", "refused", "shutdown", "unconfirmed"}[r]
}

// DropReasons lists all reasons.
func DropReasons() []DropReason {
	all := make([]DropReason, dropReasons)
	for i := range all {
		all[i] = DropReason(i)
	}
	return all
}

// DeadLetterOutcome is what became of a dead letter.
type DeadLetterOutcome = deadletter.Outcome

// The outcomes, as package deadletter describes them.
const (
	DeadLetterDelivered   = deadletter.Delivered
	DeadLetterRateLimited = deadletter.RateLimited
	DeadLetterBufferFull  = deadletter.BufferFull
	DeadLetterFailed      = deadletter.Failed
)

// DeadLetterOutcomes lists all outcomes.
func DeadLetterOutcomes() []DeadLetterOutcome { return deadletter.Outcomes() }

// Stats is a snapshot of a Publisher. Flow counts are consistent with each
// other: Decoded = Delivered + the sum of Dropped + Buffered, exactly.
type Stats struct {
	// Decoded counts the flow records handed to Publish.
	Decoded uint64
	// Delivered counts those the brokers acknowledged (with AcksNone: those
	// written to a connection).
	Delivered uint64
	// Dropped counts those given up, by reason; every reason is present.
	Dropped map[DropReason]uint64
	// Buffered is the number waiting or under way.
	Buffered uint64
	// PossiblyDuplicated counts those sent again under a new producer id after
	// an attempt whose outcome is not known.
	PossiblyDuplicated uint64
	// BufferBytes is what the budget is charged with, BufferLimitBytes the
	// budget.
	BufferBytes, BufferLimitBytes int64
	// BufferEnoughBytes is the least budget that has room for a packet of each
	// partition, whatever part of them fails.
	BufferEnoughBytes int64
	// Batches counts acknowledged record batches; BytesRaw and BytesWire their
	// size before and after compression.
	Batches, BytesRaw, BytesWire uint64
	// ProduceErrors counts failed attempts by a bounded set of error names.
	ProduceErrors map[string]uint64
	// ProduceSeconds is how long produce requests took, answered or not.
	ProduceSeconds Histogram
	// TopicWarnings tells for each kind of topic warning whether it stands.
	TopicWarnings map[string]bool
	// Idempotent reports whether brokers recognise repeated batches.
	Idempotent bool
	// ThrottleSeconds adds up the pauses that brokers asked for in their answers, each
	// as far as it is kept.
	ThrottleSeconds float64
	// DeadLetters counts what became of those given to PublishDeadLetter; every
	// outcome is present.
	DeadLetters map[DeadLetterOutcome]uint64
	// SchemasMissing is how many topics have no schema id yet, with ValueConfluent.
	SchemasMissing int
	// Partitions is how many all topics have, as far as they are known;
	// PartitionsFailing of them have flows that wait after a failed attempt, or for long
	// without any.
	Partitions, PartitionsFailing int
	// Unreached reports whether the cluster, when last asked, told nothing of a topic.
	Unreached bool
}

// Histogram counts observations by size.
type Histogram struct {
	// Bounds are the upper bounds of all buckets but the last.
	Bounds []float64
	// Counts holds one count a bucket, not cumulative; the last is for what
	// exceeds all bounds.
	Counts []uint64
	// Sum adds up all observations.
	Sum float64
}
