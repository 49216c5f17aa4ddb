package tail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	// clientID names this program in the brokers' logs and quotas.
	clientID = "flowtail"
	// startTimeout is how long brokers have to answer at the start.
	startTimeout = 10 * time.Second
	// partitionInterval is how often partitions that were added are looked for.
	partitionInterval = 5 * time.Second
	// fetchWait is the longest time a broker may wait for records before it
	// answers, and so the longest time that ending takes.
	fetchWait = 500 * time.Millisecond
)

// source reads the messages of all partitions of a topic.
type source struct {
	cfg      Config
	security Security
	dialer   *kafka.Dialer
	client   *kafka.Client
	messages chan kafka.Message
	interval time.Duration
}

// positions returns where to begin in each partition. The end is looked up
// here, once, so that nothing produced later is missed, however long it takes
// to connect to the partition.
func (s *source) positions(ctx context.Context) (map[int]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	partitions, err := s.partitions(ctx)
	if err != nil {
		return nil, err
	}
	positions := make(map[int]int64, len(partitions))
	for _, partition := range partitions {
		positions[partition] = kafka.FirstOffset
	}
	if s.cfg.From == FromEnd {
		err = s.lookUpEnds(ctx, positions)
	}
	return positions, err
}

// partitions returns the topic's partitions.
func (s *source) partitions(ctx context.Context) ([]int, error) {
	res, err := s.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{s.cfg.Topic}})
	if err != nil {
		return nil, fmt.Errorf("tail: no broker answers: %w", s.explain(err))
	}
	var partitions []int
	for _, topic := range res.Topics {
		if errors.Is(topic.Error, kafka.UnknownTopicOrPartition) {
			return nil, fmt.Errorf("tail: topic %q does not exist at %s: create it, or name another",
				s.cfg.Topic, strings.Join(s.cfg.Brokers, ","))
		}
		if topic.Error != nil {
			return nil, fmt.Errorf("tail: topic %q: %w", s.cfg.Topic, s.explain(topic.Error))
		}
		for i := range topic.Partitions {
			partitions = append(partitions, topic.Partitions[i].ID)
		}
	}
	return partitions, nil
}

// lookUpEnds sets each position to the offset that the partition's next record
// will have.
func (s *source) lookUpEnds(ctx context.Context, positions map[int]int64) error {
	var requests []kafka.OffsetRequest
	for partition := range positions {
		requests = append(requests, kafka.LastOffsetOf(partition))
	}
	res, err := s.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{s.cfg.Topic: requests},
	})
	if err != nil {
		return fmt.Errorf("tail: looking up the end of topic %q: %w", s.cfg.Topic, s.explain(err))
	}
	for _, partition := range res.Topics[s.cfg.Topic] {
		if partition.Error != nil {
			return fmt.Errorf("tail: looking up the end of partition %d of topic %q: %w", partition.Partition, s.cfg.Topic, s.explain(partition.Error))
		}
		positions[partition.Partition] = partition.LastOffset
	}
	return nil
}

// read hands on the messages of all partitions, those that are added included,
// until ctx ends. It returns when all its readers have ended.
func (s *source) read(ctx context.Context, positions map[int]int64) {
	var readers sync.WaitGroup
	defer readers.Wait()
	known := make(map[int]bool, len(positions))
	for partition, offset := range maps.All(positions) {
		known[partition] = true
		readers.Go(func() { s.readPartition(ctx, partition, offset) })
	}
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// An error here is the brokers' being away, which the readers report.
		partitions, _ := s.partitions(ctx)
		for _, partition := range partitions {
			if known[partition] {
				continue
			}
			known[partition] = true
			// All of its records are new.
			readers.Go(func() { s.readPartition(ctx, partition, kafka.FirstOffset) })
		}
	}
}

// readPartition hands on the messages of a partition until ctx ends. What goes
// wrong is logged when it begins, and tried again by the reader, which waits in
// between.
func (s *source) readPartition(ctx context.Context, partition int, offset int64) {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers:         s.cfg.Brokers,
		Topic:           s.cfg.Topic,
		Partition:       partition,
		Dialer:          s.dialer,
		MaxWait:         fetchWait,
		ReadLagInterval: -1, // never
	})
	// Without a group neither can fail.
	_ = reader.SetOffset(offset)
	defer func() { _ = reader.Close() }()
	failing := false
	for {
		message, err := reader.FetchMessage(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			err = s.explain(err)
			if !failing {
				s.cfg.Logger.Warn("reading a partition failed; trying again", "topic", s.cfg.Topic, "partition", partition, "error", err)
			}
			failing = true
			continue
		}
		failing = false
		select {
		case s.messages <- message:
		case <-ctx.Done():
			return
		}
	}
}
