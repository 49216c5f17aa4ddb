package netflow5_test

import (
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// The record's anomalies say what became of its times.
func TestDecodeTimeAnomalies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		seconds     uint32
		first, last decoder.Uptime
		want        decoder.Anomalies
	}{
		{"in order", 100, 60_000, 61_000, 0},
		{"one moment", 100, 61_000, 61_000, 0},
		{"start unset", 3, 60_000, 66_000, decoder.AnomalyStartUnset},
		{"end unset", 3, 66_000, 60_000, decoder.AnomalyEndUnset},
		{"both unset", 3, 61_000, 60_000, decoder.AnomalyStartUnset | decoder.AnomalyEndUnset},
		{"start after end", 100, 61_000, 60_000, decoder.AnomalyStartAfterEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := layoutPacket()
			p.SystemUptime, p.ExportSeconds, p.ExportNanoseconds = 67_000, c.seconds, 0
			p.Records[0].FirstUptime, p.Records[0].LastUptime = c.first, c.last
			b, err := netflow5.Append(nil, &p)
			if err != nil {
				t.Fatal(err)
			}
			if err := netflow5.Decode(b, &p); err != nil {
				t.Fatal(err)
			}
			if got := p.Records[0].Anomalies; got != c.want {
				t.Errorf("anomalies %v, want %v", got, c.want)
			}
		})
	}
}

func TestDecodeNanosecondsOutOfRange(t *testing.T) {
	t.Parallel()
	for nanoseconds, want := range map[uint32]decoder.Anomalies{
		999_999_999:   0,
		1_000_000_000: decoder.AnomalyNanosecondsOutOfRange,
		4_294_967_295: decoder.AnomalyNanosecondsOutOfRange,
	} {
		p := layoutPacket()
		p.ExportNanoseconds = nanoseconds
		b, err := netflow5.Append(nil, &p)
		if err != nil {
			t.Fatal(err)
		}
		if err := netflow5.Decode(b, &p); err != nil {
			t.Fatal(err)
		}
		if p.Anomalies != want || p.ExportNanoseconds != nanoseconds {
			t.Errorf("%d ns give %d and %v, want them unchanged and %v", nanoseconds, p.ExportNanoseconds, p.Anomalies, want)
		}
	}
}

// Both were seen from real exporters; the times are valid by arithmetic. The
// ages are worked out by hand: uptime less stamp, modulo 2^32 ms.
func TestDecodeTimeFarFromExport(t *testing.T) {
	t.Parallel()
	const day = 24 * 3_600_000_000_000
	for _, c := range []struct {
		name, datagram string
		want           decoder.Anomalies
		days           decoder.UnixNano // whole days from start to export
	}{
		{
			"no uptime beside stamps of 20 days",
			"0005000100000000554570e20158b2300000000000000000f7c1a49be3d59af10000000000000000000000010000005967caa22d67caa22d0035240f000011000000000000000000",
			decoder.AnomalyTimeFarFromExport, 29,
		},
		{
			"uptime in seconds beside stamps in milliseconds",
			"0005000100000064692a37800000000000000000000000000a0000010a00000200000000000100020000000a000003e8000f1b30000f3e5804d20050000006000000000000000000",
			decoder.AnomalyTimeFarFromExport, 49,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var p decoder.ExportPacket
			if err := netflow5.Decode(unhex(t, c.datagram), &p); err != nil {
				t.Fatal(err)
			}
			r := &p.Records[0]
			if r.Anomalies != c.want {
				t.Errorf("anomalies %v, want %v", r.Anomalies, c.want)
			}
			if days := (p.ExportTime() - r.StartTime) / day; days != c.days {
				t.Errorf("started %d days before the export, want %d", days, c.days)
			}
		})
	}
}
