//go:build kafka

package kafka_test

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// readWithLZ4 reads the batches as they are stored, and has the reference
// implementation's command line unpack those under LZ4.
func readWithLZ4(t *testing.T, c *cluster, name string, ends []int64) topic {
	t.Helper()
	need(t, "lz4", "lz4")
	got := make(topic, len(ends))
	for p, end := range ends {
		for offset := int64(0); offset < end; {
			for _, b := range c.batches(t, name, int32(p), offset) {
				got[p] = append(got[p], unpack(t, b)...)
				offset = b.FirstOffset + int64(b.NumRecords)
			}
		}
	}
	return got
}

// batches fetches batches of a partition, undecoded, from an offset on.
func (c *cluster) batches(t *testing.T, name string, partition int32, offset int64) []kmsg.RecordBatch {
	t.Helper()
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 8<<20
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = name, c.topicID(t, name), append(topic.Partitions, p)
	request := kmsg.NewPtrFetchRequest()
	request.MinBytes, request.MaxBytes, request.MaxWaitMillis = 1, 8<<20, 1000
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), c.admin.Broker(int(c.leader(t, name, partition))))
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	if err != nil {
		t.Fatalf("fetching partition %d: %v", partition, err)
	}
	fetched := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(fetched.ErrorCode); err != nil {
		t.Fatalf("fetching partition %d: %v", partition, err)
	}
	return splitBatches(t, fetched.RecordBatches)
}

// splitBatches leaves out a last batch that was cut off.
func splitBatches(t *testing.T, b []byte) []kmsg.RecordBatch {
	t.Helper()
	const lengthEnd = 8 + 4 // behind the first offset and the length
	var batches []kmsg.RecordBatch
	for len(b) >= lengthEnd {
		size := lengthEnd + int(binary.BigEndian.Uint32(b[8:]))
		if len(b) < size {
			break
		}
		var batch kmsg.RecordBatch
		if err := batch.ReadFrom(b[:size]); err != nil {
			t.Fatalf("a batch of %d bytes: %v", size, err)
		}
		batches, b = append(batches, batch), b[size:]
	}
	return batches
}

// unpack returns the messages of a batch that is stored plain or under LZ4.
func unpack(t *testing.T, b kmsg.RecordBatch) []message {
	t.Helper()
	plain := b.Records
	if b.Attributes&7 == 3 {
		cmd := exec.CommandContext(t.Context(), "lz4", "-d", "-c")
		cmd.Stdin = bytes.NewReader(b.Records)
		var err error
		if plain, err = cmd.Output(); err != nil {
			t.Fatalf("lz4 cannot read the batch at offset %d: %v", b.FirstOffset, err)
		}
	}
	messages := make([]message, b.NumRecords)
	for i := range messages {
		length, prefix := binary.Varint(plain)
		if prefix <= 0 || length < 0 || int(length) > len(plain)-prefix {
			t.Fatalf("the batch at offset %d ends before record %d", b.FirstOffset, i)
		}
		var r kmsg.Record
		if err := r.ReadFrom(plain[:prefix+int(length)]); err != nil || int(r.OffsetDelta) != i {
			t.Fatalf("the batch at offset %d, record %d: offset delta %d, error %v", b.FirstOffset, i, r.OffsetDelta, err)
		}
		messages[i] = message{key: r.Key, value: r.Value, time: time.UnixMilli(b.FirstTimestamp + r.TimestampDelta64)}
		for _, h := range r.Headers {
			messages[i].headers = append(messages[i].headers, header{h.Key, string(h.Value)})
		}
		plain = plain[prefix+int(length):]
	}
	if len(plain) > 0 {
		t.Errorf("%d bytes are behind the records of the batch at offset %d", len(plain), b.FirstOffset)
	}
	return messages
}

func (c *cluster) topicID(t *testing.T, name string) [16]byte {
	t.Helper()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err != nil {
		t.Fatalf("metadata of topic %s: %v", name, err)
	}
	return response.Topics[0].TopicID
}
