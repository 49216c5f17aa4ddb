package collector

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
)

// Tests of the real parts, without Kafka. They count goroutines, and so do not
// run in parallel with others.

const patience = 20 * time.Second

// checkGoroutines returns a function that waits until there are as many
// goroutines as now.
func checkGoroutines(t *testing.T) func() {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		http.DefaultClient.CloseIdleConnections()
		testwait.Faultless(t, patience, func() string {
			if now := runtime.NumGoroutine(); now > before {
				stacks := make([]byte, 1<<20)
				return fmt.Sprintf("%d goroutines, %d before:\n%s", now, before, stacks[:runtime.Stack(stacks, true)])
			}
			return ""
		})
	}
}

// loopbackConfig listens on free ports.
func loopbackConfig() Config {
	cfg := goodConfig()
	cfg.Listen = []string{"127.0.0.1:0"}
	cfg.Sockets = 2
	cfg.HTTPListen = "127.0.0.1:0"
	return cfg
}

// freeUDP returns an address that was free a moment ago.
func freeUDP(t *testing.T) string {
	t.Helper()
	conn := listenUDP(t, "127.0.0.1:0")
	defer conn.Close()
	return conn.LocalAddr().String()
}

func listenUDP(t *testing.T, address string) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestNewLeavesNothingBehindWhenAPortIsTaken(t *testing.T) {
	settled := checkGoroutines(t)
	conn := listenUDP(t, "127.0.0.1:0")
	defer conn.Close()
	cfg := loopbackConfig()
	free, taken := freeUDP(t), conn.LocalAddr().String()
	cfg.Listen = []string{free, taken}

	c, err := New(cfg)
	if c != nil || err == nil || !strings.Contains(err.Error(), taken) {
		t.Fatalf("got %v, %v; want an error that names %s", c, err, taken)
	}
	listenUDP(t, free).Close()
	settled()
}

func TestNewLeavesNothingBehindWhenHTTPIsTaken(t *testing.T) {
	settled := checkGoroutines(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := loopbackConfig()
	free, taken := freeUDP(t), l.Addr().String()
	cfg.Listen, cfg.HTTPListen = []string{free}, taken

	c, err := New(cfg)
	if c != nil || err == nil || !strings.Contains(err.Error(), taken) {
		t.Fatalf("got %v, %v; want an error that names %s", c, err, taken)
	}
	listenUDP(t, free).Close()
	settled()
}

// Kafka is away all the time: the collector starts, is live but not ready, and
// ends without an error when there is nothing to deliver.
func TestRunWithoutKafka(t *testing.T) {
	settled := checkGoroutines(t)
	var book testlog.Book
	cfg := loopbackConfig()
	cfg.Logger = book.Logger()
	cfg.Publisher.Brokers = []string{"127.0.0.1:1"} // nobody is there
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()

	if status, body := get(t, c, "/livez"); status != http.StatusOK {
		t.Errorf("live: %d, %q", status, body)
	}
	if status, body := get(t, c, "/readyz"); status != http.StatusServiceUnavailable || body == "" {
		t.Errorf("ready: %d, %q; want 503 and what is missing", status, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	for _, text := range []string{"msg=collecting", `formats="[netflow_v5 netflow_v9 ipfix sflow]"`, "kafka_topic=flows", "msg=ledger"} {
		if len(book.Lines(text)) != 1 {
			t.Errorf("%d log lines say %s, want 1", len(book.Lines(text)), text)
		}
	}
	settled()
}

// Real sockets and HTTP, a publisher that is none.
func TestDatagramsReachThePublisher(t *testing.T) {
	settled := checkGoroutines(t)
	cfg := loopbackConfig()
	cfg.Listen = []string{"127.0.0.1:0", "[::1]:0"}
	c := newCollector(cfg)
	p := newFakePublisher()
	c.publisher = p
	if err := c.openListeners(); err != nil {
		t.Fatal(err)
	}
	if err := c.openWeb(); err != nil {
		t.Fatal(err)
	}
	c.addIntakes()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()

	const exporters, packets = 10, 20
	for _, addr := range c.Addrs() {
		for range exporters {
			send(t, addr, packets)
		}
	}
	const want = 2 * exporters * packets
	testwait.Faultless(t, patience, func() string {
		s := c.Snapshot()
		if s.DatagramsDecoded["netflow_v5"] == want && s.FlowsDecoded == 3*want {
			return ""
		}
		return fmt.Sprintf("%d datagrams and %d flows decoded, want %d and %d", s.DatagramsDecoded["netflow_v5"], s.FlowsDecoded, want, 3*want)
	})
	if _, body := get(t, c, "/metrics"); !strings.Contains(body, fmt.Sprintf("\nflowpub_datagrams_decoded_total{format=\"netflow_v5\"} %d\n", want)) {
		t.Errorf("the metrics lack the datagrams:\n%s", body)
	}
	if s := c.Snapshot(); s.Exporters != 2 || s.FlowsMissed != 0 || s.ExporterRestarts != 0 {
		t.Errorf("%d exporters, %d flows missed, %d restarts; want 2 addresses and nothing else", s.Exporters, s.FlowsMissed, s.ExporterRestarts)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	settled()
}

// send sends packets of three records from a port of its own.
func send(t *testing.T, to netip.AddrPort, packets int) {
	t.Helper()
	conn, err := net.Dial("udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range packets {
		if _, err := conn.Write(v5(uint32(3*i), 3, time.Now())); err != nil {
			t.Fatal(err)
		}
	}
}

// get returns the status and body of a page.
func get(t *testing.T, c *Collector, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get("http://" + c.HTTPAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestAddressesWithoutHTTP(t *testing.T) {
	settled := checkGoroutines(t)
	cfg := loopbackConfig()
	cfg.HTTPListen = ""
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPAddr().IsValid() {
		t.Errorf("HTTP is at %v, want nowhere", c.HTTPAddr())
	}
	if addrs := c.Addrs(); len(addrs) != 1 || !addrs[0].Addr().IsLoopback() || addrs[0].Port() == 0 {
		t.Errorf("bound to %v", addrs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Errorf("ended with %v", err)
	}
	settled()
}
