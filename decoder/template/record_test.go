package template_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// one decodes a record of a template. The packets of IPFIX are exported at exportSeconds; those
// of NetFlow v9, by an exporter that is up for uptime milliseconds.
func one(t *testing.T, d *decoderOf, format decoder.Format, fields []field, record []byte) (*decoder.Record, *decoder.Extension) {
	t.Helper()
	packet := v9(1, set(0, definition(256, fields...)), set(256, record))
	if format == decoder.FormatIPFIX {
		packet = message(set(2, definition(256, fields...)), set(256, record))
	}
	if n := d.decode(t, packet, exporterPort(1, 1), 0); n != 1 {
		t.Fatalf("%d records, want 1", n)
	}
	return &d.p.Records[0], &d.p.Extensions[0]
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Numbers have any width. What a field cannot hold is told.
func TestNumbersOfAnyWidth(t *testing.T) {
	t.Parallel()
	const wide = decoder.AnomalyFieldWidth
	const variable = 65535
	for _, c := range []struct {
		name   string
		field  field
		record string
		get    func(*decoder.Record, *decoder.Extension) uint64
		want   uint64
		odd    decoder.Anomalies
	}{
		{"octets, 1", field{id: 1, length: 1}, "fe", octetsOf, 0xfe, 0},
		{"octets, 3", field{id: 1, length: 3}, "010203", octetsOf, 0x010203, 0},
		{"octets, 8", field{id: 1, length: 8}, "ffeeddccbbaa9988", octetsOf, 0xffeeddccbbaa9988, 0},
		{"octets, 12", field{id: 1, length: 12}, "000000000102030405060708", octetsOf, 0x0102030405060708, 0},
		{"octets, 12 of which the first is lost", field{id: 1, length: 12}, "010000000102030405060708", octetsOf, 0x0102030405060708, wide},
		{"octets, 16", field{id: 1, length: 16}, "00000000000000000102030405060708", octetsOf, 0x0102030405060708, 0},
		{"octets, 17: no number", field{id: 1, length: 17}, "0000000000000000000102030405060708", octetsOf, 0, 0},
		{"port, 1", field{id: 7, length: 1}, "50", portOf, 0x50, 0},
		{"port, 4", field{id: 7, length: 4}, "0000c001", portOf, 0xc001, 0},
		{"port, 4 of which one is lost", field{id: 7, length: 4}, "0100c001", portOf, 0xc001, wide},
		{"VLAN, 8 of which some are lost", field{id: 58, length: 8}, "0000000100000064", numberOf(decoder.FieldVLANID), 100, wide},
		{"octets of no length", field{id: 1, length: variable}, "00", octetsOf, 0, 0},
		{"octets, variable", field{id: 1, length: variable}, "020102", octetsOf, 0x0102, 0},
		{"octets, variable, long form", field{id: 1, length: variable}, "ff00020102", octetsOf, 0x0102, 0},
		{"octets, variable, 9", field{id: 1, length: variable}, "09000102030405060708", octetsOf, 0x0102030405060708, 0},
		{"octets, variable, 9 of which one is lost", field{id: 1, length: variable}, "09ff0102030405060708", octetsOf, 0x0102030405060708, wide},
		{"forwarding status, 4", field{id: 89, length: 4}, "00000080", numberOf(decoder.FieldForwardingStatus), 0x80, 0},
		{"address of 3: none", field{id: 8, length: 3}, "c00002", func(r *decoder.Record, _ *decoder.Extension) uint64 {
			return uint64(r.SourceAddress.BitLen())
		}, 0, 0},
	} {
		for _, elements := range []string{"", "1,7"} {
			t.Run(c.name+" "+elements, func(t *testing.T) {
				t.Parallel()
				wanted, err := template.ParseSelection(elements)
				if err != nil {
					t.Fatal(err)
				}
				d := newDecoder(template.Config{Elements: wanted})
				r, x := one(t, d, decoder.FormatIPFIX, []field{c.field, {id: 4, length: 1}}, append(unhex(t, c.record), 6))
				if got := c.get(r, x); got != c.want || r.Anomalies&wide != c.odd || r.Protocol != 6 {
					t.Errorf("%#x, anomalies %v, want %#x, %v; protocol %d", got, r.Anomalies, c.want, c.odd, r.Protocol)
				}
			})
		}
	}
}

func octetsOf(r *decoder.Record, _ *decoder.Extension) uint64 { return r.Octets }
func portOf(r *decoder.Record, _ *decoder.Extension) uint64   { return uint64(r.SourcePort) }

func numberOf(f decoder.Field) func(*decoder.Record, *decoder.Extension) uint64 {
	return func(_ *decoder.Record, x *decoder.Extension) uint64 { return x.Values[f] }
}

// Times by each element that has them; exported at 2024-06-01 00:00:00 UTC, up for 1000 s.
func TestTimes(t *testing.T) {
	t.Parallel()
	const second, export = decoder.UnixNano(time.Second), decoder.UnixNano(exportSeconds) * decoder.UnixNano(time.Second)
	for _, c := range []struct {
		name       string
		format     decoder.Format
		fields     []field
		record     string
		start, end decoder.UnixNano
	}{
		{"uptime", decoder.FormatNetFlowV9, []field{{id: 22, length: 4}, {id: 21, length: 4}}, "000f3e5800000000",
			export - second, export - 1000*second},
		{"uptime of 8 bytes", decoder.FormatNetFlowV9, []field{{id: 22, length: 8}, {id: 21, length: 8}}, "00000000000f3e5800000000000f4240",
			export - second, export},
		{"uptime in IPFIX", decoder.FormatIPFIX, []field{{id: 22, length: 4}, {id: 21, length: 4}}, "000f3e5800000000", 0, 0},
		{"uptime and boot, which comes last", decoder.FormatIPFIX, []field{{id: 22, length: 4}, {id: 21, length: 4}, {id: 160, length: 8}},
			"00000001000007d00000018fd0e08400", 0x18fd0e08400*1e6 + 1e6, 0x18fd0e08400*1e6 + 2e9},
		{"seconds", decoder.FormatIPFIX, []field{{id: 150, length: 4}, {id: 151, length: 8}}, "665a5b0100000000665a5b02", 0x665a5b01 * 1e9, 0x665a5b02 * 1e9},
		{"milliseconds", decoder.FormatIPFIX, []field{{id: 152, length: 8}, {id: 153, length: 8}}, "0000018fd0e084010000018fd0e08402",
			0x18fd0e08401 * 1e6, 0x18fd0e08402 * 1e6},
		// 0xea04d981 s since 1900 is 0x665a5b01 since 1970; half a second, and the lowest 11 bits left out.
		{"microseconds", decoder.FormatIPFIX, []field{{id: 154, length: 8}, {id: 155, length: 8}}, "ea04d981800007ffea04d98200000000",
			0x665a5b01*1e9 + 5e8, 0x665a5b02 * 1e9},
		{"nanoseconds", decoder.FormatIPFIX, []field{{id: 156, length: 8}, {id: 157, length: 8}}, "ea04d98180000000ea04d98240000000",
			0x665a5b01*1e9 + 5e8, 0x665a5b02*1e9 + 25e7},
		{"nanoseconds before 1970", decoder.FormatIPFIX, []field{{id: 156, length: 8}}, "83aa7e7fffffffff", 0, 0},
		// NTP's seconds were full 2^32-2208988800 = 2085978496 s after 1970, on 2036-02-07 at 06:28:16, and count anew: the
		// half of them that has no highest bit, until 2085978496+2147483647 = 4233462143 s, on 2104-02-26 at 09:42:23.
		{"nanoseconds around the end of NTP's first era", decoder.FormatIPFIX, []field{{id: 156, length: 8}, {id: 157, length: 8}}, "ffffffff800000000000000080000000",
			2085978495*1e9 + 5e8, 2085978496*1e9 + 5e8},
		{"microseconds in NTP's second era", decoder.FormatIPFIX, []field{{id: 154, length: 8}, {id: 155, length: 8}}, "00000001000007ff7fffffffc0000000",
			2085978497 * 1e9, 4233462143*1e9 + 75e7},
		{"nanoseconds of NTP's first era, the least", decoder.FormatIPFIX, []field{{id: 156, length: 8}}, "8000000000000000", 0, 0},
		{"nanoseconds that are zero", decoder.FormatIPFIX, []field{{id: 156, length: 8}, {id: 157, length: 8}}, "00000000000000000000000000000001",
			0, 2085978496 * 1e9},
		{"microseconds that are zero", decoder.FormatIPFIX, []field{{id: 154, length: 8}}, "00000000000007ff", 0, 0},
		{"before the export", decoder.FormatIPFIX, []field{{id: 158, length: 4}, {id: 159, length: 4}}, "000f424000000001",
			export - second, export - 1000},
		{"fine before coarse", decoder.FormatIPFIX, []field{{id: 150, length: 4}, {id: 152, length: 8}}, "665a5b010000018fd0e08401",
			0x18fd0e08401 * 1e6, 0},
		{"absolute before uptime", decoder.FormatNetFlowV9, []field{{id: 22, length: 4}, {id: 150, length: 4}, {id: 21, length: 4}}, "00000001665a5b01000f4240",
			0x665a5b01 * 1e9, export},
		{"duration from the start", decoder.FormatIPFIX, []field{{id: 150, length: 4}, {id: 161, length: 4}}, "665a5b01000007d0",
			0x665a5b01 * 1e9, 0x665a5b03 * 1e9},
		{"duration to the end", decoder.FormatIPFIX, []field{{id: 162, length: 4}, {id: 151, length: 4}}, "001e8480665a5b03",
			0x665a5b01 * 1e9, 0x665a5b03 * 1e9},
		{"duration beside both", decoder.FormatIPFIX, []field{{id: 150, length: 4}, {id: 151, length: 4}, {id: 161, length: 4}}, "665a5b01665a5b0300000001",
			0x665a5b01 * 1e9, 0x665a5b03 * 1e9},
		{"duration alone", decoder.FormatIPFIX, []field{{id: 161, length: 4}}, "000007d0", 0, 0},
		{"none", decoder.FormatNetFlowV9, []field{{id: 1, length: 4}}, "00000001", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, _ := one(t, newDecoder(template.Config{}), c.format, c.fields, unhex(t, c.record))
			if r.StartTime != c.start || r.EndTime != c.end {
				t.Errorf("from %d to %d, want %d to %d", r.StartTime, r.EndTime, c.start, c.end)
			}
			if unset := r.Anomalies&decoder.AnomalyStartUnset != 0; unset != (c.start == 0) {
				t.Errorf("anomalies %v", r.Anomalies)
			}
		})
	}
}

