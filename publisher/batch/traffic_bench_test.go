package batch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/exporter"
)

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
	var e Encoder
	for began := time.Now(); ; {
		n, from, err := conn.ReadFromUDPAddrPort(datagram)
		if err == nil {
			err = netflow5.Decode(datagram[:n], &p)
		}
		if err != nil {
			b.Fatal(err)
		}
		if cap(body)-len(body) < len(p.Records)*maxRecordSize+windowSize {
			return body, records
		}
		now := time.Now()
		e.Reset(netip.AddrPortFrom(from.Addr(), from.Port()), decoder.UnixNano(now.UnixNano()), &p)
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
			b.ReportMetric(float64(wire)/float64(records), "B/record")
			perRecord(b, records)
		})
	}
}
