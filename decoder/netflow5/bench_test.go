package netflow5_test

import (
	"errors"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"30 records", fullPacket(b, 30), nil},
		{"1 record", fullPacket(b, 1), nil},
		{"rejected", []byte("GET / HTTP/1.1"), decoder.ErrVersion},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p decoder.ExportPacket
			b.ReportAllocs()
			for b.Loop() {
				if err := netflow5.Decode(c.payload, &p); !errors.Is(err, c.want) {
					b.Fatalf("error %v, want %v", err, c.want)
				}
			}
			if n := len(p.Records); n > 0 {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	var p decoder.ExportPacket
	payload := fullPacket(b, 30)
	if err := netflow5.Decode(payload, &p); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := netflow5.Append(payload[:0], &p); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(p.Records)), "ns/record")
}