// A time that 64 bits of nanoseconds cannot express is unset, and told.
func TestTimesOutOfRange(t *testing.T) {
	t.Parallel()
	r, _ := one(t, newDecoder(template.Config{}), decoder.FormatIPFIX, []field{{id: 152, length: 8}}, unhex(t, "7fffffffffffffff"))
	if r.StartTime != 0 || r.Anomalies&decoder.AnomalyValueOutOfRange == 0 {
		t.Errorf("start %d, anomalies %v", r.StartTime, r.Anomalies)
	}
}

// What the exporter's options tell of when it booted holds for records without it.
func TestBootTimeInOptions(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	// A scope of 4 bytes, 143, and element 160.
	options := append(be16(be16(be16(nil, 512), 2), 1), 0, 143, 0, 4, 0, 160, 0, 8)
	d.decode(t, message(set(3, options), set(512, unhex(t, "000000010000018fd0e08400"))), exporterPort(1, 1), 0)
	r, _ := one(t, d, decoder.FormatIPFIX, []field{{id: 22, length: 4}}, unhex(t, "00000001"))
	if want := decoder.UnixNano(0x18fd0e08400*1e6 + 1e6); r.StartTime != want {
		t.Errorf("start %d, want %d", r.StartTime, want)
	}
}

// sampling returns the interval of a record and where it was found, 0 for neither.
func sampling(x *decoder.Extension) (interval, source uint64) {
	if x.Present.Has(decoder.FieldSamplingInterval) {
		interval = x.Values[decoder.FieldSamplingInterval]
	}
	if x.Present.Has(decoder.FieldSamplingSource) {
		source = x.Values[decoder.FieldSamplingSource]
	}
	return interval, source
}

