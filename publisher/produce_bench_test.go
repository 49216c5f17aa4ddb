//go:build unix

package publisher

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/exporter"
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
	packets := benchPackets(8192)
	for c := CompressionNone; int(c) < len(compressionNames); c++ {
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
			perRecord(b, benchRecords)
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
	for p.budget.bytes() > p.budget.limit/4 {
		<-time.After(100 * time.Microsecond)
	}
}

// trafficBodies returns the bodies of record batches made from the traffic of a
// synthetic exporter, as `make bench-e2e` has it, and how many records they hold.
func trafficBodies(b *testing.B, size, count int) (bodies [][]byte, records int) {
	b.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	g, err := exporter.New(exporter.Config{Target: conn.LocalAddr().String(), Rate: 300_000})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	for range count {
		body, n := trafficBody(b, conn, size)
		bodies, records = append(bodies, body), records+n
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return bodies, records
}

// trafficBody encodes what arrives until a body has its size.
func trafficBody(b *testing.B, conn *net.UDPConn, size int) (body []byte, records int) {
	b.Helper()
	body = make([]byte, 0, size)
	datagram := make([]byte, 1<<16)
	var p decoder.ExportPacket
	var e packetEncoder
	for began := time.Now(); ; {
		n, from, err := conn.ReadFromUDPAddrPort(datagram)
		if err == nil {
			err = netflow5.Decode(datagram[:n], &p)
		}
		if err != nil {
			b.Fatal(err)
		}
		if cap(body)-len(body) < len(p.Records)*maxRecordSize {
			return body, records
		}
		now := time.Now()
		e.reset(netip.AddrPortFrom(from.Addr(), from.Port()), decoder.UnixNano(now.UnixNano()), &p)
		for i := range p.Records {
			body = e.appendRecord(body, i, now.Sub(began).Milliseconds(), records)
			records++
		}
	}
}

// BenchmarkCompressTraffic measures the codecs on the traffic with which the
// whole process is measured: what the codec alone takes of that.
func BenchmarkCompressTraffic(b *testing.B) {
	const size = 512 << 10
	bodies, records := trafficBodies(b, size, 32)
	for c := CompressionGzip; c <= CompressionZstd; c++ {
		b.Run(fmt.Sprintf("%v/%dKiB", c, size>>10), func(b *testing.B) {
			z := newCompressor(c)
			dst := make([]byte, 0, maxCompressedSize(c, size))
			wire := 0
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				wire = 0
				for _, body := range bodies {
					out, err := z.compress(dst, body)
					if err != nil {
						b.Fatal(err)
					}
					wire += len(out)
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N*records), "cpu-ns/record")
			b.ReportMetric(float64(wire)/float64(records), "B/record")
			perRecord(b, records)
		})
	}
}
