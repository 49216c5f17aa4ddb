package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"google.golang.org/protobuf/proto"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

const (
	// early is how much the clocks of exporters and collectors may differ.
	early = time.Minute
	// fetchWait is how long a broker may wait for records.
	fetchWait = 500 * time.Millisecond
	// none is the offset of a record that is not there.
	none = -1
)

// topic reads flows from all partitions of a topic.
type topic struct {
	brokers []string
	name    string
	client  *kafka.Client
	readers map[int]*kafka.Reader
}

func newTopic(brokers []string, name string) *topic {
	return &topic{
		brokers: brokers, name: name,
		client:  &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second, Transport: &kafka.Transport{}},
		readers: make(map[int]*kafka.Reader),
	}
}

func (t *topic) close() {
	for _, r := range t.readers {
		_ = r.Close() // nothing was written
	}
}

// read hands on, one after the other, the flows received since, or a little before,
// until the topic has not grown for as long as quiet.
func (t *topic) read(ctx context.Context, since time.Time, quiet time.Duration, add func(*flowv1.FlowRecord)) error {
	positions, err := t.start(ctx, since.Add(-early))
	if err != nil {
		return err
	}
	for {
		ends, err := t.offsets(ctx, kafka.LastOffsetOf)
		if err != nil {
			return err
		}
		grown, err := t.advance(ctx, positions, ends, add)
		if err != nil || !grown {
			return err
		}
		select {
		case <-time.After(quiet):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// start is where each partition has its first record since, or will have it.
func (t *topic) start(ctx context.Context, since time.Time) (map[int]int64, error) {
	// The ends first, or what comes in between would be passed over.
	ends, err := t.offsets(ctx, kafka.LastOffsetOf)
	if err != nil {
		return nil, err
	}
	positions, err := t.offsets(ctx, func(partition int) kafka.OffsetRequest { return kafka.TimeOffsetOf(partition, since) })
	if err != nil {
		return nil, err
	}
	for partition, offset := range positions {
		if offset == none {
			positions[partition] = ends[partition]
		}
	}
	return positions, nil
}

// offsets looks up an offset of each partition; it may be none.
func (t *topic) offsets(ctx context.Context, of func(partition int) kafka.OffsetRequest) (map[int]int64, error) {
	meta, err := t.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{t.name}})
	if err != nil {
		return nil, fmt.Errorf("no broker answers at %s: %w", strings.Join(t.brokers, ","), err)
	}
	var requests []kafka.OffsetRequest
	for _, found := range meta.Topics {
		if found.Error != nil {
			return nil, fmt.Errorf("topic %s: %w", t.name, found.Error)
		}
		for i := range found.Partitions {
			requests = append(requests, of(found.Partitions[i].ID))
		}
	}
	res, err := t.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{t.name: requests}})
	if err != nil {
		return nil, fmt.Errorf("looking up offsets of topic %s: %w", t.name, err)
	}
	offsets := make(map[int]int64)
	for i := range res.Topics[t.name] {
		p := &res.Topics[t.name][i]
		if p.Error != nil {
			return nil, fmt.Errorf("looking up an offset of partition %d of topic %s: %w", p.Partition, t.name, p.Error)
		}
		offsets[p.Partition] = p.LastOffset
		for offset := range maps.Keys(p.Offsets) { // that of a time
			offsets[p.Partition] = offset
		}
	}
	return offsets, nil
}

// advance reads each partition from its position to its end, and moves the
// position there. It reports whether there was anything to read.
func (t *topic) advance(ctx context.Context, positions, ends map[int]int64, add func(*flowv1.FlowRecord)) (grown bool, err error) {
	var (
		group  sync.WaitGroup
		mutex  sync.Mutex
		failed error
	)
	for partition, end := range ends {
		from := positions[partition]
		if from >= end {
			continue
		}
		grown = true
		positions[partition] = end
		r := t.reader(partition, from)
		group.Go(func() {
			err := readTo(ctx, r, end, func(f *flowv1.FlowRecord) {
				mutex.Lock()
				defer mutex.Unlock()
				add(f)
			})
			if err != nil {
				mutex.Lock()
				defer mutex.Unlock()
				failed = fmt.Errorf("reading partition %d of topic %s: %w", partition, t.name, err)
			}
		})
	}
	group.Wait()
	return grown, failed
}

// reader returns the partition's reader, which continues where it was.
func (t *topic) reader(partition int, from int64) *kafka.Reader {
	if t.readers[partition] == nil {
		t.readers[partition] = kafka.NewReader(kafka.ReaderConfig{
			Brokers: t.brokers, Topic: t.name, Partition: partition, MaxBytes: 8 << 20, MaxWait: fetchWait, ReadLagInterval: -1,
		})
		_ = t.readers[partition].SetOffset(from) // without a group it cannot fail
	}
	return t.readers[partition]
}

// readTo hands on the flows of a partition up to an offset.
func readTo(ctx context.Context, r *kafka.Reader, end int64, add func(*flowv1.FlowRecord)) error {
	var f flowv1.FlowRecord
	for {
		message, err := r.FetchMessage(ctx)
		if err != nil {
			return err
		}
		if err := proto.Unmarshal(message.Value, &f); err != nil {
			return fmt.Errorf("offset %d is no flow record: %w", message.Offset, err)
		}
		add(&f)
		if message.Offset >= end-1 {
			return nil
		}
	}
}
