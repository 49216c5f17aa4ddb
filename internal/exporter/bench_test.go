package exporter

import (
	"context"
	"testing"
)

// discard is a transmitter that throws all away.
type discard struct{}

func (discard) transmit(_ context.Context, _ *socket, payloads [][]byte) (int, error) {
	return len(payloads), nil
}

// BenchmarkGenerate makes bursts of packets without sending them.
func BenchmarkGenerate(b *testing.B) {
	for f := range formatCount {
		b.Run(f.String(), func(b *testing.B) { benchmark(b, Config{Exporters: 16, Formats: []Format{f}}, discard{}) })
	}
}

// BenchmarkSend makes them and sends them to a socket that nobody reads.
func BenchmarkSend(b *testing.B) {
	target := listen(b, "127.0.0.1")
	benchmark(b, Config{Exporters: 16, Target: target.LocalAddr().String()}, &network{batch: newBatch()})
}

func benchmark(b *testing.B, c Config, out transmitter) {
	b.Helper()
	g, err := New(c)
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	g.out = out
	b.ReportAllocs()
	for b.Loop() {
		if err := g.send(b.Context(), maxBatch); err != nil {
			b.Fatal(err)
		}
	}
	flows := float64(b.N) * maxBatch * float64(g.config.RecordsPerPacket)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/flows, "ns/flow")
}
