package main

import (
	"context"
	"io"
	"math"
	"time"

	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/exporter"
)

// load is what the generator is asked for.
type load struct {
	Target    string
	Exporters int
	Format    exporter.Format
	IPv6      bool
	Recording string // file to send instead
	Rate      int    // flows a second; 0: as fast as possible
	Duration  time.Duration
	Seed      uint64 // different ones make different traffic
}

// generated is what it then did.
type generated struct {
	Flows     uint64
	Datagrams uint64
	Took      time.Duration
	CPU       time.Duration // of the generator
}

// serveGenerator is the program in the role of the exporters.
func serveGenerator(ctx context.Context, in io.Reader, out io.Writer) error {
	return serveRequests(in, out, func(l load) (generated, error) { return generate(ctx, l) })
}

// source sends, and tells what it has sent.
type source interface {
	Run(ctx context.Context) error
	sent() (flows, datagrams uint64)
}

type synthetic struct{ *exporter.Generator }

func (s synthetic) sent() (flows, datagrams uint64) {
	stats := s.Stats()
	return stats.Flows, stats.Datagrams
}

type recorded struct{ *exporter.Replay }

func (r recorded) sent() (flows, datagrams uint64) {
	stats := r.Stats()
	return stats.Flows, stats.Datagrams
}

// source returns what sends the load: flows none of which is sent twice, see the
// package exporter; or a recording again and again.
func (l *load) source() (source, error) {
	if l.Recording != "" {
		c := exporter.ReplayConfig{Files: []string{l.Recording}, Target: l.Target, Loops: math.MaxInt, OnlyV5: true, Pace: exporter.PaceFixed}
		if c.Rate = float64(l.Rate) / netflow5.MaxRecords; l.Rate == 0 {
			c.Pace = exporter.PaceUnlimited
		}
		r, err := exporter.NewReplay(c)
		return recorded{r}, err
	}
	c := exporter.Config{
		Target:    l.Target,
		Exporters: l.Exporters,
		Rate:      float64(l.Rate),
		Seed:      l.Seed,
	}
	traffic{format: l.Format, ipv6: l.IPv6}.configure(&c)
	e, err := exporter.New(c)
	return synthetic{e}, err
}

// generate sends flows for a while.
func generate(ctx context.Context, l load) (generated, error) {
	g, err := l.source()
	if err != nil {
		return generated{}, err
	}
	before, err := ownCPU()
	if err != nil {
		return generated{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.Duration)
	defer cancel()
	began := time.Now()
	if err := g.Run(ctx); err != nil {
		return generated{}, err
	}
	took := time.Since(began)
	after, err := ownCPU()
	flows, datagrams := g.sent()
	return generated{Flows: flows, Datagrams: datagrams, Took: took, CPU: after - before}, err
}
