package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/testwait"
)

func Example() {
	b, err := broker.Start(broker.Config{Topic: "flows", Partitions: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	conn, err := kafka.Dial("tcp", b.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	partitions, err := conn.ReadPartitions("flows")
	fmt.Println(len(partitions), err)
	// Output: 3 <nil>
}

func TestProduceAndConsume(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Config{Topic: "flows", Partitions: 2})
	produce(t, b, 1, []byte("first"), []byte("second"))

	// By its advertised address, as a consumer that starts from nothing.
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr()}, Topic: "flows", Partition: 1, MaxWait: 50 * time.Millisecond})
	t.Cleanup(func() { reader.Close() })
	for _, want := range []string{"first", "second"} {
		message, err := reader.ReadMessage(t.Context())
		if err != nil || string(message.Value) != want {
			t.Fatalf("got %q, error %v; want %q", message.Value, err, want)
		}
	}
	produce(t, b, 0, []byte("third"))
	if got := b.Produced(); got != 3 {
		t.Errorf("%d records were produced, want 3", got)
	}
}

// Not parallel: it measures this process's memory.
func TestMemoryIsBounded(t *testing.T) {
	const (
		retention = broker.MinRetentionBytes
		batch     = 512 << 10
		batches   = 128 // 64 MiB, 32 times the retention
	)
	b := start(t, broker.Config{Topic: "flows", Partitions: 1, RetentionBytes: retention})
	before := heapBytes()
	value := make([]byte, batch)
	for i := range batches {
		fill(value, uint64(i))
		produce(t, b, 0, value)
	}

	first := awaitFirstOffset(t, b, batches-retention/batch)
	// The retention, twice for how memory grows, and a segment; the rest is what
	// this test and its client hold.
	grown := heapBytes() - before
	t.Logf("memory grew by %d KiB", grown>>10)
	if grown > 4*retention+4<<20 {
		t.Errorf("after %d MiB were produced, memory had grown by %d KiB; retention is %d KiB", batches*batch>>20, grown>>10, retention>>10)
	}
	if first == batches {
		t.Error("nothing was kept")
	}
	if got := b.Produced(); got != batches {
		t.Errorf("%d records were produced, want %d", got, batches)
	}

	want := make([]byte, batch)
	fill(want, uint64(first))
	if got := read(t, b, first); !bytes.Equal(got, want) {
		t.Errorf("the oldest record kept, at offset %d, is not the one produced", first)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	b := start(t, broker.Config{Topic: "flows", Partitions: 1})
	client, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	b.Close()
	b.Close()

	client.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a client's connection should be cut off, got error %v", err)
	}
	// The address is free again.
	again := start(t, broker.Config{Address: b.Addr(), Topic: "flows", Partitions: 1})
	if again.Addr() != b.Addr() {
		t.Errorf("listens on %s, want %s", again.Addr(), b.Addr())
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	taken := start(t, broker.Config{Topic: "flows", Partitions: 1})
	tests := []struct {
		name string
		cfg  broker.Config
		want []string // parts of the error
	}{
		{"no topic", broker.Config{Partitions: 1}, []string{"no topic"}},
		{"no partitions", broker.Config{Topic: "t"}, []string{"0 partitions", "1 to 1024"}},
		{"too many partitions", broker.Config{Topic: "t", Partitions: 1025}, []string{"1025 partitions", "1 to 1024"}},
		{"all at once", broker.Config{}, []string{"no topic", "0 partitions"}},
		{
			"retention below a batch",
			broker.Config{Topic: "t", Partitions: 1, RetentionBytes: 1000},
			[]string{"retention is 1000 bytes", "at least 2097152"},
		},
		{"address without port", broker.Config{Address: "127.0.0.1", Topic: "t", Partitions: 1}, []string{`"127.0.0.1"`, "host:port"}},
		{"address without host", broker.Config{Address: ":9092", Topic: "t", Partitions: 1}, []string{`":9092" names no host`}},
		{"unspecified host", broker.Config{Address: "[::]:9092", Topic: "t", Partitions: 1}, []string{`"[::]:9092" names no host`}},
		{"address in use", broker.Config{Address: taken.Addr(), Topic: "t", Partitions: 1}, []string{taken.Addr(), "in use", "choose another"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, err := broker.Start(tt.cfg)
			if err == nil {
				b.Close()
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

// The demo falls back to a free port on this error.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	taken := start(t, broker.Config{Topic: "flows", Partitions: 1})
	if _, err := broker.Start(broker.Config{Address: taken.Addr(), Topic: "flows", Partitions: 1}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("error is %v, want EADDRINUSE", err)
	}
}

func start(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// produce sends each value in a batch of its own, acknowledged.
func produce(t *testing.T, b *broker.Broker, partition int, values ...[]byte) {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(b.Addr()), Timeout: 10 * time.Second}
	for _, value := range values {
		res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic:        "flows",
			Partition:    partition,
			RequiredAcks: kafka.RequireAll,
			Records:      kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(value)}),
		})
		if err != nil || res.Error != nil {
			t.Fatal(err, res)
		}
	}
}

// read returns the record at offset of partition 0.
func read(t *testing.T, b *broker.Broker, offset int64) []byte {
	t.Helper()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr()}, Topic: "flows", MaxWait: 50 * time.Millisecond})
	defer reader.Close()
	if err := reader.SetOffset(offset); err != nil {
		t.Fatal(err)
	}
	message, err := reader.ReadMessage(t.Context())
	if err != nil || message.Offset != offset {
		t.Fatalf("read offset %d, error %v; want offset %d", message.Offset, err, offset)
	}
	return message.Value
}

// awaitFirstOffset polls until partition 0 begins at want or later, and returns
// where.
func awaitFirstOffset(t *testing.T, b *broker.Broker, want int64) int64 {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(b.Addr())}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var first int64
	testwait.Until(t, 10*time.Second, fmt.Sprintf("the first offset is %d", want), func() bool {
		res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
			Topics: map[string][]kafka.OffsetRequest{"flows": {kafka.FirstOffsetOf(0)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		first = res.Topics["flows"][0].FirstOffset
		return first >= want
	})
	return first
}

// fill makes value incompressible and different for each seed.
func fill(value []byte, seed uint64) {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	// Reading from ChaCha8 never fails.
	_, _ = rand.NewChaCha8(key).Read(value)
}

// heapBytes is the memory that live objects occupy.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC() // the first one only empties pools
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
