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
		1:     "count_above_present",
		2:     "partial_record",
		4:     "trailing_bytes",
		8:     "count_above_30",
		16:    "nanoseconds_out_of_range",
		32:    "start_unset",
		64:    "end_unset",
		128:   "start_after_end",
		256:   "time_far_from_export",
		512:   "template_provisional",
		1024:  "waited",
		2048:  "malformed_set",
		4096:  "field_width",
		8192:  "duplicate_element",
		16384: "value_out_of_range",
		32768: "truncated_header",
	}
	for bit, name := range names {
		if got := bit.String(); got != name {
			t.Errorf("bit %d is named %q, want %q", uint32(bit), got, name)
		}
	}
	want := []decoder.Anomalies{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768}
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
		decoder.AnomalyTimeFarFromExport, decoder.AnomalyTemplateProvisional, decoder.AnomalyWaited,
		decoder.AnomalyMalformedSet, decoder.AnomalyFieldWidth, decoder.AnomalyDuplicateElement,
		decoder.AnomalyValueOutOfRange, decoder.AnomalyTruncatedHeader,
	}
	if want := []decoder.Anomalies{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768}; !slices.Equal(got, want) {
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
		{decoder.AnomalyEndUnset | 1<<30 | 1<<31, "end_unset|0x40000000|0x80000000"},
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

func TestTimeAnomalies(t *testing.T) {
	t.Parallel()
	const day, export = decoder.UnixNano(86_400_000_000_000), decoder.UnixNano(1_717_200_000_000_000_000)
	for _, c := range []struct {
		name               string
		start, end, export decoder.UnixNano
		want               decoder.Anomalies
	}{
		{"at export", export, export, export, 0},
		{"a day before", export - day, export - day, export, 0},
		{"a day after", export + day, export + day, export, 0},
		{"start a moment earlier", export - day - 1, export, export, decoder.AnomalyTimeFarFromExport},
		{"end a moment later", export, export + day + 1, export, decoder.AnomalyTimeFarFromExport},
		{"long before", 1, 2, export, decoder.AnomalyTimeFarFromExport},
		{"long after, in reverse", 1 << 63, 1<<63 - 1, export, decoder.AnomalyTimeFarFromExport | decoder.AnomalyStartAfterEnd},
		{"unset", 0, 0, export, decoder.AnomalyStartUnset | decoder.AnomalyEndUnset},
		{"end unset, start far", 1, 0, export, decoder.AnomalyEndUnset | decoder.AnomalyTimeFarFromExport},
		{"exporter without a clock", export, export, 0, 0},
		{"export on the first day", 1, 1, 1000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := decoder.TimeAnomalies(c.start, c.end, c.export); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
