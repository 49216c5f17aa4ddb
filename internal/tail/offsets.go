package tail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"
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
			return nil, fmt.Errorf("tail: topic %q does not exist at %s: create it, or name another",
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
	requests := make([]kafka.OffsetRequest, 0, 3*len(partitions))
	for _, partition := range partitions {
		requests = append(requests, kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition))
		if from.kind == atTime {
			requests = append(requests, kafka.TimeOffsetOf(partition, from.time))
		}
	}
	res, err := t.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{t.cfg.Topic: requests}})
	if err != nil {
		return nil, fmt.Errorf("tail: looking up offsets of topic %q: %w", t.cfg.Topic, t.explain(err))
	}
	spans := make(map[int32]span, len(partitions))
	for _, p := range res.Topics[t.cfg.Topic] {
		if p.Error != nil {
			return nil, fmt.Errorf("tail: looking up offsets of partition %d of topic %q: %w", p.Partition, t.cfg.Topic, t.explain(p.Error))
		}
		spans[int32(p.Partition)] = span{begin: beginOf(&p, from), end: p.LastOffset}
	}
	return spans, nil
}

// beginOf returns the offset of a position, within what there is.
func beginOf(p *kafka.PartitionOffsets, from Position) int64 {
	switch from.kind {
	case atStart:
		return p.FirstOffset
	case atTime:
		for offset := range p.Offsets {
			if offset >= 0 {
				return offset
			}
		}
		return p.LastOffset
	case atOffset:
		offset := from.offset
		if offset < 0 {
			offset += p.LastOffset
		}
		return min(max(offset, p.FirstOffset), p.LastOffset)
	default:
		return p.LastOffset
	}
}