// The most specific sampling counts: that of the record, of the sampler or interface, of the
// template, of the domain, of the exporter.
func TestSamplingMostSpecificFirst(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from := exporterPort(1, 1)
	sampler := []field{{id: 48, length: 1}, {id: 10, length: 2}}
	show := func(domain int, record []byte) [2]uint64 {
		t.Helper()
		if n := d.decode(t, v9(domain, set(0, definition(256, sampler...)), set(256, record)), from, 0); n != 1 {
			t.Fatalf("%d records", n)
		}
		interval, source := sampling(&d.p.Extensions[0])
		return [2]uint64{interval, source}
	}
	tell := func(domain int, scopes, options []field, record ...byte) {
		t.Helper()
		b := be16(be16(be16(nil, 600), 4*len(scopes)), 4*len(options))
		for _, f := range slices.Concat(scopes, options) {
			b = be16(be16(b, int(f.id)), int(f.length))
		}
		d.decode(t, v9(domain, set(1, b), set(600, record)), from, 0)
		if d.Options != 1 {
			t.Fatalf("%d options records, want 1", d.Options)
		}
	}
	expect := func(what string, got, want [2]uint64) {
		t.Helper()
		if got != want {
			t.Errorf("%s: interval and source %v, want %v", what, got, want)
		}
	}
	plain := []byte{0, 0, 9}
	expect("nothing told", show(1, plain), [2]uint64{})
	tell(2, []field{{id: 1, length: 4}}, []field{{id: 34, length: 4}}, 0, 0, 0, 0, 0, 0, 0, 50)
	expect("by another domain", show(1, plain), [2]uint64{50, 5})
	tell(3, []field{{id: 1, length: 0}}, []field{{id: 34, length: 4}}, 0, 0, 0, 51)
	expect("by two domains that differ", show(1, plain), [2]uint64{})
	tell(1, []field{{id: 1, length: 4}}, []field{{id: 50, length: 2}, {id: 35, length: 1}}, 0, 0, 0, 0, 0, 60, 2)
	expect("by its domain", show(1, plain), [2]uint64{60, 4})
	if x := d.p.Extensions[0]; x.Values[decoder.FieldSamplingAlgorithm] != 2 {
		t.Errorf("algorithm %d, want 2", x.Values[decoder.FieldSamplingAlgorithm])
	}
	tell(1, []field{{id: 5, length: 2}}, []field{{id: 34, length: 4}}, 1, 0, 0, 0, 0, 70)
	expect("by its template", show(1, plain), [2]uint64{70, 3})
	tell(1, []field{{id: 2, length: 2}}, []field{{id: 34, length: 4}}, 0, 9, 0, 0, 0, 80)
	expect("by its interface", show(1, plain), [2]uint64{80, 2})
	tell(1, []field{{id: 1, length: 4}}, []field{{id: 48, length: 2}, {id: 50, length: 4}}, 0, 0, 0, 0, 0, 3, 0, 0, 0, 90)
	expect("by its sampler", show(1, []byte{3, 0, 9}), [2]uint64{90, 2})
	tell(1, []field{{id: 1, length: 4}}, []field{{id: 48, length: 2}, {id: 50, length: 4}}, 0, 0, 0, 0, 0, 3, 0, 0, 0, 92)
	expect("by its sampler, which has changed", show(1, []byte{3, 0, 9}), [2]uint64{92, 2})
	expect("by a sampler that is not known", show(1, []byte{4, 0, 8}), [2]uint64{})
	tell(1, []field{{id: 48, length: 1}}, []field{{id: 34, length: 4}}, 5, 0, 0, 0, 95)
	expect("by its sampler, which was a scope", show(1, []byte{5, 0, 8}), [2]uint64{95, 2})
	sampler = append(sampler, field{id: 34, length: 4})
	expect("by itself", show(1, []byte{3, 0, 9, 0, 0, 0, 100}), [2]uint64{100, 1})
	expect("by itself, with 0, which says nothing", show(1, []byte{3, 0, 9, 0, 0, 0, 0}), [2]uint64{92, 2})
}

