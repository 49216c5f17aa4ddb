package tail

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/tail/top"
	"github.com/flowpub/flowpub/internal/testlog"
)

// Flows come a minute apart, in each partition: number 10 * partition + minute. They are recent: a
// broker deletes old ones.
var firstMinute = time.Now().Add(-time.Hour).Truncate(time.Millisecond)

func minute(n int) time.Time { return firstMinute.Add(time.Duration(n) * time.Minute) }

// Reading begins and ends where it is asked to.
func TestSpans(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for partition := range 2 {
		for n := range 4 {
			produceAt(t, b, partition, minute(n), numbered(10*partition+n))
		}
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want []int
	}{
		{"from a time", Config{From: FromTime(minute(2)), Limit: 4}, []int{2, 3, 12, 13}},
		{"from a time until another", Config{From: FromTime(minute(1)), Until: minute(3)}, []int{1, 2, 11, 12}},
		{"between records", Config{From: FromTime(minute(1).Add(time.Second)), Until: minute(2).Add(time.Second)}, []int{2, 12}},
		{"until now", Config{From: FromStart, Until: time.Now()}, []int{0, 1, 2, 3, 10, 11, 12, 13}},
		{"nothing until then", Config{From: FromTime(minute(9)), Until: time.Now()}, nil},
		{"the end until now", Config{Until: time.Now()}, nil},
		{"an offset", Config{From: FromOffset(3), Until: time.Now()}, []int{3, 13}},
		{"before the end", Config{From: FromOffset(-1), Until: time.Now()}, []int{3, 13}},
		{"an offset beyond all", Config{From: FromOffset(99), Until: time.Now()}, nil},
		{"more than there is", Config{From: FromOffset(-99), Until: minute(1)}, []int{0, 10}},
		{"a partition", Config{From: FromStart, Until: time.Now(), Partitions: []int{1}}, []int{10, 11, 12, 13}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tt.cfg.Brokers, tt.cfg.Topic, tt.cfg.Out, tt.cfg.Format = []string{b.Addr()}, topicName, &out, FormatCSV
			runToEnd(t, tt.cfg)
			if got := numbersIn(out.String()); !slices.Equal(got, tt.want) {
				t.Errorf("got the flows %v, want %v", got, tt.want)
			}
		})
	}
}

// An end in the future is waited for, and what comes until then is read.
func TestUntilLater(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1))
	var out bytes.Buffer
	until := time.Now().Add(300 * time.Millisecond)
	summary := runToEnd(t, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Until: until, Out: &out})
	if summary.Printed != 1 || time.Now().Before(until) {
		t.Errorf("printed %d flows, and ended %v early", summary.Printed, time.Until(until))
	}
}

func TestNoSuchPartition(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	_, err := Run(t.Context(), Config{Brokers: []string{b.Addr()}, Topic: topicName, Partitions: []int{1, 7}, Out: io.Discard})
	if err == nil || err.Error() != `tail: topic "flows" has no partition 7: it has 3, numbered from 0` {
		t.Errorf("error is %v", err)
	}
}

// produceBomb produces a batch to a partition that becomes too large when it is read.
func produceBomb(t *testing.T, b *broker.Broker, partition int32) {
	t.Helper()
	const most = 2 * maxUnpacked
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(most), kgo.BrokerMaxWriteBytes(most), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	bomb := &kgo.Record{Topic: topicName, Partition: partition, Value: make([]byte, maxUnpacked+1)}
	if err := client.ProduceSync(t.Context(), bomb).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// A batch that would fill the memory is told, and passed over: what is before and behind it is shown.
func TestBombsArePassedOver(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produceBomb(t, b, 0)
	produce(t, b, 0, numbered(1))
	produceBomb(t, b, 0)
	produce(t, b, 0, numbered(2))
	produceBomb(t, b, 1)
	produce(t, b, 2, numbered(3))
	for name, group := range map[string]string{"alone": "", "in a group": "watchers"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			var book testlog.Book
			cfg := Config{
				Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Group: group, Format: FormatCSV, Out: &out, Logger: book.Logger(),
			}
			if group == "" {
				cfg.Until = time.Now()
			} else {
				cfg.Limit = 3
			}
			runToEnd(t, cfg)
			if got := numbersIn(out.String()); !slices.Equal(got, []int{1, 2, 3}) {
				t.Errorf("got the flows %v, want 1 to 3", got)
			}
			if got := strings.Count(book.Take(), "a batch is passed over"); got < 2 || got > 3 {
				t.Errorf("%d lines tell of what is passed over, want 2, or 3 if partition 1 was read in time", got)
			}
		})
	}
}

