package tail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// span is what of a partition is read: the offset of the first record, and that behind the
// last that there is.
type span struct{ begin, end int64 }

// partitions returns those of the topic that are to be read.
func (t *topic) partitions(ctx context.Context) ([]int, error) {
	res, err := t.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{t.cfg.Topic}})
	if err != nil {
		return nil, fmt.Errorf("tail: no broker answers: %w", t.explain(err))
	}
	var partitions []int
	for _, topic := range res.Topics {
		if errors.Is(topic.Error, kafka.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("tail: topic %q does not exist at %s: create it, or name another as -topic",
				t.cfg.Topic, strings.Join(t.cfg.Brokers, ","))
		}
		if topic.Error != nil {
			return nil, fmt.Errorf("tail: topic %q: %w", t.cfg.Topic, t.explain(topic.Error))
		}
		for i := range topic.Partitions {
			partitions = append(partitions, topic.Partitions[i].ID)
		}
	}
	return t.chosen(partitions)
}

// chosen returns which of the partitions that exist are to be read.
func (t *topic) chosen(exist []int) ([]int, error) {
	if len(t.cfg.Partitions) == 0 {
		return exist, nil
	}
	for _, wanted := range t.cfg.Partitions {
		if !slices.Contains(exist, wanted) {
			return nil, fmt.Errorf("tail: topic %q has no partition %d: it has %d, numbered from 0", t.cfg.Topic, wanted, len(exist))
		}
	}
	return t.cfg.Partitions, nil
}

// spans returns what is to be read of each partition. Ends are looked up here, once, so that
// nothing produced later is missed, however long it takes to connect.
func (t *topic) spans(ctx context.Context, partitions []int, from Position) (map[int32]span, error) {
	spans := make(map[int32]span, len(partitions))
	first, err := t.offsets(ctx, partitions, kafka.FirstOffsetOf)
	if err != nil {
		return nil, err
	}
	last, err := t.offsets(ctx, partitions, kafka.LastOffsetOf)
	if err != nil {
		return nil, err
	}
	var timed map[int32]int64
	if from.kind == atTime {
		if timed, err = t.offsets(ctx, partitions, func(p int) kafka.OffsetRequest { return kafka.TimeOffsetOf(p, from.time) }); err != nil {
			return nil, err
		}
	}
	for partition, end := range last {
		begin := end
		switch from.kind {
		case atStart:
			begin = first[partition]
		case atTime:
			if at, ok := timed[partition]; ok {
				begin = at
			}
		case atOffset:
			begin = from.offset
			if begin < 0 {
				begin += end
			}
			begin = min(max(begin, first[partition]), end)
		default: // at the end
		}
		spans[partition] = span{begin, end}
	}
	return spans, nil
}

// offsets looks up an offset of each partition; one without has none there. Kafka-go's function for it mixes up
// the answers to requests of several kinds, and breaks at a partition that it did not ask for.
func (t *topic) offsets(ctx context.Context, partitions []int, of func(int) kafka.OffsetRequest) (map[int32]int64, error) {
	request := &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{Topic: t.cfg.Topic}}}
	for _, partition := range partitions {
		request.Topics[0].Partitions = append(request.Topics[0].Partitions,
			listoffsets.RequestPartition{Partition: int32(partition), CurrentLeaderEpoch: -1, Timestamp: of(partition).Timestamp})
	}
	response, err := t.client.Transport.RoundTrip(ctx, t.client.Addr, request)
	if err != nil {
		return nil, fmt.Errorf("tail: looking up offsets of topic %q: %w", t.cfg.Topic, t.explain(err))
	}
	answer, ok := response.(*listoffsets.Response)
	if !ok {
		return nil, fmt.Errorf("tail: looking up offsets of topic %q: the answer is a %T", t.cfg.Topic, response)
	}
	found := make(map[int32]int64, len(partitions))
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			if topic.Topic != t.cfg.Topic || !slices.Contains(partitions, int(p.Partition)) {
				continue
			}
			if p.ErrorCode != 0 {
				return nil, fmt.Errorf("tail: looking up offsets of partition %d of topic %q: %w", p.Partition, t.cfg.Topic, t.explain(kafka.Error(p.ErrorCode)))
			}
			if p.Offset >= 0 {
				found[p.Partition] = p.Offset
			}
		}
	}
	return found, nil
}
