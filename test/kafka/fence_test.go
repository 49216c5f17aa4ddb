//go:build kafka

package kafka_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
)

// Somebody else publishes under the producer id with a newer epoch: brokers refuse
// what comes under the old one, and it goes under a new id.
func (c *cluster) producerFenced(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "fenced", 1)
	tr := newTraffic(57)
	p := startPublisher(t, c.brokers, name, nil)
	tr.publish(t, p, 10, 30)
	testwait.Until(t, 30*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	c.fence(t, name)
	tr.publish(t, p, 10, 30)
	s := c.account(t, p, name, tr, terms{})
	if s.ProduceErrors["unknown_producer"] == 0 {
		t.Errorf("errors %v, want an epoch refused", s.ProduceErrors)
	}
}

// A batch is stored, its answer is lost, and before it is sent again the producer is
// fenced: brokers cannot tell that they have it. It is there twice, and all of it is
// counted as such.
func (c *cluster) fencedAfterLostAnswer(t *testing.T) {
	name := c.createTopic(t, "fencedlost", 1)
	tr := newTraffic(58)
	p := startPublisher(t, c.proxied, name, impatient)
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the first batch is delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	c.mute(true)
	defer c.mute(false)
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the second is stored", func() bool { return uint64(sum(c.ends(t, name))) == tr.flows() })
	awaitError(t, p, "timeout", 30*time.Second)
	c.fence(t, name)
	c.mute(false)
	s := c.account(t, p, name, tr, terms{duplicates: true})
	if s.ProduceErrors["unknown_producer"] == 0 || s.PossiblyDuplicated != 16*30 {
		t.Errorf("errors %v, %d possibly duplicated, want an epoch refused and %d", s.ProduceErrors, s.PossiblyDuplicated, 16*30)
	}
}

// forged is the key of a message that no exporter has sent.
const forged = "forged"

// fence publishes a message to partition 0 under the producer id of what is there,
// with the next epoch.
func (c *cluster) fence(t *testing.T, name string) {
	t.Helper()
	var last *kgo.Record
	c.each(t, name, c.ends(t, name), func(r *kgo.Record) { last = r })
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = forgedBatch(last.ProducerID, last.ProducerEpoch+1)
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = name, c.topicID(t, name)
	topic.Partitions = append(topic.Partitions, part)
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 10_000
	request.Topics = append(request.Topics, topic)
	response, err := c.admin.Broker(int(c.leader(t, name, 0))).Request(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	answer, ok := response.(*kmsg.ProduceResponse)
	if !ok {
		t.Fatalf("the answer is a %T", response)
	}
	if err := kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode); err != nil {
		t.Fatalf("fencing the producer of topic %s: %v", name, err)
	}
}

// forgedBatch is a record batch of one message with the first sequence number of an
// epoch.
func forgedBatch(producer int64, epoch int16) []byte {
	const beforeLength, beforeCRC = 8 + 4, 8 + 4 + 4 + 1 // bytes up to the end of Length, and up to the CRC
	message := kmsg.Record{Key: []byte(forged)}
	message.Length = int32(len(message.AppendTo(nil)) - 1) // without its own byte
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli(),
		ProducerID: producer, ProducerEpoch: epoch, NumRecords: 1, Records: message.AppendTo(nil),
	}
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-beforeLength))
	binary.BigEndian.PutUint32(b[beforeCRC:], crc32.Checksum(b[beforeCRC+4:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
