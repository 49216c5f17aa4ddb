package page

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// collect runs a collector until the test ends, and returns the address of its page.
func collect(t *testing.T, brokers []string, change func(*collector.Config)) (*collector.Collector, string) {
	t.Helper()
	cfg := collector.DefaultConfig()
	cfg.Listen, cfg.HTTPListen = []string{"127.0.0.1:0"}, "127.0.0.1:0"
	cfg.ReceiveBuffer, cfg.Sockets = 208<<10, 1
	cfg.ShutdownTimeout = time.Second
	cfg.Publisher.Brokers = brokers
	cfg.Version = "v1.2.3-test"
	change(&cfg)
	cfg.Logger = slog.New(slog.DiscardHandler)
	c, err := collector.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // what is in the buffer may be lost here
	}()
	t.Cleanup(func() {
		end()
		<-ended
	})
	return c, "http://" + c.HTTPAddr().String()
}

// send sends flows until the test ends.
func send(t *testing.T, c *collector.Collector, rate float64) {
	t.Helper()
	g, err := exporter.New(exporter.Config{
		Target: c.Addrs()[0].String(), Exporters: 4, Rate: rate, Formats: []exporter.Format{exporter.NetFlow5, exporter.NetFlow9, exporter.IPFIX, exporter.SFlow}, SamplingMode: 1, SamplingInterval: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A collector that works shows its exporters, all formats, and flows that Kafka has.
func TestWorkingCollector(t *testing.T) {
	b, err := broker.Start(broker.Config{Topic: "flows", Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, address := collect(t, []string{b.Addr()}, func(cfg *collector.Config) {
		cfg.TemplateTopic, cfg.Publisher.CreateTopic = "templates", cluster.TopicShape{Partitions: 3, Replicas: 1}
	})
	send(t, c, 400)
	tab := open(t, address, desk)
	await(t, tab, `document.getElementById("verdict").dataset.level === "ok" && document.querySelectorAll("#exporter-rows th").length === 4`)
	await(t, tab, `document.querySelectorAll(".stop[data-moves=yes]").length === 5`)
	contains(t, tab, "verdict", "Nothing is being lost")
	contains(t, tab, "exporter-rows", "127.1.0.1", "127.1.0.4", "NetFlow v5", "NetFlow v9", "IPFIX", "sFlow", "1 in 100", "by header", "by sample", "right")
	contains(t, tab, "kafka", b.Addr(), "3 partitions", "zstd")
	contains(t, tab, "stops", "NetFlow v5", "NetFlow v9", "IPFIX", "sFlow")
	await(t, tab, `/State\s*in use\s*templates/.test(document.getElementById("store").innerText) && /the last one (now|\d+ s ago)/.test(document.getElementById("store").innerText)`)
	contains(t, tab, "store", "0 provisional", "read at the start in", "Room for 49,152")
}

// With Kafka away nothing is lost at first; then the buffer is full, and the page says
// since when, why, and what to do.
func TestKafkaAwayThenLoss(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close() // nobody listens there now
	c, address := collect(t, []string{nobody.Addr().String()}, func(cfg *collector.Config) {
		cfg.TemplateTopic, cfg.Publisher.BufferBytes = "templates", 8<<20
	})
	tab := open(t, address, desk)
	await(t, tab, `document.getElementById("verdict").dataset.level === "risk"`)
	contains(t, tab, "verdict", "Flows cannot be delivered yet", "start the broker, or correct FLOWPUB_KAFKA_BROKERS")
	contains(t, tab, "kafka", fmt.Sprintf("no connection to %v: connection refused", nobody.Addr()))
	await(t, tab, `document.getElementById("store").innerText.includes("Failing since")`)
	contains(t, tab, "store", "State failing templates", "connection refused", "start the broker, or correct FLOWPUB_KAFKA_BROKERS")
	await(t, tab, `document.getElementById("verdict").innerText.includes("The topic for templates cannot be found")`)
	send(t, c, 60_000)
	await(t, tab, `document.getElementById("verdict").dataset.level === "loss"`)
	contains(t, tab, "verdict", "Flows are being lost", "Flows are dropped: buffer_full", "since", "raise FLOWPUB_KAFKA_BUFFER_BYTES")
	await(t, tab, `[...document.querySelectorAll(".leaks[data-lost=yes]")].some((e) => e.innerText.includes("buffer full"))`)
}
