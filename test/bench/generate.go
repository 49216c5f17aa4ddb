package main

import (
	"context"
	"io"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

// load is what the generator is asked for.
type load struct {
	Target    string
	Exporters int
	Format    exporter.Format
	IPv6      bool
	Rate      int // flows a second; 0: as fast as possible
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

// generate sends flows none of which is sent twice: see the package exporter.
func generate(ctx context.Context, l load) (generated, error) {
	c := exporter.Config{
		Target:    l.Target,
		Exporters: l.Exporters,
		Rate:      float64(l.Rate),
		Seed:      l.Seed,
	}
	traffic{l.Format, l.IPv6}.configure(&c)
	g, err := exporter.New(c)
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
	stats := g.Stats()
	return generated{Flows: stats.Flows, Datagrams: stats.Datagrams, Took: took, CPU: after - before}, err
}
