package demo

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"syscall"
	"time"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/exporter"
)

const (
	topic      = "flows"
	partitions = 3
	// linger lets flows be seen soon; at the rates of a demo there is little to
	// gain by batches.
	linger = 20 * time.Millisecond
	// bufferBytes is plenty beside a broker that never fails.
	bufferBytes = 64 << 20
	// smallReceiveBuffer is what Linux grants without a warning, as it comes.
	smallReceiveBuffer = 208 << 10
	// bufferedTime of traffic is what the receive buffer is made for, and
	// kernelBytesPerFlow what the kernel charges for a flow in a full packet, of sFlow.
	bufferedTime       = 0.5 // seconds
	kernelBytesPerFlow = 400
	// packetsPerSecond is what the exporters send together at low rates, so that
	// nobody waits for packets to be filled.
	packetsPerSecond = 10
	// fullPacket is how many flows a packet holds at most.
	fullPacket = 12
	// ipv6Share and samplingInterval show what version 5 cannot.
	ipv6Share        = 0.1
	samplingInterval = 100
	// seed chooses the synthetic traffic.
	seed = 1
)

// start starts the broker and makes the other parts.
func start(cfg Config) (*demo, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	d := &demo{cfg: cfg}
	var err error
	d.broker, err = startBroker(cfg)
	if err != nil {
		return nil, err
	}
	d.collector, err = d.newCollector()
	if err != nil {
		d.broker.Close()
		return nil, err
	}
	d.generator, err = newGenerator(cfg, d.collector.Addrs()[0])
	if err != nil {
		err = errors.Join(err, d.abandon())
		return nil, err
	}
	return d, nil
}

// abandon ends the parts that run before there is anything to show.
func (d *demo) abandon() error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	err := d.collector.Run(ended)
	d.broker.Close()
	return err
}

// addresses are where a part may listen, in order of preference: where it was asked
// to, or else on its customary port or, when that is taken, on a free one.
func addresses(asked, customary string) []string {
	if asked != "" {
		return []string{asked}
	}
	return []string{customary, freePort}
}

// startBroker starts the broker on the first of its addresses that is free.
func startBroker(cfg Config) (b *broker.Broker, err error) {
	for _, address := range addresses(cfg.Kafka, DefaultKafka) {
		b, err = broker.Start(broker.Config{Address: address, Topic: topic, Partitions: partitions})
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return b, err
}

// newCollector makes the collector on the first of its addresses that are free.
func (d *demo) newCollector() (*collector.Collector, error) {
	var err error
	for _, listen := range addresses(d.cfg.Listen, DefaultListen) {
		for _, web := range addresses(d.cfg.HTTP, DefaultHTTP) {
			var c *collector.Collector
			c, err = collector.New(d.collectorConfig(listen, web))
			if !errors.Is(err, syscall.EADDRINUSE) {
				return c, err
			}
		}
	}
	return nil, err
}

func (d *demo) collectorConfig(listen, web string) collector.Config {
	cfg := collector.DefaultConfig()
	cfg.Listen = []string{listen}
	cfg.Sockets = 1
	cfg.ReceiveBuffer = max(smallReceiveBuffer, int(d.cfg.Rate*bufferedTime*kernelBytesPerFlow))
	cfg.HTTPListen = web
	cfg.Version = d.cfg.Version
	cfg.Logger = d.cfg.Logger
	cfg.Publisher.Brokers = []string{d.broker.Addr()}
	cfg.Publisher.Topic = topic
	cfg.Publisher.Linger = linger
	cfg.Publisher.BufferBytes = bufferBytes
	// It warns of a topic with one replica, rightly so, but that is what the
	// embedded broker is.
	cfg.Publisher.Logger = slog.New(onlyErrors{d.cfg.Logger.Handler()})
	return cfg
}

// newGenerator makes the exporters, or none.
func newGenerator(cfg Config, target netip.AddrPort) (*exporter.Generator, error) {
	if cfg.Exporters == 0 {
		return nil, nil
	}
	return exporter.New(exporter.Config{
		Target:           reachable(target).String(),
		Exporters:        cfg.Exporters,
		Formats:          formats,
		Rate:             cfg.Rate,
		RecordsPerPacket: int(min(max(1, cfg.Rate/packetsPerSecond), fullPacket)),
		Seed:             seed,
		IPv6Share:        ipv6Share,
		VariableLengths:  true,
		SamplingInterval: samplingInterval,
	})
}

// formats are what the exporters speak, in turn, and formatList what people call it.
var formats = []exporter.Format{exporter.NetFlow5, exporter.NetFlow9, exporter.IPFIX, exporter.SFlow}

const formatList = "NetFlow v5, v9, IPFIX and sFlow"

// onlyErrors is a log handler without warnings.
type onlyErrors struct{ slog.Handler }

// Enabled is part of slog.Handler.
func (h onlyErrors) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError && h.Handler.Enabled(ctx, level)
}

// WithAttrs is part of slog.Handler.
func (h onlyErrors) WithAttrs(attrs []slog.Attr) slog.Handler {
	return onlyErrors{h.Handler.WithAttrs(attrs)}
}

// WithGroup is part of slog.Handler.
func (h onlyErrors) WithGroup(name string) slog.Handler {
	return onlyErrors{h.Handler.WithGroup(name)}
}
