package template_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/testwait"
)

const perPacket = 22

// learned returns a reader whose table has so many templates of so many exporters.
func learned(tb testing.TB, exporters, templates int) *template.Reader {
	tb.Helper()
	r := template.NewReader(template.NewTable(template.Config{}))
	var p decoder.ExportPacket
	for e := range exporters {
		for i := range templates {
			if err := netflow9.Decode(r, v9(1, set(0, definition(256+i, twentyThree...))), exporterPort(e, 2055), 0, &p); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return r
}

// BenchmarkDecode is the cost of a record of 23 fields, by how many templates there are.
func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct {
		name                 string
		exporters, templates int
	}{{"templates=16", 4, 4}, {"templates=65536", 2048, 32}} {
		b.Run(c.name, func(b *testing.B) {
			r := learned(b, c.exporters, c.templates)
			data := make([][]byte, c.templates)
			for i := range data {
				data[i] = v9(1, set(256+i, records(perPacket, 62)))
			}
			var p decoder.ExportPacket
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := netflow9.Decode(r, data[n%c.templates], exporterPort(n*7919%c.exporters, 2055), time.Second, &p); err != nil || len(p.Records) != perPacket {
					b.Fatal(err, len(p.Records))
				}
				n++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*perPacket), "ns/flow")
		})
	}
}

// BenchmarkDecodeVariable is the same with a field of variable length.
func BenchmarkDecodeVariable(b *testing.B) {
	r := template.NewReader(template.NewTable(template.Config{}))
	var p decoder.ExportPacket
	record := append(records(1, 62), 3, 'a', 'b', 'c')
	var all []byte
	for range perPacket {
		all = append(all, record...)
	}
	_ = ipfix.Decode(r, message(set(2, definition(256, slices.Concat(twentyThree, []field{{id: 82, length: 65535}})...))), exporterPort(0, 1), 0, &p)
	data := message(set(256, all))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := ipfix.Decode(r, data, exporterPort(0, 1), time.Second, &p); err != nil || len(p.Records) != perPacket {
			b.Fatal(err, len(p.Records))
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*perPacket), "ns/flow")
}

// What comes again and again allocates nothing: data, templates and options known.
func TestDecodeDoesNotAllocate(t *testing.T) {
	r := template.NewReader(template.NewTable(template.Config{}))
	labels := slices.Concat(twentyThree, []field{{id: 70, length: 3}, {id: 71, length: 3}, {id: 95, length: 4},
		{id: 27, length: 16}, {id: 28, length: 16}, {id: 63, length: 16}})
	options := append(be16(be16(be16(nil, 512), 4), 8), 0, 1, 0, 4, 0, 48, 0, 1, 0, 34, 0, 4)
	packet := v9(7,
		set(0, definition(256, twentyThree...), definition(257, labels...)), set(1, options),
		set(512, []byte{0, 0, 0, 1, 1, 0, 0, 0, 100}), set(256, records(5, 62)), set(257, records(5, 120)), set(300, records(1, 9)))
	var p decoder.ExportPacket
	decode := func() {
		if err := netflow9.Decode(r, packet, exporterPort(1, 2055), time.Minute, &p); err != nil || len(p.Records) != 10 {
			t.Fatal(err, len(p.Records))
		}
	}
	decode()
	if n := testing.AllocsPerRun(100, decode); n != 0 {
		t.Errorf("a packet takes %v allocations, want none", n)
	}
}

// However templates are made and spread over exporters, and whatever their options tell, the table takes
// less than 64 MiB.
func TestTableMemory(t *testing.T) {
	large := make([]field, 0, 512) // all that fills something, and of variable length what it can
	for id := range uint16(256) {
		large = append(large, field{id: 1 + id, length: 1 + 65534*(id%2)}, field{id: 1 + id, length: 65535, pen: 29305})
	}
	options := append(be16(be16(be16(nil, 512), 3), 1), 0, 145, 0, 2, 0, 34, 0, 4, 0, 35, 0, 1)
	type load struct {
		name                 string
		exporters, templates int
		fields               []field
		options              bool
		plans                int
	}
	for _, c := range testwait.Few(1, []load{
		{"usual templates", 2048, 32, twentyThree, false, 2000},
		{"an exporter each", 65536, 1, twentyThree, false, 2000},
		{"large templates", 65536, 1, large[:511], false, 2300},
		{"options", 32768, 1, large[:511], true, 2300},
	}) {
		t.Run(c.name, func(t *testing.T) {
			before := heap()
			table := template.NewTable(template.Config{})
			r := template.NewReader(table)
			var p decoder.ExportPacket
			for e := range c.exporters {
				for i := range c.templates {
					fields := slices.Concat(c.fields, []field{{id: 30000, length: uint16(1 + (e*c.templates+i)%c.plans)}})
					sets := [][]byte{set(2, definition(256+i, fields...))}
					if c.options {
						sets = append(sets, set(3, options), set(512, []byte{1, 0, 0, 0, 0, 2, 1, 1, 1, 0, 0, 0, 3, 1}))
					}
					if err := ipfix.Decode(r, message(sets...), exporterPort(e, 2055), 0, &p); err != nil {
						t.Fatal(err)
					}
				}
			}
			s := table.Stats()
			if s.Wire != 65536 || s.Plans < c.plans || s.Evicted != 0 || c.options && s.Samplers < 65000 {
				t.Errorf("%+v, want 65536 templates, %d plans, none evicted, samplers %v", s, c.plans, c.options)
			}
			if taken := heap() - before; taken > 64<<20 {
				t.Errorf("the table takes %d MiB, want 64 at most", taken>>20)
			} else {
				t.Logf("%d KiB", taken>>10)
			}
			runtime.KeepAlive(table)
		})
	}
}

// Definitions that are large take each other's room, not that of an exporter in use.
func TestPlanMemory(t *testing.T) {
	d := newDecoder(template.Config{})
	d.decode(t, v9(1, set(0, definition(256, short...))), exporterPort(1, 1), 0)
	data := v9(1, set(256, records(1, 8)))
	for range 10 {
		d.decode(t, data, exporterPort(1, 1), 0)
	}
	var large []field
	for id := range uint16(511) {
		large = append(large, field{id: 1 + id, length: 65535})
	}
	before := heap()
	for i := range 8000 {
		d.decode(t, message(set(2, definition(256, slices.Concat(large, []field{{id: 30000, length: uint16(1 + i%3500)}})...))), exporterPort(2+i, 1), time.Second)
	}
	if taken := heap() - before; taken > 32<<20 {
		t.Errorf("8000 large templates take %d MiB, want 32 at most", taken>>20)
	}
	if d.decode(t, data, exporterPort(1, 1), time.Second) != 1 {
		t.Error("the exporter in use lost its template")
	}
	if s := d.table.Stats(); s.Wire < 500 || s.Evicted == 0 || s.Refused[template.RefuseLimit] != 0 {
		t.Errorf("%+v: want some evicted, none refused", s)
	}
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
