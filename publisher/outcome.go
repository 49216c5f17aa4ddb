package publisher

import (
	"errors"

	"github.com/segmentio/kafka-go"

	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// verdict is what is to be done with a batch after an attempt.
type verdict = kinds.Verdict

const (
	delivered       = kinds.Delivered
	tooLarge        = kinds.TooLarge
	refused         = kinds.Invalid
	unknownProducer = kinds.UnknownProducer
)

// outcome is what became of an attempt to deliver a batch.
type outcome struct {
	verdict  verdict
	definite bool
	failure
	err error
}

// failure is a kind of failure.
type failure struct {
	name, cure                         string
	moved, slow, unconnected, identity bool
}

func failureOf(k kinds.Kind) failure {
	return failure{k.Name, k.Cure, k.Moved, k.Slow, k.Unconnected, k.Identity}
}

func outcomeOf(o kinds.Outcome) outcome {
	return outcome{o.Verdict, o.Definite, failureOf(o.Kind), o.Err}
}

type (
	kindError = kinds.Error
)

var (
	failureMemory     = kinds.Memory
	failureProducerID = kinds.ProducerID

	errNoLeader = kinds.ErrNoLeader
	errNoAnswer = errors.New("the answer does not mention the partition")
)

func failureNames() []string { return kinds.Names() }

func sentence(err error) string { return kinds.Sentence(err) }

func brokerAnswer(code kafka.Error, message string) outcome {
	return outcomeOf(kinds.Answer(code, message))
}

func localFailure(err error) outcome { return outcomeOf(kinds.Unsent(err)) }

func unansweredFailure(err error) outcome { return outcomeOf(kinds.Unanswered(err)) }
