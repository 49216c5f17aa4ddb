package tail

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"
)

// answering is a cluster that answers every request the same.
type answering struct{ response kafka.Response }

func (a answering) RoundTrip(context.Context, net.Addr, kafka.Request) (kafka.Response, error) {
	return a.response, nil
}

// An answer about what was not asked for says nothing.
func TestOffsetsThatWereNotAskedFor(t *testing.T) {
	t.Parallel()
	offset := func(partition int32, offset int64) listoffsets.ResponsePartition {
		return listoffsets.ResponsePartition{Partition: partition, Timestamp: -2, Offset: offset}
	}
	answer := &listoffsets.Response{Topics: []listoffsets.ResponseTopic{
		{Topic: "others", Partitions: []listoffsets.ResponsePartition{offset(0, 7)}},
		{Topic: topicName, Partitions: []listoffsets.ResponsePartition{offset(0, 5), offset(9, 6), offset(-1, 8), offset(1, -1)}},
	}}
	topic := &topic{cfg: &Config{Topic: topicName}, client: &kafka.Client{Transport: answering{answer}}}
	got, err := topic.offsets(t.Context(), []int{0, 1}, kafka.FirstOffsetOf)
	if want := map[int32]int64{0: 5}; err != nil || !maps.Equal(got, want) {
		t.Errorf("offsets %v, error %v, want %v", got, err, want)
	}
	answer.Topics[1].Partitions[0].ErrorCode = int16(kafka.NotLeaderForPartition)
	topic.security = plain{}
	if _, err = topic.offsets(t.Context(), []int{0, 1}, kafka.FirstOffsetOf); !errors.Is(err, kafka.NotLeaderForPartition) {
		t.Errorf("error %v, want that of partition 0", err)
	}
}

// A peer whose first answer claims to have more than there is costs no memory: the answer is refused.
func TestAnswersAreChecked(t *testing.T) {
	t.Parallel()
	address := peer(t, func(conn net.Conn) {
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		answer := append(binary.BigEndian.AppendUint32(nil, 10), head[8:]...) // its size, the request's number
		answer = append(answer, 0, 0)                                         // no error
		_, _ = conn.Write(binary.BigEndian.AppendUint32(answer, 40_000_000))  // so many kinds of requests
		_, _ = io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := Run(ctx, Config{Brokers: []string{address}, Topic: topicName, Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "40000000 requests are in 0 bytes: look at that broker's version and log") {
		t.Errorf("error %v", err)
	}
}
