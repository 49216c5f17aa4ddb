package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/telemetry"
)

func TestRunToLimit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := Run(ctx, Config{Exporters: 4, Rate: 500, Limit: 40, Out: &out}); err != nil || ctx.Err() != nil {
		t.Fatalf("error %v, %v, after\n%s", err, ctx.Err(), out.String())
	}
	text := out.String()
	if flows := regexp.MustCompile(`(?m)^(\d\d:\d\d:\d\d|-       ) 127\.1\.0\.(1       v5|2       v9|3       ipfix|4       sflow) `).FindAllString(text, -1); len(flows) != 40 {
		t.Errorf("%d flows were printed, want 40:\n%s", len(flows), text)
	}
	// Nobody else sent, and loopback loses nothing: everyone tells the same.
	ledger := regexp.MustCompile(`exporters here  (\d+) datagrams with (\d+) flows sent
  datagrams       (\d+) received = (\d+) decoded \(\d+ ipfix, \d+ netflow_v5, \d+ netflow_v9, \d+ sflow\) \+ 0 rejected
  data sets       (\d+) received = (\d+) decoded \+ 0 dropped \+ 0 waiting
  flows           (\d+) decoded = (\d+) delivered \+ 0 dropped \+ 0 buffered
  broker          (\d+) records in the topic
Everything adds up.
$`).FindStringSubmatch(text)
	if ledger == nil {
		t.Fatalf("the ledger is missing or wrong:\n%s", text)
	}
	datagrams, flows := ledger[1], ledger[2]
	if ledger[3] != datagrams || ledger[4] != datagrams || ledger[5] != ledger[6] || ledger[7] != flows || ledger[8] != flows || ledger[9] != flows {
		t.Errorf("the parts tell different numbers:\n%s", text)
	}
}

