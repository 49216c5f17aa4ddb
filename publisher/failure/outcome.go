package failure

import "github.com/segmentio/kafka-go"

// Verdict is what is to be done with a batch after an attempt.
type Verdict uint8

// The verdicts.
const (
	// Again: the same bytes, under the same sequence numbers, later.
	Again Verdict = iota
	// Delivered: done.
	Delivered
	// TooLarge: the broker takes it only in parts, if at all.
	TooLarge
	// Invalid: the broker calls the records invalid.
	Invalid
	// UnknownProducer: the broker does not know the producer id, or has seen
	// other sequence numbers under it.
	UnknownProducer
)

// Outcome is what became of an attempt to deliver a batch.
type Outcome struct {
	Verdict Verdict
	// Definite: the batch is not in Kafka by this attempt. Anything but
	// Delivered that is not definite leaves that open.
	Definite bool
	Kind     Kind
	Err      error
}

// outcomes are the errors in a broker's answer that need more than trying again.
// Those not listed are tried again, and their outcome counts as open: the
// broker may have appended the batch before it ran into them, as it may with
// NOT_LEADER_OR_FOLLOWER, which a leader that is deposed while it waits for the
// replicas gives for a batch that survives.
var outcomes = map[kafka.Error]Outcome{
	kafka.InvalidMessage:             {Verdict: Invalid, Definite: true},
	kafka.InvalidTimestamp:           {Verdict: Invalid, Definite: true},
	kafka.InvalidRecord:              {Verdict: Invalid, Definite: true},
	kafka.MessageSizeTooLarge:        {Verdict: TooLarge, Definite: true},
	kafka.RecordListTooLarge:         {Verdict: TooLarge, Definite: true},
	kafka.OutOfOrderSequenceNumber:   {Verdict: UnknownProducer, Definite: true},
	kafka.InvalidProducerEpoch:       {Verdict: UnknownProducer, Definite: true},
	kafka.UnknownProducerId:          {Verdict: UnknownProducer, Definite: true},
	kafka.InvalidProducerIDMapping:   {Verdict: UnknownProducer, Definite: true},
	kafka.ProducerFenced:             {Verdict: UnknownProducer, Definite: true},
	kafka.NotEnoughReplicas:          {Definite: true},
	kafka.TopicAuthorizationFailed:   {Definite: true},
	kafka.ClusterAuthorizationFailed: {Definite: true},
	kafka.UnsupportedCompressionType: {Definite: true},
	kafka.InvalidRequiredAcks:        {Definite: true},
	kafka.ThrottlingQuotaExceeded:    {Definite: true},
	// What is refused before anything is appended, as a whole request.
	kafka.UnsupportedVersion:          {Definite: true},
	kafka.InvalidRequest:              {Definite: true},
	kafka.UnsupportedForMessageFormat: {Definite: true},
	kafka.PolicyViolation:             {Definite: true},
	kafka.InvalidTopic:                {Definite: true},
}

// Answer is the outcome that a broker's answer tells. A broker that has seen the
// sequence numbers before has the batch.
func Answer(code kafka.Error, message string) Outcome {
	if code == 0 || code == kafka.DuplicateSequenceNumber {
		return Outcome{Verdict: Delivered}
	}
	o := outcomes[code]
	o.Kind = ofCode(code)
	o.Err = Code(int16(code), message)
	return o
}

// Unsent is the outcome of an attempt that sent nothing of the batch.
func Unsent(err error) Outcome {
	return Outcome{Verdict: Again, Definite: true, Kind: Of(err), Err: err}
}

// Unanswered is the outcome of an attempt that sent the batch, or part of it, and
// had no answer.
func Unanswered(err error) Outcome {
	return Outcome{Verdict: Again, Kind: Of(err), Err: err}
}
