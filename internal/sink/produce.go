package sink

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Versions of Produce that are served: those whose records are batches of
// format version 2 and whose encoding is not yet the flexible one.
const (
	minProduceVersion = 3
	maxProduceVersion = 8
)

// maxTopicName is Kafka's own limit in bytes.
const maxTopicName = 249

// The header of a record batch (Apache Kafka documentation, "Message Format").
const (
	batchHeaderSize   = 61
	batchLengthOffset = 8 // counts what follows its own four bytes
	batchMagicOffset  = 16
	batchCountOffset  = 57
	batchMagic        = 2
)

// produce counts the batches of a Produce request and acknowledges them. The
// request is read piece by piece; of a batch only its header is looked at.
func (s *session) produce(head requestHead) error {
	if head.version < minProduceVersion || head.version > maxProduceVersion {
		return fmt.Errorf("sink: produce request of version %d: versions %d to %d are served",
			head.version, minProduceVersion, maxProduceVersion)
	}
	response := kmsg.NewPtrProduceResponse()
	response.SetVersion(head.version)
	s.skipString() // transactional id
	acks := s.int16()
	s.skip(4) // time-out
	for range s.count() {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = s.string()
		for range s.count() {
			topic.Partitions = append(topic.Partitions, s.partition())
		}
		response.Topics = append(response.Topics, topic)
	}
	if s.err == nil && s.left != 0 {
		s.err = fmt.Errorf("sink: produce request has %d bytes too many", s.left)
	}
	if s.err != nil {
		return s.err
	}
	s.sink.requests.Add(1)
	if err := s.wait(); err != nil {
		return err
	}
	if acks == 0 {
		return nil
	}
	return s.send(head, response)
}

// count reads the length of an array; each element takes four bytes or more.
func (s *session) count() int {
	n := int(s.int32())
	if n > s.left/4 && s.err == nil {
		s.err = fmt.Errorf("sink: %d elements in %d bytes", n, s.left)
	}
	if s.err != nil {
		return 0
	}
	return max(n, 0)
}

// partition reads the batches for one partition.
func (s *session) partition() kmsg.ProduceResponseTopicPartition {
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition = s.int32()
	for left := int(s.int32()); left > 0 && s.err == nil; {
		left -= s.batch(left)
	}
	return p
}

// batch counts a batch that has at most this many bytes, and returns how many
// it had.
func (s *session) batch(most int) int {
	header := s.read(batchHeaderSize)
	size := batchLengthOffset + 4 + int(int32(binary.BigEndian.Uint32(header[batchLengthOffset:])))
	if s.err == nil && (header[batchMagicOffset] != batchMagic || size < batchHeaderSize || size > most) {
		s.err = fmt.Errorf("sink: record batch of magic %d and %d bytes, where %d are left", header[batchMagicOffset], size, most)
	}
	if s.err != nil {
		return most
	}
	records := binary.BigEndian.Uint32(header[batchCountOffset:])
	s.skip(size - batchHeaderSize)
	if s.err == nil {
		s.sink.batches.Add(1)
		s.sink.bytes.Add(uint64(size))
		s.sink.records.Add(uint64(records))
	}
	return size
}
