package batch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/pcap"
)

// recordingVariable names a recording that BenchmarkCompressTraffic measures beside
// synthetic traffic.
const recordingVariable = "FLOWPUB_BENCH_RECORDING"

// traffic returns the next datagram of some traffic, and where it came from.
type traffic func() (netip.AddrPort, []byte)

// trafficBatches returns record batches made from traffic, and how many records they hold.
func trafficBatches(b *testing.B, next traffic, size, count int) (batches []Batch, records int) {
	b.Helper()
	d := decoding{reader: template.NewReader(template.NewTable(template.Config{}))}
	for range count {
		batches = append(batches, d.batch(b, next, size))
		records += batches[len(batches)-1].records
	}
	return batches, records
}

// synthetic returns the traffic of 16 synthetic exporters, as `make bench-e2e` has it, until
// stop is called.
func synthetic(b *testing.B, format exporter.Format, ipv6 bool) (next traffic, stop func()) {
	b.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	c := exporter.Config{Target: conn.LocalAddr().String(), Rate: 300_000, Exporters: 16, Formats: []exporter.Format{format}}
	if format != exporter.NetFlow5 {
		c.SamplingInterval = 100
	}
	if ipv6 {
		c.IPv6Share = 1
	}
	g, err := exporter.New(c)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	datagram := make([]byte, 1<<16)
	next = func() (netip.AddrPort, []byte) {
		n, from, err := conn.ReadFromUDPAddrPort(datagram)
		if err != nil {
			b.Fatal(err)
		}
		return from, datagram[:n]
	}
	return next, func() {
		cancel()
		if err := errors.Join(<-ended, conn.Close()); err != nil {
			b.Error(err)
		}
	}
}

// recorded returns the datagrams of a recording, again and again.
func recorded(b *testing.B, path string) traffic {
	b.Helper()
	file, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	var found []pcap.Packet
	err = pcap.Read(file, nil, func(p pcap.Packet) error {
		p.Payload = bytes.Clone(p.Payload)
		found = append(found, p)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	return func() (netip.AddrPort, []byte) {
		p := &found[i%len(found)]
		i++
		return p.Source, p.Payload
	}
}

// decoding decodes datagrams of every format.
type decoding struct {
	reader  *template.Reader
	samples sflow.Samples
}

func (d *decoding) decode(from netip.AddrPort, b []byte, p *decoder.ExportPacket) error {
	switch binary.BigEndian.Uint16(b) {
	case 5:
		return netflow5.Decode(b, p)
	case 9:
		return netflow9.Decode(d.reader, b, from, time.Second, p)
	case 10:
		return ipfix.Decode(d.reader, b, from, time.Second, p)
	default:
		return sflow.Decode(b, p, &d.samples)
	}
}

// batch encodes what comes until a batch has its size.
func (d *decoding) batch(b *testing.B, next traffic, size int) Batch {
	b.Helper()
	filled := Open(make([]byte, 0, size+size/markSize*2), CompressionZstdFast)
	var p decoder.ExportPacket
	var e Encoder
	for {
		from, datagram := next()
		if err := d.decode(from, datagram, &p); err != nil {
			b.Fatal(err)
		}
		e.Reset(from, decoder.UnixNano(time.Now().UnixNano()), &p)
		if !filled.Has(filled.Room(e.MaxSize(0, len(p.Records)))) {
			filled.Shut()
			return filled
		}
		filled.Append(&e, 0, len(p.Records))
	}
}

const (
	trafficSize  = 512 << 10
	trafficCount = 24

	trafficReceived = decoder.UnixNano(1_717_200_000_000_000_000)
)

// synthetics are the kinds of synthetic traffic.
var synthetics = []struct {
	name   string
	format exporter.Format
	ipv6   bool
}{
	{"v5", exporter.NetFlow5, false}, {"v9", exporter.NetFlow9, false}, {"v9-ipv6", exporter.NetFlow9, true},
	{"ipfix", exporter.IPFIX, false}, {"sflow", exporter.SFlow, false}, {"sflow-ipv6", exporter.SFlow, true},
}

// BenchmarkDecodeEncodeTraffic is decoding, and encoding into a batch, the traffic with
// which the whole process is measured.
func BenchmarkDecodeEncodeTraffic(b *testing.B) {
	type datagram struct {
		from    netip.AddrPort
		payload []byte
	}
	for _, of := range synthetics {
		b.Run(of.name, func(b *testing.B) {
			next, stop := synthetic(b, of.format, of.ipv6)
			all := make([]datagram, 1024)
			for i := range all {
				from, payload := next()
				all[i] = datagram{from, bytes.Clone(payload)}
			}
			stop()
			d := decoding{reader: template.NewReader(template.NewTable(template.Config{}))}
			open, records := Open(make([]byte, 0, trafficSize), CompressionNone), 0
			var p decoder.ExportPacket
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				x := &all[i%len(all)]
				if err := d.decode(x.from, x.payload, &p); err != nil {
					b.Fatal(err)
				}
				n := len(p.Records)
				var e Encoder
				e.Reset(x.from, trafficReceived, &p)
				if !open.Has(open.Room(e.MaxSize(0, n))) {
					open = Open(open.Take(), CompressionNone)
				}
				open.Append(&e, 0, n)
				records += n
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
		})
	}
}

// BenchmarkCompressTraffic measures the codecs on the traffic with which the
// whole process is measured: what the codec alone takes of that.
func BenchmarkCompressTraffic(b *testing.B) {
	for _, of := range synthetics {
		b.Run(of.name, func(b *testing.B) {
			next, stop := synthetic(b, of.format, of.ipv6)
			batches, records := trafficBatches(b, next, trafficSize, trafficCount)
			stop()
			benchmarkCodecs(b, batches, records)
		})
	}
	if path := os.Getenv(recordingVariable); path != "" {
		b.Run(filepath.Base(path), func(b *testing.B) {
			batches, records := trafficBatches(b, recorded(b, path), trafficSize, trafficCount)
			benchmarkCodecs(b, batches, records)
		})
	}
}

// benchmarkCodecs measures every codec, and zstd-fast with how its size compares with
// that of the codec that searches.
func benchmarkCodecs(b *testing.B, batches []Batch, records int) {
	b.Helper()
	searched := 0
	for c := CompressionGzip; c <= CompressionZstd; c++ {
		b.Run(c.String(), func(b *testing.B) {
			z := newCompressor(c)
			dst := make([]byte, 0, maxCompressedSize(c, trafficSize))
			searched = benchmarkCodec(b, batches, records, func(batch *Batch) ([]byte, error) { return z.compress(dst, batch.buf[HeaderSize:]) })
		})
	}
	b.Run(CompressionZstdFast.String(), func(b *testing.B) {
		s := NewSealer(CompressionZstdFast)
		marked := benchmarkCodec(b, batches, records, func(batch *Batch) ([]byte, error) {
			batch.marked = true // pack ends that
			out, err := s.pack(batch)
			return out[HeaderSize:], err
		})
		if searched > 0 {
			b.ReportMetric(float64(marked)/float64(searched), "of-zstd")
		}
	})
}

func benchmarkCodec(b *testing.B, batches []Batch, records int, compress func(*Batch) ([]byte, error)) (wire int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		wire = 0
		for i := range batches {
			out, err := compress(&batches[i])
			if err != nil {
				b.Fatal(err)
			}
			wire += len(out)
		}
	}
	b.ReportMetric(float64(wire)/float64(records), "B/record")
	perRecord(b, records)
	return wire
}
