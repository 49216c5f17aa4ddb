package publisher

import (
	"errors"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/produce"

	"github.com/flowpub/flowpub/publisher/failure"
)

// errNoAnswer is the error of a batch that the answer does not mention.
var errNoAnswer = errors.New("the answer does not mention the partition")

// answerFor finds a partition's result in the broker's answer.
func answerFor(answer *produce.Response, p *partition) failure.Outcome {
	for _, t := range answer.Topics {
		if t.Topic != p.target.name {
			continue
		}
		for _, part := range t.Partitions {
			if part.Partition == p.number {
				return failure.Answer(kafka.Error(part.ErrorCode), part.ErrorMessage)
			}
		}
	}
	return failure.Unanswered(errNoAnswer)
}