// What failed for all of a topic, and for a partition, is over when that partition is read again: it
// is logged when it comes again, and no longer keeps a run from ending.
func TestFaultsPass(t *testing.T) {
	t.Parallel()
	var log testlog.Book
	cfg := &Config{Topic: topicName, Logger: log.Logger(), Out: io.Discard}
	read := &topic{cfg: cfg, security: plain{}, failing: make(map[int32]bool), next: make(map[int32]int64)}
	for round := 1; round <= 2; round++ {
		for _, partition := range []int32{wholeTopic, 0, 0} {
			if err := read.fault(partition, kafka.LeaderNotAvailable); err != nil {
				t.Fatal(err)
			}
		}
		if lines := len(log.Lines("reading a partition failed")); lines != 2*round {
			t.Errorf("%d lines after %d rounds, want 2 each", lines, round)
		}
		record := &kgo.Record{Value: []byte("no flow record"), Offset: int64(round)}
		if err := read.takeAll(newSink(cfg), &kgo.FetchTopicPartition{Topic: topicName, FetchPartition: kgo.FetchPartition{Records: []*kgo.Record{record}}}); err != nil {
			t.Fatal(err)
		}
		if len(read.failing) > 0 {
			t.Errorf("these are still failing: %v", read.failing)
		}
	}
}

// A consumer group goes on where it stopped.
func TestGroup(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(0), numbered(1), numbered(2))
	for _, want := range [][]int{{0}, {1, 2}} {
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, err := Run(ctx, Config{
			Brokers: []string{b.Addr()}, Topic: topicName, Group: "watchers", From: FromStart, Limit: len(want), Format: FormatCSV, Out: &out,
		})
		cancel()
		if got := numbersIn(out.String()); err != nil || !slices.Equal(got, want) {
			t.Errorf("got the flows %v, want %v; error %v", got, want, err)
		}
	}
}

// Sums are shown so often, each time of what came since.
func TestRankingEvery(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1), numbered(1), numbered(2))
	ctx, cancel := context.WithCancel(t.Context())
	lines, ended := runPipedIn(ctx, t, Config{
		Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Format: FormatJSON,
		Top: top.Config{Keys: keysOf(t, "srcport"), By: top.Flows, Rows: 1}, Every: 50 * time.Millisecond,
	})
	if line := readLine(t, lines); !strings.Contains(line, `"srcport":"1001","flows":2,"packets":0,"octets":0}`) || !strings.HasPrefix(line, `{"until":"`) {
		t.Errorf("the first sum is %s", line)
	}
	produce(t, b, 0, numbered(3))
	if line := readLine(t, lines); !strings.Contains(line, `"srcport":"1003","flows":1,`) {
		t.Errorf("the second sum is %s", line)
	}
	cancel()
	if got := <-ended; got.err != nil || got.Printed != 4 {
		t.Errorf("%+v", got)
	}
}

// The table tells the share of each sum in all.
func TestRankingTable(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1), numbered(1), numbered(1), numbered(2))
	var out bytes.Buffer
	runToEnd(t, Config{
		Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Out: &out,
		Until: time.Now().Add(10 * time.Millisecond), // behind all that was produced in this one
		Top:   top.Config{Keys: keysOf(t, "src,srcport"), By: top.Flows, MaxSums: 1},
	})
	want := "SOURCE          SRCPORT   FLOWS PACKETS  OCTETS  SHARE\n" +
		"192.0.2.1       1001          3       0       0  75.0%\n" +
		"others                        1       0       0  25.0%\n" +
		"others: keys that came when 1 were kept; rows above may lack what came later, so add fewer keys, or a filter\n" +
		"all                           4       0       0 100.0%\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	minute := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	now := time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"now": now, "2026-01-31T12:00:00Z": minute(0), "2026-01-31T13:00:00+01:00": minute(0), "2026-01-31 12:01": minute(1),
		"2026-01-31T12:01:00.5": minute(1).Add(time.Second / 2), "2026-01-31": minute(-12 * 60),
		"12:01": minute(1), "12:02:00": minute(2), "12:31": minute(31 - 24*60),
	} {
		if got, err := ParseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "25:00", "2026-02-30", "10m"} {
		if got, err := ParseTime(text, now); err == nil {
			t.Errorf("%s is %v", text, got)
		}
	}
}

// numbersIn returns the numbers of the flows in CSV, in order.
func numbersIn(text string) (found []int) {
	for n := range 100 {
		for range strings.Count(text, fmt.Sprintf(",%d,192.0.2.2,", 1000+n)) {
			found = append(found, n)
		}
	}
	return found
}

// produceAt sends a value with a timestamp.
func produceAt(t *testing.T, b *broker.Broker, partition int, at time.Time, value []byte) {
	t.Helper()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport, Timeout: 10 * time.Second}
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topicName, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: at, Value: kafka.NewBytes(value)}),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
}
