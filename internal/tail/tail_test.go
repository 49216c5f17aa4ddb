package tail

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/tail/filter"
	"github.com/flowpub/flowpub/internal/tail/flow"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

func Example() {
	b, err := broker.Start(broker.Config{Topic: "flows", Partitions: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	summary, err := Run(ctx, Config{Brokers: []string{b.Addr()}, Topic: "flows", From: FromStart, Format: FormatTable, Out: io.Discard})
	fmt.Println(summary.Printed, err)
	// Output: 0 <nil>
}

func TestRunFromStart(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for partition := range partitions {
		produce(t, b, partition, numbered(partition), numbered(partition+10))
	}
	var out bytes.Buffer
	summary := runToEnd(t, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Limit: 2 * partitions, Format: FormatCSV, Out: &out})
	if summary.Printed != 2*partitions {
		t.Errorf("printed %d flows, want %d", summary.Printed, 2*partitions)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1+2*partitions || !strings.HasPrefix(lines[0], "startTime,") {
		t.Fatalf("want a header and %d lines:\n%s", 2*partitions, out.String())
	}
	for partition := range partitions {
		first, second := lineOf(lines, partition), lineOf(lines, partition+10)
		if first == 0 || second == 0 || second < first {
			t.Errorf("the records of partition %d are in lines %d and %d:\n%s", partition, first, second, out.String())
		}
	}
}

func TestRunFromEnd(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	for partition := range partitions {
		produce(t, b, partition, numbered(partition))
	}
	lines, ended := runPiped(t, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromEnd, Limit: partitions})
	// The header says that the ends are known.
	if header := readLine(t, lines); !strings.HasPrefix(header, "START") {
		t.Fatalf("the first line is no header: %q", header)
	}
	for partition := range partitions {
		produce(t, b, partition, numbered(partition+10))
		// Read before the next is produced: it has to be flushed at once.
		if line := readLine(t, lines); lineOf([]string{line}, partition+10) == 0 {
			t.Errorf("want the flow with port %d, got %q", 1000+partition+10, line)
		}
	}
	if result := <-ended; result.err != nil || result.Printed != partitions {
		t.Errorf("printed %d flows, error %v; want %d", result.Printed, result.err, partitions)
	}
}

// A record is waited for however long nothing comes.
func TestRunWaits(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	lines, ended := runPiped(t, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Limit: 1})
	readLine(t, lines)
	<-time.After(2 * fetchWait) // several fetches come back empty
	produce(t, b, 0, numbered(1))
	if line := readLine(t, lines); lineOf([]string{line}, 1) == 0 {
		t.Errorf("want the flow with port 1001, got %q", line)
	}
	<-ended
}

