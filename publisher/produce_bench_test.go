//go:build unix

package publisher

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/sink"
)

// processorTime is what this process has used, user and system.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkProduce is all between a decoded packet and the acknowledgement of
// its records, by a broker in the same process that keeps nothing. Beside the
// time that passes it reports the processor's, the broker's small part included.
func BenchmarkProduce(b *testing.B) {
	const benchRecords = 30
	packets := make([]*decoder.ExportPacket, 8192)
	for i := range packets {
		packets[i] = testPacket(uint64(i), benchRecords)
	}
	for c := CompressionNone; c <= CompressionZstdFast; c++ {
		b.Run(c.String(), func(b *testing.B) {
			p := benchPublisher(b, c)
			b.ReportAllocs()
			before := processorTime(b)
			for i := 0; b.Loop(); i++ {
				if i%64 == 0 {
					awaitBacklog(b, p)
				}
				at := uint64(i)
				if err := p.Publish(testExporter(at), testReceived(at), packets[i%len(packets)]); err != nil {
					b.Fatal(err)
				}
			}
			if err := p.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N*benchRecords), "cpu-ns/record")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchRecords), "ns/record")
		})
	}
}

// benchPublisher returns a publisher that has reached its broker.
func benchPublisher(b *testing.B, c Compression) *Publisher {
	b.Helper()
	broker, err := sink.Start(sink.Config{Partitions: 16})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { broker.Close() })
	cfg := DefaultConfig()
	cfg.Brokers, cfg.Topic, cfg.Compression = []string{broker.Addr()}, testTopic, c
	p, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	for len(p.Missing()) > 0 {
		<-time.After(time.Millisecond)
	}
	return p
}

// awaitBacklog waits while the publisher has more to send than keeps it busy.
func awaitBacklog(b *testing.B, p *Publisher) {
	b.Helper()
	for p.budget.Bytes() > p.budget.Limit()/4 {
		<-time.After(100 * time.Microsecond)
	}
}