// Some routers tell of their samplers in another domain than that of the flows: they count where
// the flows' own domain tells of none, and while no two domains contradict each other.
func TestSamplersOfAnotherDomain(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from := exporterPort(1, 1)
	tell := func(domain int, sampler, interval byte) {
		t.Helper()
		options := be16(be16(be16(nil, 600), 4), 8)
		for _, f := range []field{{id: 1, length: 4}, {id: 48, length: 1}, {id: 34, length: 4}} {
			options = be16(be16(options, int(f.id)), int(f.length))
		}
		d.decode(t, v9(domain, set(1, options), set(600, []byte{0, 0, 0, 0, sampler, 0, 0, 0, interval})), from, 0)
		if d.Options != 1 {
			t.Fatalf("%d options records, want 1", d.Options)
		}
	}
	expect := func(what string, sampler byte, interval, source uint64) {
		t.Helper()
		flows := definition(256, field{id: 48, length: 1}, field{id: 1, length: 4})
		if n := d.decode(t, v9(0, set(0, flows), set(256, []byte{sampler, 0, 0, 0, 1})), from, 0); n != 1 {
			t.Fatalf("%s: %d records", what, n)
		}
		if i, s := sampling(&d.p.Extensions[0]); i != interval || s != source {
			t.Errorf("%s: interval %d of source %d, want %d of %d", what, i, s, interval, source)
		}
	}
	expect("before anything is told", 1, 0, 0)
	tell(256, 1, 100)
	expect("told by another domain", 1, 100, 5)
	expect("another sampler", 2, 0, 0)
	expect("no sampler", 0, 0, 0)
	tell(256, 1, 101)
	expect("changed", 1, 101, 5)
	tell(512, 1, 101)
	expect("told by two", 1, 101, 5)
	tell(512, 1, 102)
	expect("two that differ", 1, 0, 0)
	tell(256, 2, 50)
	expect("the other one", 2, 50, 5)
	tell(0, 3, 60)
	expect("its own domain tells of samplers", 2, 0, 0)
	expect("its own", 3, 60, 2)
}