func TestRunSkipsWhatIsNotAFlow(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, []byte("hello"), nil, numbered(1), []byte{0xff}, numbered(2))
	var out, log bytes.Buffer
	summary := runToEnd(t, Config{
		Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Limit: 2, Out: &out,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if summary.Printed != 2 || summary.Undecodable != 3 {
		t.Errorf("printed %d flows and met %d other messages, want 2 and 3", summary.Printed, summary.Undecodable)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "topic=flows partition=0 offset=0") {
		t.Errorf("want the first such message logged, and no more:\n%s", got)
	}
}

// Each form is told from the others, and named.
func TestRunTellsOfAnotherForm(t *testing.T) {
	t.Parallel()
	protobuf := numbered(1)
	forms := map[flow.Form][]byte{
		flow.Protobuf:          protobuf,
		flow.ProtobufDelimited: append([]byte{byte(len(protobuf))}, protobuf...),
		flow.Confluent:         append([]byte{0, 0, 0, 0, 7, 0}, protobuf...),
		flow.JSON:              []byte(`{"exporterAddress":"10.0.0.1","sourceAddress":"192.0.2.1","sourcePort":1001}`),
	}
	for has, value := range forms {
		for asked := range forms {
			if has == asked {
				continue
			}
			t.Run(fmt.Sprintf("%v read as %v", has, asked), func(t *testing.T) {
				t.Parallel()
				cfg := &Config{Value: asked, Out: io.Discard, Logger: slog.New(slog.DiscardHandler)}
				s := newSink(cfg)
				for range 3 {
					if err := s.take(&message{value: value}); err != nil {
						t.Fatal(err)
					}
				}
				want := fmt.Sprintf("tail: none of 3 messages can be read as %v: give -value %v, or leave it out", asked, has)
				if err := s.summary.unreadable(cfg); err == nil || err.Error() != want {
					t.Errorf("error is %v, want %s", err, want)
				}
			})
		}
	}
}

// A header that tells the form counts, unless a form was asked for.
func TestHeaderTellsTheForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		asked   flow.Form
		headers []kgo.RecordHeader
		want    int
	}{
		{flow.Auto, nil, 1},
		{flow.Auto, []kgo.RecordHeader{{Key: "content-type", Value: []byte("json")}}, 1},
		{flow.Auto, []kgo.RecordHeader{{Key: "flowpub", Value: []byte("json; flow.v2.FlowRecord")}}, 1},
		{flow.Auto, []kgo.RecordHeader{{Key: "flowpub", Value: []byte("avro; flow.v1.FlowRecord")}}, 1},
		{flow.Auto, []kgo.RecordHeader{{Key: "a", Value: []byte("b; c")}, {Key: "flowpub", Value: []byte("json; flow.v1.FlowRecord")}}, 0},
		{flow.Protobuf, []kgo.RecordHeader{{Key: "flowpub", Value: []byte("json; flow.v1.FlowRecord")}}, 1},
		{flow.JSON, []kgo.RecordHeader{{Key: "flowpub", Value: []byte("protobuf; flow.v1.FlowRecord")}}, 0},
	}
	for _, tt := range tests {
		s := newSink(&Config{Value: tt.asked, Out: io.Discard, Logger: slog.New(slog.DiscardHandler)})
		if err := s.take(&message{value: numbered(1), told: toldBy(tt.headers)}); err != nil {
			t.Fatal(err)
		}
		if s.summary.Printed != tt.want || s.summary.Undecodable != 1-tt.want {
			t.Errorf("%v, headers %v: printed %d, undecodable %d, want %d printed", tt.asked, tt.headers, s.summary.Printed, s.summary.Undecodable, tt.want)
		}
	}
}

func TestRunFailsWhenNothingIsAFlow(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, []byte("hello"), []byte("world"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	log := &firstWrite{done: cancel}
	_, err := Run(ctx, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Out: io.Discard, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err == nil || !strings.Contains(err.Error(), "of 2 messages is a flow record in any form: give the topic of flow records as -topic") {
		t.Errorf("error is %v, want one that says what could not be read", err)
	}
	if !strings.Contains(log.text, `cure="give the topic of flow records`) {
		t.Errorf("the cure is not told at once: %s", log.text)
	}
}

// However many flows are wanted: when all has been read that there was, and none of it is a
// flow record in the form that was asked for, nothing is waited for.
func TestRunGivesUp(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1), numbered(2))
	produce(t, b, 1, numbered(3))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := Run(ctx, Config{Brokers: []string{b.Addr()}, Topic: topicName, Value: flow.JSON, From: FromStart, Limit: 2, Out: io.Discard})
	want := "tail: none of 3 messages can be read as json: give -value protobuf, or leave it out"
	if ctx.Err() != nil || err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s; the context ended with %v", err, want, ctx.Err())
	}
}

// firstWrite keeps what is written first, and says that it has come.
type firstWrite struct {
	done func()
	text string
}

func (w *firstWrite) Write(b []byte) (int, error) {
	if w.text == "" {
		w.text = string(b)
		w.done()
	}
	return len(b), nil
}

