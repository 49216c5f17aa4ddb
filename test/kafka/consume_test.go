//go:build kafka

package kafka_test

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// message is what a consumer got.
type message struct {
	key, value []byte
	time       time.Time
	headers    []header
}

type header struct{ name, value string }

// topic is a slice of partitions, each with its messages in the order of their
// offsets.
type topic [][]message

func (t topic) size() int {
	n := 0
	for _, messages := range t {
		n += len(messages)
	}
	return n
}

// consumer reads everything that a topic holds, partition ends as given.
type consumer struct {
	name string
	read func(t *testing.T, c *cluster, name string, ends []int64) topic
}

// consumers are independent implementations of Kafka's protocol, the last
// Kafka's own.
func consumers() []consumer {
	return []consumer{
		{"kafka-go", readWithKafkaGo}, {"franz-go", readWithFranzGo},
		{"librdkafka", readWithKcat}, {"Java", readWithJava},
	}
}

func readWithKafkaGo(t *testing.T, c *cluster, name string, ends []int64) topic {
	t.Helper()
	got := make(topic, len(ends))
	var readers sync.WaitGroup
	for p, end := range ends {
		readers.Go(func() {
			r := kafkago.NewReader(kafkago.ReaderConfig{
				Brokers: c.brokers, Topic: name, Partition: p, MaxBytes: 8 << 20, MaxWait: 100 * time.Millisecond,
			})
			defer r.Close()
			for offset := range end {
				m, err := r.ReadMessage(t.Context())
				if err != nil || m.Offset != offset {
					t.Errorf("partition %d: offset %d, want %d, error %v", p, m.Offset, offset, err)
					return
				}
				read := message{key: m.Key, value: m.Value, time: m.Time}
				for _, h := range m.Headers {
					read.headers = append(read.headers, header{h.Key, string(h.Value)})
				}
				got[p] = append(got[p], read)
			}
		})
	}
	readers.Wait()
	return got
}

func readWithFranzGo(t *testing.T, c *cluster, name string, ends []int64) topic {
	t.Helper()
	got := make(topic, len(ends))
	for p, records := range c.records(t, name, ends) {
		for _, r := range records {
			read := message{key: r.Key, value: r.Value, time: r.Timestamp}
			for _, h := range r.Headers {
				read.headers = append(read.headers, header{h.Key, string(h.Value)})
			}
			got[p] = append(got[p], read)
		}
	}
	return got
}

// records reads with franz-go, which also tells how a message was stored.
func (c *cluster) records(t *testing.T, name string, ends []int64) [][]*kgo.Record {
	t.Helper()
	got := make([][]*kgo.Record, len(ends))
	c.each(t, name, ends, func(r *kgo.Record) { got[r.Partition] = append(got[r.Partition], r) })
	return got
}

// each hands over one message after the other, those of a partition in the order
// of their offsets.
func (c *cluster) each(t *testing.T, name string, ends []int64, take func(*kgo.Record)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumeTopics(name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	next := make([]int64, len(ends))
	for missing := sum(ends); missing > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d messages are missing: %v", missing, sum(ends), err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != next[r.Partition] {
				t.Errorf("partition %d: offset %d, want %d", r.Partition, r.Offset, next[r.Partition])
			}
			next[r.Partition] = r.Offset + 1
			take(r)
			missing--
		})
	}
}

// readWithJava runs Kafka's console consumer.
func readWithJava(t *testing.T, c *cluster, name string, ends []int64) topic {
	t.Helper()
	needJava(t)
	args := []string{
		"consume", name, "--from-beginning", "--timeout-ms", "60000",
		"--max-messages", strconv.FormatInt(sum(ends), 10),
	}
	for _, property := range []string{
		"print.timestamp=true", "print.partition=true", "print.offset=true", "print.headers=true", "print.key=true",
		"value.deserializer=org.apache.kafka.common.serialization.BytesDeserializer",
	} {
		args = append(args, "--formatter-property", property)
	}
	got := make(topic, len(ends))
	for line := range strings.Lines(c.script(t, nil, "", args...)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) != 6 {
			t.Fatalf("the console consumer printed %q", line)
		}
		p := labelled(t, row[1], "Partition:")
		if offset := labelled(t, row[2], "Offset:"); offset != int64(len(got[p])) {
			t.Errorf("partition %d: offset %d, want %d", p, offset, len(got[p]))
		}
		_, stamp, _ := strings.Cut(row[0], ":") // behind CreateTime or LogAppendTime
		got[p] = append(got[p], message{
			key: []byte(row[4]), value: unescape(t, row[5]), time: time.UnixMilli(labelled(t, stamp, "")),
			headers: splitHeaders(row[3], ":"), // NO_HEADERS without one
		})
	}
	return got
}

// labelled returns the number after a label.
func labelled(t *testing.T, field, label string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimPrefix(field, label), 10, 64)
	if err != nil {
		t.Fatalf("%q should be %s and a number", field, label)
	}
	return n
}

// unescape returns the bytes that Java's class Bytes has printed: what is not
// readable ASCII, and the backslash, as \x and two digits.
func unescape(t *testing.T, text string) []byte {
	t.Helper()
	b := make([]byte, 0, len(text))
	for len(text) > 0 {
		plain, rest, escaped := strings.Cut(text, `\x`)
		b = append(b, plain...)
		if text = rest; !escaped {
			break
		}
		decoded, err := hex.DecodeString(text[:2])
		if err != nil {
			t.Fatalf("%q does not begin with two digits: %v", text, err)
		}
		b, text = append(b, decoded...), text[2:]
	}
	return b
}
