package decoder_test

import (
	"slices"
	"testing"

	"github.com/flowpub/flowpub/decoder"
)

// The published contract: bits and names.
func TestAnomalyContract(t *testing.T) {
	t.Parallel()
	names := map[decoder.Anomalies]string{
		1:   "count_above_present",
		2:   "partial_record",
		4:   "trailing_bytes",
		8:   "count_above_30",
		16:  "nanoseconds_out_of_range",
		32:  "start_unset",
		64:  "end_unset",
		128: "start_after_end",
	}
	for bit, name := range names {
		if got := bit.String(); got != name {
			t.Errorf("bit %d is named %q, want %q", uint32(bit), got, name)
		}
	}
	want := []decoder.Anomalies{1, 2, 4, 8, 16, 32, 64, 128}
	if got := decoder.AnomalyKinds(); !slices.Equal(got, want) {
		t.Errorf("kinds %v, want %v", got, want)
	}
}

func TestAnomalyConstants(t *testing.T) {
	t.Parallel()
	got := []decoder.Anomalies{
		decoder.AnomalyCountAbovePresent, decoder.AnomalyPartialRecord, decoder.AnomalyTrailingBytes,
		decoder.AnomalyCountAbove30, decoder.AnomalyNanosecondsOutOfRange,
		decoder.AnomalyStartUnset, decoder.AnomalyEndUnset, decoder.AnomalyStartAfterEnd,
	}
	if want := []decoder.Anomalies{1, 2, 4, 8, 16, 32, 64, 128}; !slices.Equal(got, want) {
		t.Errorf("constants %d, want %d", got, want)
	}
}

func TestAnomaliesString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		set  decoder.Anomalies
		want string
	}{
		{0, "none"},
		{decoder.AnomalyPartialRecord | decoder.AnomalyCountAbovePresent, "count_above_present|partial_record"},
		{decoder.AnomalyEndUnset | 1<<8 | 1<<31, "end_unset|0x100|0x80000000"},
	} {
		if got := c.set.String(); got != c.want {
			t.Errorf("%#x is %q, want %q", uint32(c.set), got, c.want)
		}
	}
}

func TestAnomaliesKinds(t *testing.T) {
	t.Parallel()
	set := decoder.AnomalyStartUnset | decoder.AnomalyTrailingBytes
	want := []decoder.Anomalies{decoder.AnomalyTrailingBytes, decoder.AnomalyStartUnset}
	if got := slices.Collect(set.Kinds()); !slices.Equal(got, want) {
		t.Errorf("kinds %v, want %v", got, want)
	}
	if got := slices.Collect(decoder.Anomalies(0).Kinds()); len(got) != 0 {
		t.Errorf("the empty set has kinds %v", got)
	}
	for kind := range set.Kinds() {
		if kind != decoder.AnomalyTrailingBytes {
			t.Errorf("first kind %v, want %v", kind, decoder.AnomalyTrailingBytes)
		}
		break
	}
}

func TestAllAnomalies(t *testing.T) {
	t.Parallel()
	p := decoder.ExportPacket{
		Header:  decoder.Header{Anomalies: decoder.AnomalyTrailingBytes},
		Records: []decoder.Record{{Anomalies: decoder.AnomalyStartUnset}, {Anomalies: decoder.AnomalyStartAfterEnd}},
	}
	want := decoder.AnomalyTrailingBytes | decoder.AnomalyStartUnset | decoder.AnomalyStartAfterEnd
	if got := p.AllAnomalies(); got != want {
		t.Errorf("all anomalies %v, want %v", got, want)
	}
}
