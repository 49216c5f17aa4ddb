//go:build linux

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	segmentio "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/pcap"
)

// Every recording comes with the rows that an independent decoder found in it.

func TestCaptures(t *testing.T) {
	t.Parallel()
	replayDirectory(t, filepath.Join("..", "..", "decoder", "netflow5", "testdata"), 4)
}

func TestRealCaptures(t *testing.T) {
	t.Parallel()
	replayDirectory(t, corpus.FieldRecordings(t, "netflow5"), 15)
}

// replayDirectory replays every recording in dir that has expected rows; it
// wants at least so many.
func replayDirectory(t *testing.T, dir string, atLeast int) {
	t.Helper()
	for _, path := range corpus.Find(t, atLeast, filepath.Join(dir, "*.expected.csv*")) {
		capture, _, _ := strings.Cut(path, ".expected.csv")
		t.Run(filepath.Base(capture), func(t *testing.T) {
			t.Parallel()
			replayCapture(t, capture, corpus.Table(t, path))
		})
	}
}

func replayCapture(t *testing.T, capture string, rows []row) {
	t.Helper()
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_FORMATS=netflow_v5", "FLOWPUB_KAFKA_LINGER=5ms")
	begun := time.Now()
	replay := sendCapture(t, capture, p.UDP)
	m := p.awaitDatagrams(t, replay.Stats().Datagrams)
	want := judgeCapture(t, capture)
	want.checkForeign(t, m)
	want.check(t, p.terminate(t))
	if uint64(len(rows)) != want.flows {
		t.Errorf("the datagrams hold %d flows, %d rows are expected", want.flows, len(rows))
	}

	wanted := expectedFlows(t, rows, replay.Sources())
	received := span{begun, time.Now()}
	messages := readFranz(t, k)
	compareFlows(t, messages, wanted, received)
	compareFlows(t, readSegmentio(t, k), wanted, received)
	comparePartitions(t, messages, 4)
}

// sendCapture replays a capture, each exporter from its own address and, where
// it is free, from the recorded port.
func sendCapture(t *testing.T, capture, target string) *exporter.Replay {
	t.Helper()
	replay, err := exporter.NewReplay(exporter.ReplayConfig{
		Files: []string{capture}, Target: target, OwnSources: true, KeepPorts: true,
		Pace: exporter.PaceFixed, Rate: 2000,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := replay.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return replay
}

// judgeCapture says what is to become of the datagrams in a capture.
func judgeCapture(t *testing.T, capture string) *tally {
	t.Helper()
	file, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := newTally()
	err = pcap.Read(file, pcap.IsFlowExport, func(p pcap.Packet) error {
		all.add(p.Payload)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// message is a record as a consumer got it.
type message struct {
	partition  int
	key, value []byte
	timestamp  time.Time
}

// readFranz reads the topic with franz-go.
func readFranz(t *testing.T, k *kafka) (messages []message) {
	t.Helper()
	k.read(t, func(r *kgo.Record) {
		messages = append(messages, message{int(r.Partition), r.Key, r.Value, r.Timestamp})
	})
	return messages
}

// readSegmentio reads it with kafka-go.
func readSegmentio(t *testing.T, k *kafka) (messages []message) {
	t.Helper()
	for number, info := range k.PartitionInfos(topic) {
		messages = append(messages, readPartition(t, k, number, info.HighWatermark)...)
	}
	return messages
}

func readPartition(t *testing.T, k *kafka, number int, count int64) (messages []message) {
	t.Helper()
	reader := segmentio.NewReader(segmentio.ReaderConfig{
		Brokers: k.ListenAddrs(), Topic: topic, Partition: number, MaxWait: 50 * time.Millisecond,
	})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), readLimit)
	defer cancel()
	for range count {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, message{number, m.Key, m.Value, m.Time})
	}
	return messages
}

// comparePartitions holds the partitions against those that other producers
// choose by murmur2, as Java's do.
func comparePartitions(t *testing.T, messages []message, count int) {
	t.Helper()
	franz := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
	numbers := make([]int, count)
	for i := range numbers {
		numbers[i] = i
	}
	var last []byte
	for _, m := range messages {
		if bytes.Equal(m.key, last) {
			continue
		}
		last = m.key
		other := segmentio.Murmur2Balancer{Consistent: true}.Balance(segmentio.Message{Key: m.key}, numbers...)
		if want := franz.Partition(&kgo.Record{Key: m.key}, count); m.partition != want || m.partition != other {
			t.Errorf("key %s is in partition %d, franz-go chooses %d, kafka-go %d", m.key, m.partition, want, other)
		}
	}
}
