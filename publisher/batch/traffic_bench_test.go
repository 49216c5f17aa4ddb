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

// trafficBatches returns record batches made from the traffic of a synthetic exporter, as
// `make bench-e2e` has it, and how many records they hold.
func trafficBatches(b *testing.B, size, count int) (batches []Batch, records int) {
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
		batches = append(batches, syntheticBatch(b, conn, size))
		records += batches[len(batches)-1].records
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return batches, records
}

// syntheticBatch encodes what arrives until a batch has its size.
func syntheticBatch(b *testing.B, conn *net.UDPConn, size int) Batch {
	b.Helper()
	filled := Open(make([]byte, 0, size+size/markSize*2), CompressionZstd)
	datagram := make([]byte, 1<<16)
	var p decoder.ExportPacket
	var e Encoder
	for {
		n, from, err := conn.ReadFromUDPAddrPort(datagram)
		if err == nil {
			err = netflow5.Decode(datagram[:n], &p)
		}
		if err != nil {
			b.Fatal(err)
		}
		e.Reset(netip.AddrPortFrom(from.Addr(), from.Port()), decoder.UnixNano(time.Now().UnixNano()), &p)
		if !filled.Has(filled.Room(e.MaxSize(0, len(p.Records)))) {
			filled.Shut()
			return filled
		}
		filled.Append(&e, 0, len(p.Records))
	}
}

// BenchmarkCompressTraffic measures the codecs on the traffic with which the
// whole process is measured: what the codec alone takes of that.
func BenchmarkCompressTraffic(b *testing.B) {
	const size = 512 << 10
	batches, records := trafficBatches(b, size, 32)
	for c := CompressionGzip; c <= CompressionZstd; c++ {
		b.Run(fmt.Sprintf("%v/%dKiB", c, size>>10), func(b *testing.B) {
			z := newCompressor(c)
			dst := make([]byte, 0, maxCompressedSize(c, size))
			wire := 0
			b.ReportAllocs()
			for b.Loop() {
				wire = 0
				for i := range batches {
					out, err := z.compress(dst, batches[i].buf[HeaderSize:])
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
	b.Run(fmt.Sprintf("zstd-marked/%dKiB", size>>10), func(b *testing.B) {
		s := NewSealer(CompressionZstd)
		wire := 0
		b.ReportAllocs()
		for b.Loop() {
			wire = 0
			for i := range batches {
				batches[i].marked = true // pack ends that
				out, err := s.pack(&batches[i])
				if err != nil {
					b.Fatal(err)
				}
				wire += len(out) - HeaderSize
			}
		}
		b.ReportMetric(float64(wire)/float64(records), "B/record")
		perRecord(b, records)
	})
}