// It is the same when the flows' domain shows itself last.
func TestSamplersOfADomainThatWasFirst(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from := exporterPort(1, 1)
	told := append(be16(be16(be16(nil, 600), 0), 8), 0, 48, 0, 1, 0, 34, 0, 4)
	tell := v9(256, set(1, told), set(600, []byte{1, 0, 0, 0, 100}))
	d.decode(t, tell, from, 0)
	d.decode(t, tell, from, 0)
	flows := definition(256, field{id: 48, length: 1}, field{id: 1, length: 4})
	d.decode(t, v9(0, set(0, flows), set(256, []byte{1, 0, 0, 0, 1})), from, 0)
	if i, s := sampling(&d.p.Extensions[0]); i != 100 || s != 5 {
		t.Errorf("interval %d of source %d, want 100 of 5", i, s)
	}
}

// Routers with many domains tell of samplers in each: those are not compared.
func TestSamplersOfManyDomains(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from := exporterPort(1, 1)
	options := be16(be16(be16(nil, 600), 4), 8)
	for _, f := range []field{{id: 1, length: 4}, {id: 48, length: 1}, {id: 34, length: 4}} {
		options = be16(be16(options, int(f.id)), int(f.length))
	}
	interval := func() uint64 {
		flows := definition(256, field{id: 48, length: 1}, field{id: 1, length: 4})
		d.decode(t, v9(0, set(0, flows), set(256, []byte{1, 0, 0, 0, 1})), from, 0)
		i, _ := sampling(&d.p.Extensions[0])
		return i
	}
	interval()
	for domain := 1; domain <= 16; domain++ {
		d.decode(t, v9(domain, set(1, options), set(600, []byte{0, 0, 0, 0, 1, 0, 0, 0, 100})), from, 0)
		if got, want := interval(), uint64(100); domain < 16 && got != want || domain == 16 && got != 0 {
			t.Fatalf("with %d domains the interval is %d", domain+1, got)
		}
	}
}