func TestRunFilters(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1), numbered(2), numbered(3))
	wanted, err := filter.Parse("src port 1002")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	summary := runToEnd(t, Config{
		Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Limit: 1, Out: &out, Filter: wanted,
	})
	if summary.Printed != 1 || !strings.Contains(out.String(), ":1002 ") {
		t.Errorf("want the flow with port 1002:\n%s", out.String())
	}
}

func TestRunPaces(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	// All of them come at once, and the last one only is wanted after a pause.
	var values [][]byte
	for i := range 100 {
		values = append(values, numbered(i))
	}
	produce(t, b, 0, values...)
	lines, ended := runPiped(t, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Limit: 2, MaxPerSecond: 1})
	readLine(t, lines)
	readLine(t, lines)
	<-time.After(time.Second)
	produce(t, b, 0, numbered(1), numbered(2))
	result := <-ended
	if result.Printed != 2 || result.PassedOver < 98 {
		t.Errorf("printed %d flows and passed over %d, want 2 and all of the first 100 but one", result.Printed, result.PassedOver)
	}
}

func TestRunFindsAddedPartitions(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	reader, writer := pipe(t)
	cfg := Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromEnd, Limit: 1, Out: writer, Logger: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() {
		_, err := follow(t.Context(), cfg, 20*time.Millisecond)
		ended <- err
	}()
	lines := bufio.NewReader(reader)
	readLine(t, lines)
	addPartition(t, b)
	produce(t, b, partitions, numbered(7))
	if line := readLine(t, lines); lineOf([]string{line}, 7) == 0 {
		t.Errorf("want the flow with port 1007, got %q", line)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1))
	ctx, cancel := context.WithCancel(t.Context())
	lines, ended := runPipedIn(ctx, t, Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart})
	readLine(t, lines)
	readLine(t, lines)
	cancel()
	if result := <-ended; result.err != nil || result.Printed != 1 {
		t.Errorf("printed %d flows, error %v; want 1 and none", result.Printed, result.err)
	}
}

func TestRunEndsBeforeItBegan(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Config{Brokers: []string{"127.0.0.1:1"}, Topic: topicName, Out: io.Discard}); err != nil {
		t.Errorf("error is %v, want none", err)
	}
}

// Whoever reads the output has seen enough: head, or a pager that was left.
func TestRunEndsWithItsReader(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	produce(t, b, 0, numbered(1))
	reader, writer := pipe(t)
	reader.Close()
	summary, err := Run(t.Context(), Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Out: writer})
	if err != nil {
		t.Errorf("after %+v: error is %v, want none", summary, err)
	}
}

