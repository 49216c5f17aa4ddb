package sflow_test

import (
	"errors"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// typical returns a datagram of seven flow samples, as switches send them: 128 bytes of each
// packet, and the switch's VLANs; and one with a router's and a gateway's records besides.
func typical(tb testing.TB, gateway bool) []byte {
	tb.Helper()
	frame := append(unhex(tb, macs+vlan10+"0800"+ip4+tcp), make([]byte, 70)...)
	records := [][]byte{header(1, 1518, frame), opaque(1001, words(10, 0, 10, 0))}
	if gateway {
		records = append(records, opaque(1002, words(1, 0x0a000001, 24, 16)),
			opaque(1003, words(1, 0x0a000001, 64500, 64501, 64502, 1, 2, 3, 64503, 4200000001, 64505, 2, 65536, 65537, 100)))
	}
	return datagram(7, repeated(sample(records...), 7)...)
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"switch", typical(b, false), nil},
		{"router", typical(b, true), nil},
		{"counters", datagram(1, opaque(2, make([]byte, 1000))), nil},
		{"rejected", []byte("GET / HTTP/1.1"), decoder.ErrVersion},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p decoder.ExportPacket
			var s sflow.Samples
			b.ReportAllocs()
			for b.Loop() {
				if err := sflow.Decode(c.payload, &p, &s); !errors.Is(err, c.want) {
					b.Fatalf("error %v, want %v", err, c.want)
				}
			}
			if n := len(p.Records); n > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
			}
		})
	}
}

// A packet that has held as much allocates nothing, whatever comes.
func TestDecodeDoesNotAllocate(t *testing.T) {
	var p decoder.ExportPacket
	var s sflow.Samples
	payloads := seeds(t)
	payloads = append(payloads, typical(t, true), datagram(300, repeated(sample(header(13, 64, unhex(t, "03e80040 00011140"+ip6+tcp))), 300)...))
	decode := func() {
		for _, payload := range payloads {
			_ = sflow.Decode(payload, &p, &s)
		}
	}
	decode()
	if n := testing.AllocsPerRun(20, decode); n != 0 {
		t.Errorf("%d datagrams take %v allocations, want none", len(payloads), n)
	}
}