// The elements that tell an interval, alone and together.
func TestSamplingInterval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		fields           []field
		record           string
		interval, source uint64
		run, space       uint64
		odd              bool
	}{
		{"interval", []field{{id: 34, length: 4}}, "00000064", 100, 1, 0, 0, false},
		{"random", []field{{id: 50, length: 4}}, "00000064", 100, 1, 0, 0, false},
		{"1 and 999 left out", []field{{id: 305, length: 4}, {id: 306, length: 4}}, "00000001000003e7", 1000, 1, 0, 0, false},
		{"10 and 990 left out", []field{{id: 306, length: 4}, {id: 305, length: 4}}, "000003de0000000a", 100, 1, 10, 990, false},
		{"packet interval alone", []field{{id: 305, length: 4}}, "00000064", 100, 1, 0, 0, false},
		{"2 of 7", []field{{id: 309, length: 4}, {id: 310, length: 4}}, "0000000200000007", 4, 1, 2, 5, false},
		{"probability", []field{{id: 311, length: 8}}, hex.EncodeToString(binary64(0.01)), 100, 1, 0, 0, false},
		{"probability of 4 bytes", []field{{id: 311, length: 4}}, "3c23d70a", 100, 1, 0, 0, false}, // 0.01
		{"probability that is no number", []field{{id: 311, length: 8}}, "7ff8000000000001", 0, 0, 0, 0, false},
		{"little endian", []field{{id: 34, length: 4}}, "64000000", 0x64000000, 1, 0, 0, true},
		{"large", []field{{id: 34, length: 4}}, "01000000", 1 << 24, 1, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, x := one(t, newDecoder(template.Config{}), decoder.FormatIPFIX, c.fields, unhex(t, c.record))
			interval, source := sampling(x)
			if interval != c.interval || source != c.source || (r.Anomalies&decoder.AnomalyValueOutOfRange != 0) != c.odd {
				t.Errorf("interval %d of source %d, anomalies %v; want %d of %d", interval, source, r.Anomalies, c.interval, c.source)
			}
			has := x.Present.Has(decoder.FieldSamplingPacketInterval)
			if has != (c.run > 1) || has && (x.Values[decoder.FieldSamplingPacketInterval] != c.run || x.Values[decoder.FieldSamplingPacketSpace] != c.space) {
				t.Errorf("packets %v %d and %d left out, want %d and %d", has,
					x.Values[decoder.FieldSamplingPacketInterval], x.Values[decoder.FieldSamplingPacketSpace], c.run, c.space)
			}
		})
	}
}

func binary64(v float64) []byte {
	bits := math.Float64bits(v)
	return be32(be32(nil, int(bits>>32)), int(uint32(bits)))
}

// Counters: which elements are taken, and what kind they are.
func TestCounters(t *testing.T) {
	t.Parallel()
	const delta, total, event = 0, 1, 2
	for _, c := range []struct {
		name            string
		fields          []field
		record          []byte
		octets, packets uint64
		kind            uint64
		post, reverse   uint64 // octets
	}{
		{"delta", []field{{id: 1, length: 1}, {id: 2, length: 1}}, []byte{1, 2}, 1, 2, delta, 0, 0},
		{"total", []field{{id: 85, length: 1}, {id: 86, length: 1}}, []byte{1, 2}, 1, 2, total, 0, 0},
		{"delta before total", []field{{id: 85, length: 1}, {id: 1, length: 1}, {id: 2, length: 1}}, []byte{1, 2, 3}, 2, 3, delta, 0, 0},
		{"of an event", []field{{id: 231, length: 1}, {id: 298, length: 1}, {id: 232, length: 1}}, []byte{1, 2, 3}, 1, 2, event, 0, 3},
		{"behind the device, too", []field{{id: 23, length: 1}, {id: 1, length: 1}, {id: 2, length: 1}}, []byte{9, 1, 2}, 1, 2, delta, 9, 0},
		{"behind the device alone", []field{{id: 23, length: 1}, {id: 24, length: 1}}, []byte{1, 2}, 1, 2, delta, 0, 0},
		{"of a biflow", []field{{id: 1, length: 1}, {id: 1, length: 1, pen: 29305}, {id: 2, length: 1}}, []byte{1, 7, 2}, 1, 2, delta, 0, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, x := one(t, newDecoder(template.Config{}), decoder.FormatIPFIX, c.fields, c.record)
			of := func(f decoder.Field) uint64 {
				if x.Present.Has(f) {
					return x.Values[f]
				}
				return 0
			}
			got := [5]uint64{r.Octets, r.Packets, of(decoder.FieldCounterKind), of(decoder.FieldPostOctets), of(decoder.FieldReverseOctets)}
			if want := [5]uint64{c.octets, c.packets, c.kind, c.post, c.reverse}; got != want {
				t.Errorf("octets, packets, kind, behind the device, of the other direction: %v, want %v", got, want)
			}
		})
	}
}

