package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/failure"
)

// fetchVersion is the version of the requests for records: Kafka 2.1 and later take it, and
// give batches of every codec to who asks so.
const fetchVersion = 10

// fetchLimit is how much of a partition is asked for at once. A larger batch comes whole.
const fetchLimit = 1 << 20

// errOldBroker is why nothing can be read from brokers that do not know fetchVersion.
var errOldBroker = &failure.Error{
	Kind: failure.Kind{Name: "unsupported_version", Cure: "run brokers of Kafka 2.1 or later", Slow: true},
	Err:  errors.New("the broker does not take requests for records as this program makes them"),
}

// Log is what was read of a partition.
type Log struct {
	// Start and End are the offsets of the first record that there is, and behind the last one.
	Start, End int64
	// Batches are record batches as the broker has them, the last of them perhaps in part.
	Batches []byte
}

// Fetch reads the records of a partition from an offset on. If there are none, the broker waits
// for some, up to wait.
func (c *Cluster) Fetch(ctx context.Context, topic string, partition int32, offset int64, wait time.Duration) (*Log, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+controlTimeout)
	defer cancel()
	request := readOf(topic, partition, offset, wait)
	request.clientID = c.cfg.ClientID
	response, err := c.Do(ctx, request)
	if err != nil {
		return nil, err
	}
	answer, ok := response.(*fetchAnswer)
	if !ok {
		return nil, fmt.Errorf("the answer is a %T", response)
	}
	log, err := answer.log(topic, partition)
	return log, c.Discreet(err)
}

// readOf is the request for what a partition has.
func readOf(topic string, partition int32, offset int64, wait time.Duration) *fetchRequest {
	return &fetchRequest{Request: &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: fetchLimit, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{Topic: topic, Partitions: []fetch.RequestPartition{{
			Partition: partition, CurrentLeaderEpoch: -1, FetchOffset: offset, LogStartOffset: -1, PartitionMaxBytes: fetchLimit,
		}}}},
	}}
}

// startOf is the request for where a partition begins.
func startOf(topic string, partition int32) *listoffsets.Request {
	const earliest = -2
	return &listoffsets.Request{ReplicaID: -1, Topics: []listoffsets.RequestTopic{{
		Topic: topic, Partitions: []listoffsets.RequestPartition{{Partition: partition, CurrentLeaderEpoch: -1, Timestamp: earliest}},
	}}}
}

// Start returns the offset of the first record of a partition.
func (c *Cluster) Start(ctx context.Context, topic string, partition int32) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	response, err := c.Do(ctx, startOf(topic, partition))
	if err != nil {
		return 0, err
	}
	answer, ok := response.(*listoffsets.Response)
	if !ok {
		return 0, fmt.Errorf("the answer is a %T", response)
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if t.Topic == topic && p.Partition == partition {
				return p.Offset, c.Discreet(failure.Code(p.ErrorCode, ""))
			}
		}
	}
	return 0, errUnmentioned
}

var errUnmentioned = errors.New("the answer does not mention the partition")

// fetchRequest is a Fetch request that writes itself and reads its answer: the client would
// decompress all records of it into memory, however many they are.
type fetchRequest struct {
	*fetch.Request
	clientID string
	version  int16 // that the client would choose
}

// Prepare is part of protocol.PreparedMessage.
func (r *fetchRequest) Prepare(version int16) { r.version = version }

// Required is part of protocol.RawExchanger.
func (*fetchRequest) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange is part of protocol.RawExchanger.
func (r *fetchRequest) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	if r.version < fetchVersion {
		return nil, errOldBroker
	}
	b, err := exchangeBytes(conn, frameOf(protocol.Fetch, fetchVersion, r.clientID, r.body()), answers.MaxFetch)
	if err != nil {
		return nil, err
	}
	return &fetchAnswer{b}, nil
}

// body is the request without its head, as Kafka's protocol guide has it.
func (r *fetchRequest) body() []byte {
	text := func(b []byte, s string) []byte { return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) }
	t := &r.Topics[0]
	p := &t.Partitions[0]
	b := make([]byte, 0, 128)
	for _, v := range []int32{r.ReplicaID, r.MaxWaitTime, r.MinBytes, r.MaxBytes} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, 0) // records of open transactions, too: nobody makes any
	for _, v := range []int32{r.SessionID, r.SessionEpoch, 1} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = text(b, t.Topic)
	for _, v := range []int32{1, p.Partition, p.CurrentLeaderEpoch} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.FetchOffset))
	b = binary.BigEndian.AppendUint64(b, uint64(p.LogStartOffset))
	b = binary.BigEndian.AppendUint32(b, uint32(p.PartitionMaxBytes))
	return binary.BigEndian.AppendUint32(b, 0) // topics to forget
}

// fetchAnswer is an answer without its size. Package answers has checked its lengths.
type fetchAnswer struct{ b []byte }

// ApiKey is part of protocol.Message.
func (*fetchAnswer) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive // the client's name

// log returns what the answer tells of the only partition that was asked for.
func (a *fetchAnswer) log(topic string, partition int32) (*Log, error) {
	c := cursor{b: a.b}
	c.take(4 + 4) // number of the request, throttle time
	if err := failure.Code(int16(c.uint(2)), ""); err != nil {
		return nil, err
	}
	c.take(4) // session
	topics, name, partitions, number := c.uint(4), c.text(), c.uint(4), c.uint(4)
	if topics != 1 || partitions != 1 || string(name) != topic || int32(number) != partition {
		return nil, errUnmentioned
	}
	code := int16(c.uint(2))
	end := int64(c.uint(8))
	c.take(8) // last stable offset
	start := int64(c.uint(8))
	if aborted := int32(c.uint(4)); aborted > 0 {
		c.take(16 * int(aborted))
	}
	size := int32(c.uint(4))
	batches := c.take(int(max(size, 0)))
	if err := failure.Code(code, ""); err != nil {
		return nil, err
	}
	if c.short {
		return nil, io.ErrUnexpectedEOF
	}
	return &Log{Start: start, End: end, Batches: slices.Clip(batches)}, nil
}

// cursor reads numbers one after the other. Behind the end they are zero.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.b, c.short = nil, true
		return nil
	}
	head := c.b[:n]
	c.b = c.b[n:]
	return head
}

func (c *cursor) uint(width int) (n uint64) {
	for _, v := range c.take(width) {
		n = n<<8 | uint64(v)
	}
	return n
}

func (c *cursor) text() []byte { return c.take(int(c.uint(2))) }

// OutOfRange reports whether an error says that a partition has no such offset.
func OutOfRange(err error) bool { return errors.Is(err, kafka.OffsetOutOfRange) }