// Others join by the addresses that are printed: an exporter, a consumer and a
// scraper.
func TestOthersJoin(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	reader, ended := runPiped(ctx, t, Config{Listen: "127.0.0.1:0", Rate: 100})
	lines := bufio.NewReader(reader)
	netflow := find(t, lines, `Exports     udp://(\S+)   no exporters here`)
	brokerAddress := find(t, lines, `Kafka       (\S+)   topic flows, 3 partitions`)
	web := find(t, lines, `HTTP        (http://\S+)`)

	generator, err := exporter.New(exporter.Config{Target: netflow, Flows: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := generator.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	find(t, lines, `^\d\d:\d\d:.* (127\.1\.0\.1) `)
	if got := consumeOne(t, brokerAddress); string(got.Key) != "127.1.0.1" {
		t.Errorf("a message has the key %q, want the exporter's address", got.Key)
	}
	if page := get(t, web+"/metrics"); !strings.Contains(page, "\nflowpub_flows_decoded_total 10\n") {
		t.Errorf("10 flows are not in the metrics:\n%s", page)
	}

	cancel()
	find(t, lines, `flows           (10 decoded = 10 delivered \+ 0 dropped \+ 0 buffered)`)
	find(t, lines, `(Everything adds up\.)`)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunEndsWithItsReader(t *testing.T) {
	t.Parallel()
	reader, ended := runPiped(t.Context(), t, Config{Listen: "127.0.0.1:0", Exporters: 1, Rate: 1000})
	reader.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Two at once: the second one cannot have the customary ports.
func TestTakenPorts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addresses := make(map[string]bool)
	var ends []<-chan error
	for range 2 {
		reader, ended := runPiped(ctx, t, Config{Rate: 100})
		lines := bufio.NewReader(reader)
		addresses[find(t, lines, `(udp://127\.0\.0\.1:\d+)`)] = true
		addresses[find(t, lines, `Kafka       (127\.0\.0\.1:\d+)`)] = true
		addresses[find(t, lines, `(http://127\.0\.0\.1:\d+)`)] = true
		ends = append(ends, ended)
	}
	if len(addresses) != 6 {
		t.Errorf("both should have addresses of their own: %v", addresses)
	}
	cancel()
	for _, ended := range ends {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// An address that was asked for is not replaced.
func TestTakenAddress(t *testing.T) {
	t.Parallel()
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	connections, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer connections.Close()
	udp, tcp := datagrams.LocalAddr().String(), connections.Addr().String()
	for _, tt := range []struct {
		address string
		cfg     Config
	}{{udp, Config{Listen: udp}}, {tcp, Config{Kafka: tcp}}, {tcp, Config{HTTP: tcp}}} {
		tt.cfg.Rate, tt.cfg.Out = 1, io.Discard
		err := Run(t.Context(), tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.address) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("%+v: error is %v, want one that says that %s is in use", tt.cfg, err, tt.address)
		}
	}
}

// Where it is asked to, every part listens, on other addresses too.
func TestChosenAddresses(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, ended := runPiped(ctx, t, Config{Listen: "127.0.7.1:0", Kafka: "127.0.7.2:0", HTTP: "127.0.7.3:0", Rate: 100})
	lines := bufio.NewReader(reader)
	find(t, lines, `udp://(127\.0\.7\.1:\d+)`)
	find(t, lines, `Kafka       (127\.0\.7\.2:\d+)`)
	find(t, lines, `(http://127\.0\.7\.3:\d+)`)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"address", Config{Listen: "2055", Rate: 1}, []string{`Listen is "2055": give host:port`}},
		{"broker's address", Config{Kafka: "here", Rate: 1}, []string{`Kafka is "here": give host:port`}},
		{"HTTP address", Config{HTTP: "8080", Rate: 1}, []string{`HTTP is "8080": give host:port`}},
		{"exporters", Config{Exporters: 16385, Rate: 1}, []string{"Exporters is 16385: give a number from 0 to 16384"}},
		{"no rate", Config{}, []string{"Rate is 0: give"}},
		{"all at once", Config{Exporters: -1, Rate: -1, Limit: -1, MaxPerSecond: -1}, []string{
			"Exporters is -1", "Rate is -1", "Limit is -1", "MaxPerSecond is -1",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.cfg.Out = io.Discard
			err := Run(t.Context(), tt.cfg)
			if _, ok := errors.AsType[*FieldError](err); !ok {
				t.Fatalf("error is %v, want a FieldError", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

func TestLedger(t *testing.T) {
	t.Parallel()
	balanced := telemetry.Snapshot{
		DatagramsReceived: 12, DatagramsDecoded: map[string]uint64{"netflow_v5": 9, "ipfix": 0}, DatagramsRejected: map[string]uint64{"version": 1, "short": 2, "no_records": 0},
		FlowsDecoded: 100, FlowsDelivered: 90, FlowsDropped: map[string]uint64{"buffer_full": 10, "refused": 0},
	}
	with := func(change func(*telemetry.Snapshot)) telemetry.Snapshot {
		s := balanced
		change(&s)
		return s
	}
	tests := []struct {
		name   string
		ledger ledger
		want   string // as printed
		wrong  string // part of the error; empty: none
	}{
		{
			"adds up",
			ledger{exporters: &exporter.Stats{Counts: exporter.Counts{Datagrams: 12, Flows: 120}}, collector: balanced, broker: 90},
			`
Ledger
  exporters here  12 datagrams with 120 flows sent
  datagrams       12 received = 9 decoded (9 netflow_v5) + 3 rejected (2 short, 1 version)
  flows           100 decoded = 90 delivered + 10 dropped (10 buffer_full) + 0 buffered
  broker          90 records in the topic
Everything adds up.
`, "",
		},
		{
			"lost before the collector",
			ledger{collector: with(func(s *telemetry.Snapshot) { s.DatagramsKernelDropped, s.FlowsMissed = 5, 150 }), broker: 90},
			`
Ledger
  datagrams       12 received = 9 decoded (9 netflow_v5) + 3 rejected (2 short, 1 version)
  flows           100 decoded = 90 delivered + 10 dropped (10 buffer_full) + 0 buffered
  broker          90 records in the topic
  before us       5 datagrams dropped by the kernel: the receive buffer was full
  before us       150 flows missing by the exporters' sequences
Everything adds up.
`, "",
		},
		{
			"a datagram too few",
			ledger{collector: with(func(s *telemetry.Snapshot) { s.DatagramsDecoded = map[string]uint64{"netflow_v5": 8} }), broker: 90},
			"", "1 datagrams, 0 data sets and 0 flows are not accounted for",
		},
		{
			"a flow too many",
			ledger{collector: with(func(s *telemetry.Snapshot) { s.FlowsDelivered = 91 }), broker: 91},
			"", "0 datagrams, 0 data sets and -1 flows are not accounted for",
		},
		{
			"a data set too few",
			ledger{collector: with(func(s *telemetry.Snapshot) {
				s.DataSetsReceived, s.DataSetsDecoded, s.DataSetsWaiting = 9, 5, 1
				s.DataSetsDropped = map[string]uint64{"no_template": 2}
			}), broker: 90},
			`
Ledger
  datagrams       12 received = 9 decoded (9 netflow_v5) + 3 rejected (2 short, 1 version)
  data sets       9 received = 5 decoded + 2 dropped (2 no_template) + 1 waiting
  flows           100 decoded = 90 delivered + 10 dropped (10 buffer_full) + 0 buffered
  broker          90 records in the topic
`, "0 datagrams, 1 data sets and 0 flows are not accounted for",
		},
		{
			"something left",
			ledger{collector: with(func(s *telemetry.Snapshot) { s.FlowsDelivered, s.FlowsBuffered = 88, 2 }), broker: 88},
			"", "2 flows are still buffered",
		},
		{"the broker got more", ledger{collector: balanced, broker: 93}, "", "got 93 records of 90 delivered; did another producer write to it?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tt.ledger.show(&out)
			if tt.want != "" && out.String() != tt.want {
				t.Errorf("got%swant%s", out.String(), tt.want)
			}
			err := tt.ledger.check()
			if tt.wrong == "" && err == nil {
				return
			}
			if !errors.Is(err, ErrImbalance) || !strings.Contains(err.Error(), tt.wrong) || strings.Contains(out.String(), "adds up") {
				t.Errorf("error is %v, want one with %q, and printed is%s", err, tt.wrong, out.String())
			}
		})
	}
}

// runPiped runs the demo in the background with its output to be read.
func runPiped(ctx context.Context, t *testing.T, cfg Config) (*os.File, <-chan error) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		reader.Close()
		writer.Close()
	})
	cfg.Out = writer
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, cfg) }()
	return reader, ended
}

// find reads lines until one matches, and returns the first group.
func find(t *testing.T, lines *bufio.Reader, pattern string) string {
	t.Helper()
	wanted := regexp.MustCompile(pattern)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("looking for %q: %v", pattern, err)
		}
		if found := wanted.FindStringSubmatch(line); found != nil {
			return found[1]
		}
	}
}

func consumeOne(t *testing.T, broker string) kafka.Message {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	messages := make(chan kafka.Message, partitions)
	for partition := range partitions {
		go func() {
			reader := kafka.NewReader(kafka.ReaderConfig{
				Brokers: []string{broker}, Topic: topic, Partition: partition, MaxWait: 50 * time.Millisecond,
			})
			defer reader.Close()
			if message, err := reader.ReadMessage(ctx); err == nil {
				messages <- message
			}
		}()
	}
	return <-messages
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res.Status, err)
	}
	return string(body)
}