// Of an element that is there twice the first counts; the record says so.
func TestRepeatedElements(t *testing.T) {
	t.Parallel()
	r, x := one(t, newDecoder(template.Config{}), decoder.FormatIPFIX,
		[]field{{id: 8, length: 4}, {id: 1, length: 1}, {id: 8, length: 4}, {id: 1, length: 1}, {id: 95, length: 1}, {id: 95, length: 1}},
		[]byte{10, 0, 0, 1, 5, 10, 0, 0, 2, 6, 7, 8})
	if r.SourceAddress.String() != "10.0.0.1" || r.Octets != 5 || !bytes.Equal(x.ApplicationID, []byte{7}) {
		t.Errorf("source %v, octets %d, application %v", r.SourceAddress, r.Octets, x.ApplicationID)
	}
	if r.Anomalies&decoder.AnomalyDuplicateElement == 0 {
		t.Errorf("anomalies %v", r.Anomalies)
	}
}

// Elements asked for are copied as they are, within bounds: of those that fit, all.
func TestElementsAskedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list   string
		fields []field
		record []byte
		want   []decoder.Element
	}{
		{"82,6876/901", []field{{id: 82, length: 2}, {id: 901, length: 65535, pen: 6876}, {id: 1, length: 1}}, []byte{'a', 'b', 1, 'c', 9},
			[]decoder.Element{{ID: 82, Value: []byte("ab")}, {Enterprise: 6876, ID: 901, Value: []byte("c")}}},
		{"1", []field{{id: 1, length: 1}, {id: 2, length: 1}, {id: 1, length: 1, pen: 9}}, []byte{1, 2, 3}, []decoder.Element{{ID: 1, Value: []byte{1}}}},
		{"1", []field{{id: 1, length: 65535}, {id: 2, length: 1}}, []byte{3, 1, 2, 3, 4}, []decoder.Element{{ID: 1, Value: []byte{1, 2, 3}}}},
		{"all-unknown", []field{{id: 1, length: 1}, {id: 20000, length: 1}, {id: 1, length: 1, pen: 9}}, []byte{1, 2, 3},
			[]decoder.Element{{ID: 20000, Value: []byte{2}}, {Enterprise: 9, ID: 1, Value: []byte{3}}}},
		{"82,83", []field{{id: 82, length: 500}, {id: 83, length: 13}, {id: 83, length: 12}}, make([]byte, 525),
			[]decoder.Element{{ID: 82, Value: make([]byte, 500)}, {ID: 83, Value: make([]byte, 12)}}},
		{"82", []field{{id: 82, length: 0}, {id: 1, length: 1}}, []byte{1}, []decoder.Element{{ID: 82, Value: nil}}},
	} {
		t.Run(c.list, func(t *testing.T) {
			t.Parallel()
			wanted, err := template.ParseSelection(c.list)
			if err != nil {
				t.Fatal(err)
			}
			_, x := one(t, newDecoder(template.Config{Elements: wanted}), decoder.FormatIPFIX, c.fields, c.record)
			if !x.Present.Has(decoder.FieldElements) || !slices.EqualFunc(x.Elements, c.want, func(a, b decoder.Element) bool {
				return a.Enterprise == b.Enterprise && a.ID == b.ID && bytes.Equal(a.Value, b.Value)
			}) {
				t.Errorf("%v, want %v", x.Elements, c.want)
			}
		})
	}
}

// A list that cannot be read is refused, with what is wrong in it.
func TestParseSelection(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"x", "65536", "1/65536", "4294967296/1", "x/1", "-1", "1,,2", "1/"} {
		if _, err := template.ParseSelection(list); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
	for _, list := range []string{"", " ", "1", " 1 , 25461/56701,all-unknown", "1,1"} {
		if _, err := template.ParseSelection(list); err != nil {
			t.Errorf("%q: %v", list, err)
		}
	}
}

// NetFlow v9 has no enterprise numbers: its types use all 16 bits.
func TestTypesOfNetFlow9(t *testing.T) {
	t.Parallel()
	r, x := one(t, newDecoder(template.Config{}), decoder.FormatNetFlowV9,
		[]field{{id: 33002, length: 2}, {id: 40005, length: 1}, {id: 0x8001, length: 1}}, []byte{3, 0xe9, 2, 77})
	if x.Values[decoder.FieldFirewallExtendedEvent] != 1001 || x.Values[decoder.FieldFirewallEvent] != 2 || r.Octets != 0 {
		t.Errorf("events %d, %d, octets %d", x.Values[decoder.FieldFirewallExtendedEvent], x.Values[decoder.FieldFirewallEvent], r.Octets)
	}
}