func TestRunFailsWithItsOutput(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	_, err := Run(t.Context(), Config{Brokers: []string{b.Addr()}, Topic: topicName, From: FromStart, Out: fullDisk{}})
	if !errors.Is(err, errFull) {
		t.Errorf("error is %v, want %v", err, errFull)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	good := Config{Brokers: []string{b.Addr()}, Topic: topicName, Out: io.Discard}
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // parts of the error
	}{
		{"nothing set", func(c *Config) { *c = Config{} }, []string{"no brokers", "no topic", "nothing to print to"}},
		{"broker without port", func(c *Config) { c.Brokers = []string{"localhost"} }, []string{`broker "localhost": write it as host:port`}},
		{"negative limit", func(c *Config) { c.Limit = -1 }, []string{"limit is -1 flows"}},
		{"negative pace", func(c *Config) { c.MaxPerSecond = -5 }, []string{"pace is -5 flows a second"}},
		{"no such topic", func(c *Config) { c.Topic = "flow" }, []string{`topic "flow" does not exist at ` + b.Addr(), "create it"}},
		{"nobody there", func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} }, []string{"no broker answers: 127.0.0.1:1 refuses the connection"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good
			tt.change(&cfg)
			_, err := Run(t.Context(), cfg)
			if err == nil {
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

func TestPace(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []int{1, 3, 7, 25, 1000} {
		t.Run(fmt.Sprint(perSecond), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// Ten seconds with a flow each millisecond, plus the first group.
				p := pace{perSecond: perSecond}
				passed := 0
				for range 10_000 {
					if p.allow(time.Now()) {
						passed++
					}
					<-time.After(time.Millisecond)
				}
				if low, high := 9*perSecond, 11*perSecond; passed < low || passed > high {
					t.Errorf("%d flows passed in 10 s, want %d to %d", passed, low, high)
				}
			})
		})
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	tests := []struct {
		summary Summary
		want    string
	}{
		{Summary{}, "0 flows printed in 0.0 s"},
		{Summary{Printed: 50, Took: 2500 * time.Millisecond, Datagrams: true}, "50 datagrams printed in 2.5 s: 20.0 datagrams/s"},
		{Summary{Printed: 50, Took: 2500 * time.Millisecond}, "50 flows printed in 2.5 s: 20.0 flows/s"},
		{Summary{Printed: 50, PassedOver: 150, Took: 4 * time.Second}, "50 flows printed in 4.0 s, 150 more passed over: 50.0 flows/s"},
	}
	for _, tt := range tests {
		if got := tt.summary.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

const (
	topicName  = "flows"
	partitions = 3
)

var errFull = errors.New("no space left on device")

// fullDisk refuses every write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

// numbered is a record that is known by its source port: 1000 + number.
func numbered(number int) []byte {
	value, err := proto.Marshal(&flowv1.FlowRecord{
		ExporterAddress: []byte{10, 0, 0, 1}, SourceAddress: []byte{192, 0, 2, 1}, DestinationAddress: []byte{192, 0, 2, 2},
		SourcePort: uint32(1000 + number), Protocol: 17,
	})
	if err != nil {
		panic(err)
	}
	return value
}

// lineOf returns the number of the line with that record, counted from 1.
func lineOf(lines []string, number int) int {
	port := fmt.Sprint(1000 + number)
	for i, line := range lines {
		if strings.Contains(line, ":"+port+" ") || strings.Contains(line, ","+port+",") {
			return i + 1
		}
	}
	return 0
}

func startBroker(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(broker.Config{Topic: topicName, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// produce sends values to a partition in one batch; nil stands for no value.
func produce(t *testing.T, b *broker.Broker, partition int, values ...[]byte) {
	t.Helper()
	var records []kafka.Record
	for _, value := range values {
		records = append(records, kafka.Record{Value: kafka.NewBytes(value)})
	}
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport, Timeout: 10 * time.Second}
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: topicName, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
}

func addPartition(t *testing.T, b *broker.Broker) {
	t.Helper()
	client := kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: &kafka.Transport{}, Timeout: 10 * time.Second}
	res, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topicName, Count: partitions + 1}},
	})
	if err != nil || res.Errors[topicName] != nil {
		t.Fatal(err, res)
	}
}

func runToEnd(t *testing.T, cfg Config) Summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	summary, err := Run(ctx, cfg)
	if err != nil || ctx.Err() != nil {
		t.Fatalf("error %v, time-out %v, after %+v", err, ctx.Err(), summary)
	}
	return summary
}

type result struct {
	Summary
	err error
}

// runPiped runs in the background with its output to be read.
func runPiped(t *testing.T, cfg Config) (*bufio.Reader, <-chan result) {
	t.Helper()
	return runPipedIn(t.Context(), t, cfg)
}

func runPipedIn(ctx context.Context, t *testing.T, cfg Config) (*bufio.Reader, <-chan result) {
	t.Helper()
	reader, writer := pipe(t)
	cfg.Out = writer
	ended := make(chan result, 1)
	go func() {
		summary, err := Run(ctx, cfg)
		writer.Close()
		ended <- result{summary, err}
	}()
	return bufio.NewReader(reader), ended
}

// pipe is one of the system's, which holds what these tests print whether or
// not it is read.
func pipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	return reader, writer
}

func readLine(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	line, err := from.ReadString('\n')
	if err != nil {
		t.Fatalf("reading a line: %q, %v", line, err)
	}
	return line
}
