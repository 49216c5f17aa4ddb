package decoder_test

import (
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// Worked out by hand: time = seconds * 1e9 + nanoseconds - age in ms * 1e6.
func TestWallTime(t *testing.T) {
	t.Parallel()
	const june = 1_717_200_000 // 2024-06-01 00:00:00 UTC
	for _, c := range []struct {
		name                 string
		seconds, nanoseconds uint32
		now, stamp           decoder.Uptime
		want                 decoder.UnixNano
	}{
		{"since boot", june, 123_456_789, 1_000_000, 0, 1_717_199_000_123_456_789},
		{"at export", june, 1, 7, 7, 1_717_200_000_000_000_001},
		{"clock wrapped since", june, 0, 5_000, 4_294_967_196, 1_717_199_994_900_000_000}, // age 5,100 ms
		{"age 2^31 ms", june, 0, 2_147_483_648, 0, 1_715_052_516_352_000_000},
		{"50 ms ahead", june, 0, 1_000, 1_050, 1_717_200_000_050_000_000},
		{"1 ms ahead over the wrap", june, 0, 4_294_967_295, 0, 1_717_200_000_001_000_000},
		{"100 s ahead", june, 0, 1_000, 101_000, 1_717_200_100_000_000_000},
		{"1 ms more is the longest age", june, 0, 1_000, 101_001, 1_712_905_132_705_000_000},
		{"nanoseconds carried", june, 2_000_000_001, 9, 9, 1_717_200_002_000_000_001},
		{"most nanoseconds", june, 4_294_967_295, 9, 9, 1_717_200_004_294_967_295},
		{"the last second, ahead", 4_294_967_295, 4_294_967_295, 0, 100_000, 4_294_967_399_294_967_295},
		{"no clock", 0, 0, 1_000, 0, 0},
		{"no clock, at export", 0, 0, 1_000, 1_000, 0},
		{"before 1970", 1, 0, 1_001, 0, 0},
		{"1970 exactly", 1, 0, 1_000, 0, 0},
		{"1 ms after 1970", 1, 0, 999, 0, 1_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := decoder.Header{SystemUptime: c.now, ExportSeconds: c.seconds, ExportNanoseconds: c.nanoseconds}
			if got := h.WallTime(c.stamp); got != c.want {
				t.Errorf("wall time %d, want %d", got, c.want)
			}
		})
	}
}

func TestExportTime(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                 string
		seconds, nanoseconds uint32
		want                 decoder.UnixNano
	}{
		{"no clock", 0, 0, 0},
		{"nanoseconds in range", 1_717_200_000, 999_999_999, 1_717_200_000_999_999_999},
		{"carried", 1_717_200_000, 1_000_000_000, 1_717_200_001_000_000_000},
		{"largest", 4_294_967_295, 4_294_967_295, 4_294_967_299_294_967_295},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := decoder.Header{ExportSeconds: c.seconds, ExportNanoseconds: c.nanoseconds}
			if got := h.ExportTime(); got != c.want {
				t.Errorf("export time %d, want %d", got, c.want)
			}
		})
	}
}

func TestUptimeSince(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		now, earlier decoder.Uptime
		want         time.Duration
	}{
		{"same", 5, 5, 0},
		{"earlier", 61_000, 1_000, time.Minute},
		{"over the wrap", 1, 4_294_967_295, 2 * time.Millisecond},
		{"100 s ahead", 0, 100_000, -100 * time.Second},
		{"longest", 0, 100_001, 4_294_867_295 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.now.Since(c.earlier); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestUnixNanoTime(t *testing.T) {
	t.Parallel()
	if got := decoder.UnixNano(0).Time(); !got.IsZero() {
		t.Errorf("unset is %v, want the zero time", got)
	}
	want := time.Date(2106, time.February, 7, 6, 28, 15, 999_999_999, time.UTC)
	if got := decoder.UnixNano(4_294_967_295_999_999_999).Time(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
