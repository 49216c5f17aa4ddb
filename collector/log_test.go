package collector

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// Log stores take JSON: durations are text there, not nanoseconds, and counts by
// reason are objects.
func TestLogLinesInJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := newTestCollector(t, 1, 1, func(cfg *Config) {
		cfg.Logger = slog.New(slog.NewJSONHandler(&out, nil))
		cfg.ReceiveDelay = 5 * time.Millisecond
		cfg.DrainLinger = time.Millisecond
		cfg.ShutdownTimeout = 90 * time.Second
		cfg.Publisher.Linger = 100 * time.Millisecond
		cfg.Publisher.Spreads = []publisher.Spread{{Network: netip.MustParsePrefix("192.0.2.0/24"), Partitions: 2}}
		cfg.Publisher.ValueHeader = "content-type"
		cfg.TemplateTopic = "templates"
	})
	c.logStart()
	if err := c.linger(nil); err != nil {
		t.Fatal(err)
	}
	c.logLedger(t.Context())

	var start, end struct {
		Delay    string `json:"receive_delay"`
		Linger   string `json:"drain_linger"`
		Shutdown string `json:"shutdown_timeout"`
		Kafka    string `json:"kafka_linger"`

		Spreads   int    `json:"kafka_spread"`
		Header    string `json:"kafka_value_header"`
		Templates string `json:"kafka_template_topic"`
		Profiler  *bool  `json:"http_pprof"`
	}
	var ledger struct {
		Message  string            `json:"msg"`
		Rejected map[string]uint64 `json:"datagrams_rejected"`
		Dropped  map[string]uint64 `json:"flows_dropped"`
	}
	lines := json.NewDecoder(&out)
	for _, line := range []any{&start, &end, &ledger} {
		if err := lines.Decode(line); err != nil {
			t.Fatal(err)
		}
	}
	if start.Delay != "5ms" || start.Linger != "1ms" || start.Shutdown != "1m30s" || start.Kafka != "100ms" {
		t.Errorf("at the start: %+v", start)
	}
	if start.Spreads != 1 || start.Header != "content-type" || start.Templates != "templates" || start.Profiler == nil {
		t.Errorf("at the start: %+v", start)
	}
	if end.Linger != "1ms" || end.Shutdown != "1m30s" {
		t.Errorf("at the end: %+v", end)
	}
	if _, found := ledger.Rejected["not_allowed"]; !found || len(ledger.Rejected) != 4 {
		t.Errorf("datagrams rejected: %v", ledger.Rejected)
	}
	if _, found := ledger.Dropped["buffer_full"]; !found {
		t.Errorf("flows dropped: %v", ledger.Dropped)
	}
}

// A limit that is none does not read as 8 EiB.
func TestGoMemoryLimitIsReadable(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{math.MaxInt64: "none", 96 << 20: "96MiB", 100_000_000: "100000000B"} {
		if got := goMemoryLimit(n); got != want {
			t.Errorf("%d bytes are written as %s, want %s", n, got, want)
		}
	}
}
