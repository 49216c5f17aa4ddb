package template_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// told is what Changes has told.
type told struct {
	templates []template.Template
	options   []template.DomainOptions
}

func (d *decoderOf) changes(now time.Duration) (all told) {
	d.table.Changes(now, 1000, func(c template.Template) { all.templates = append(all.templates, c) },
		func(o template.DomainOptions) { all.options = append(all.options, o) })
	return all
}

// use has so many sets of a record decoded by template 256.
func (d *decoderOf) use(t *testing.T, n int, now time.Duration) {
	t.Helper()
	for range n {
		if d.decode(t, v9(1, set(256, records(1, 8))), exporterPort(1, 1), now) != 1 {
			t.Fatal("a set was not decoded")
		}
	}
}

// teaches returns a packet that has template 256.
func teaches(fields ...field) []byte { return v9(1, set(0, definition(256, fields...))) }

// provisional reports whether the last packet's first record is marked so.
func (d *decoderOf) provisional() bool {
	return len(d.p.Records) > 0 && d.p.Records[0].Anomalies&decoder.AnomalyTemplateProvisional != 0
}

// stored returns template 256 as an exporter's collector has told it, of that age.
func stored(age time.Duration, fields ...field) template.Template {
	return template.Template{
		Key:        template.Key{Format: decoder.FormatNetFlowV9, Address: exporterPort(1, 1).Addr(), Port: 1, Domain: 1, ID: 256},
		Definition: template.Definition{Format: decoder.FormatNetFlowV9, Raw: definition(256, fields...)[2:]},
		Age:        age, Booted: decoder.UnixNano((exportSeconds - uptime/1000) * 1e9),
	}
}

// Changes are told once, the last one of several, and restored elsewhere they decode,
// marked until the exporter confirms them.
func TestChangesAndRestore(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	from := exporterPort(1, 1)
	options := append(be16(be16(be16(nil, 512), 4), 8), 0, 1, 0, 4, 0, 48, 0, 1, 0, 34, 0, 4)
	d.decode(t, teaches(other...), from, 0)
	d.decode(t, v9(1, set(0, definition(256, short...)), set(1, options), set(512, []byte{0, 0, 0, 0, 0, 0, 0, 0, 100})), from, 0)
	d.use(t, 10, 0)
	all := d.changes(time.Second)
	if len(all.templates) != 2 || len(all.options) != 1 || !bytes.Equal(all.templates[0].Raw, definition(256, short...)[2:]) {
		t.Fatalf("changes %+v", all)
	}

	fresh := newDecoder(template.Config{Track: true})
	for _, c := range all.templates {
		if got := fresh.table.Restore(c, 0); got != template.RestoredNew {
			t.Errorf("restoring %+v: %v", c.Key, got)
		}
	}
	if got := fresh.table.RestoreOptions(all.options[0], 0); got != template.RestoredNew {
		t.Errorf("restoring options: %v", got)
	}
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"the same boot", v9At(1, uptime, exportSeconds+9, set(256, records(1, 8))), 1},
		{"another boot", v9At(1, uptime, exportSeconds+11, set(256, records(1, 8))), 0},
		{"padding", v9(1, set(256, records(1, 8), []byte{0, 0, 0})), 1},
		{"no padding", v9(1, set(256, records(1, 8), []byte{0, 1})), 0},
		{"another length", v9(1, set(256, records(1, 12))), 0},
	} {
		got := fresh.decode(t, c.data, from, 0)
		if got != c.want || got == 1 && !fresh.provisional() {
			t.Errorf("%s: %d records, want %d", c.name, got, c.want)
		}
	}
	if s := fresh.table.Stats(); s.Stored != 2 || s.Mismatched != 3 {
		t.Errorf("%+v, want 2 stored and 3 mismatches", s)
	}
	fresh.decode(t, v9(1, set(0, definition(256, short...)), set(1, options), set(512, []byte{0, 0, 0, 0, 0, 0, 0, 0, 100}),
		set(256, records(1, 8))), from, time.Second)
	if fresh.provisional() || !slices.Equal(fresh.Learned, []uint16{256, 512}) {
		t.Error("confirmed, it is provisional still")
	}
	if all := fresh.changes(time.Hour); len(all.templates)+len(all.options) != 0 {
		t.Errorf("what the store knows was told again: %+v", all)
	}
}

// What is told was proven by data, is told once a minute at most, and again after most of a day.
func TestChangesAreProven(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	from := exporterPort(1, 1)
	tells := func(now time.Duration, want ...[]byte) {
		t.Helper()
		got := d.changes(now).templates
		if len(got) != len(want) || len(got) == 1 && !bytes.Equal(got[0].Raw, want[0]) {
			t.Errorf("at %v told %+v, want %x", now, got, want)
		}
	}
	of := func(fields ...field) []byte { return definition(256, fields...)[2:] }
	d.decode(t, teaches(short...), from, 0)
	d.use(t, 9, 0)
	tells(0)
	d.use(t, 1, 0)
	tells(0, of(short...))
	tells(time.Hour)

	// A new one of the domain needs one set, one in another's place ten.
	now := 10 * time.Minute
	d.decode(t, teaches(other...), from, now)
	d.decode(t, v9(1, set(0, definition(257, short...)), set(257, records(1, 8))), from, now)
	d.use(t, 9, now)
	if got := d.changes(now).templates; len(got) != 1 || got[0].ID != 257 {
		t.Errorf("told %+v, want 257", got)
	}
	d.use(t, 1, now)
	tells(now, of(other...))
	d.decode(t, teaches(short...), from, now)
	d.use(t, 10, now)
	tells(now + time.Minute - 1)
	tells(now+time.Minute, of(short...))

	// What changes all the time is told when it has lasted.
	for range 2 {
		d.decode(t, teaches(other...), from, now)
		d.decode(t, teaches(short...), from, now)
	}
	d.decode(t, teaches(other...), from, now)
	d.use(t, 10, now)
	tells(now + 9*time.Minute)
	tells(now+10*time.Minute, of(other...))

	now += 15 * time.Hour
	d.decode(t, teaches(other...), from, now)
	d.use(t, 1, now)
	d.table.Expire(now)
	tells(now)
	now += 6 * time.Hour
	d.decode(t, teaches(other...), from, now)
	d.use(t, 1, now)
	d.table.Expire(now)
	tells(now, of(other...))

	d.decode(t, teaches(field{id: 8}), from, now)
	if got := d.changes(now).templates; len(got) != 1 || !got[0].Removed || got[0].ID != 256 {
		t.Errorf("%+v, want a removal", got)
	}
}

// An exporter that has restarted is told, since nothing of it is used elsewhere before.
func TestChangesTellRestarts(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	from := exporterPort(1, 1)
	d.decode(t, teaches(short...), from, 0)
	d.use(t, 10, 0)
	d.changes(0)
	for _, c := range []struct{ after, want int }{{9, 0}, {11, 1}} {
		d.decode(t, v9At(1, uptime, exportSeconds+c.after, set(0, definition(256, short...))), from, time.Hour)
		if got := d.changes(time.Hour).templates; len(got) != c.want {
			t.Errorf("boot %d s later: told %d, want %d", c.after, len(got), c.want)
		}
	}
}

// Of two that are stored the younger holds; what the exporter has sent holds until it has been silent,
// and then what is younger still.
func TestRestoreAgainstWire(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	from := exporterPort(1, 1)
	isShort := func(now time.Duration) bool {
		t.Helper()
		d.use(t, 1, now)
		return d.p.Records[0].Octets != 0
	}
	restore := func(c template.Template, now time.Duration, want template.Restored) {
		t.Helper()
		if got := d.table.Restore(c, now); got != want {
			t.Errorf("restored: %v, want %v", got, want)
		}
	}
	restore(stored(2*time.Hour, short...), 0, template.RestoredNew)
	restore(stored(3*time.Hour, other...), 0, template.RestoredKnown)
	if !isShort(0) || !d.provisional() {
		t.Error("the older of two was taken")
	}
	restore(stored(time.Hour, other...), 0, template.RestoredNew)
	if isShort(0) || !d.provisional() {
		t.Error("the younger of two was not taken")
	}
	d.decode(t, teaches(short...), from, time.Minute)
	restore(stored(0, other...), 2*time.Minute, template.RestoredKnown)
	if !isShort(2*time.Minute) || d.provisional() {
		t.Error("what came from the exporter was replaced")
	}
	d.decode(t, teaches(short...), from, 3*time.Minute)
	if got := d.table.Stats(); got.Contradicted != 1 || got.Plans != 1 {
		t.Errorf("%+v, want one contradiction, of which nothing is left", got)
	}

	// It falls silent for 30 minutes: the last word is the store's.
	restore(stored(0, other...), 10*time.Minute, template.RestoredKnown)
	if isShort(34 * time.Minute) {
		t.Error("after a silence its old template is used, and the store has a younger one")
	}
	if !d.provisional() {
		t.Error("it is not marked")
	}
	d.decode(t, teaches(short...), from, 35*time.Minute)
	if !isShort(35*time.Minute) || d.provisional() {
		t.Error("what came from the exporter is not used")
	}
	if s := d.table.Stats(); s.Wire != 1 || s.Stored != 0 || s.Plans != 1 || s.Contradicted != 1 {
		t.Errorf("%+v", s)
	}
}

// An exporter that went elsewhere may come back within a day.
func TestSilentBecomesProvisional(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	d.decode(t, teaches(short...), exporterPort(1, 1), 0)
	d.table.Expire(23 * time.Hour)
	if s := d.table.Stats(); s.Wire != 0 || s.Stored != 1 || s.Expired != 0 {
		t.Errorf("%+v", s)
	}
	if d.use(t, 1, 24*time.Hour); !d.provisional() {
		t.Error("it is not marked")
	}
	if d.table.Expire(24*time.Hour+1) != 1 || d.table.Stats().Plans != 0 {
		t.Errorf("use prolongs what its exporter does not send: %+v", d.table.Stats())
	}
}

// Nothing is restored that is old, impossible or too much, and a removal removes only what was restored.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	change := func(f func(*template.Template)) template.Template {
		c := stored(0, short...)
		f(&c)
		return c
	}
	for _, c := range []struct {
		name string
		template.Template
		want template.Restored
	}{
		{"old", stored(24*time.Hour+1, short...), template.RestoredOld},
		{"not its format", change(func(c *template.Template) { c.Key.Format = decoder.FormatIPFIX }), template.RestoredInvalid},
		{"version 5", change(func(c *template.Template) { c.Key.Format, c.Definition.Format = 5, 5 }), template.RestoredInvalid},
		{"an id of sets", change(func(c *template.Template) { c.ID = 255 }), template.RestoredInvalid},
		{"no address", change(func(c *template.Template) { c.Address = c.Address.Prev().Next() }), template.RestoredNew},
		{"empty", change(func(c *template.Template) { c.Raw = nil }), template.RestoredInvalid},
		{"cut", change(func(c *template.Template) { c.Raw = c.Raw[:9] }), template.RestoredInvalid},
		{"more behind", change(func(c *template.Template) { c.Raw = append(c.Raw, 0, 0) }), template.RestoredInvalid},
		{"no length", stored(0, field{id: 8}), template.RestoredInvalid},
		{"long", stored(0, field{id: 8, length: 40_000}, field{id: 9, length: 40_000}), template.RestoredExporterLimit},
	} {
		if got := d.table.Restore(c.Template, 0); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := d.table.Restore(change(func(c *template.Template) { c.Removed = true }), 0); got != template.RestoredNew || d.table.Stats().Stored != 0 {
		t.Errorf("removal: %v, %+v", got, d.table.Stats())
	}
	d.decode(t, teaches(short...), exporterPort(1, 1), 0)
	if got := d.table.Restore(change(func(c *template.Template) { c.Removed = true }), time.Second); got != template.RestoredKnown || d.table.Stats().Wire != 1 {
		t.Errorf("removal of what the exporter has sent: %v, %+v", got, d.table.Stats())
	}

	full := newDecoder(template.Config{})
	results := make(map[template.Restored]int)
	for i := range 70_000 {
		c := stored(0, short...)
		c.Address = exporterPort(i, 1).Addr()
		results[full.table.Restore(c, 0)]++
	}
	if results[template.RestoredNew] != 49152 || results[template.RestoredLimit] != 70_000-49152 {
		t.Errorf("%v, want three quarters of 65,536", results)
	}
	distinct := newDecoder(template.Config{})
	clear(results)
	for i := range 5000 {
		c := stored(0, field{id: 8, length: 4}, field{id: uint16(20_000 + i), length: 4})
		c.Address = exporterPort(i, 1).Addr()
		results[distinct.table.Restore(c, 0)]++
	}
	if results[template.RestoredNew] != 3072 || results[template.RestoredLimit] != 5000-3072 {
		t.Errorf("%v, want three quarters of 4,096 definitions", results)
	}
	for _, c := range []struct {
		name   string
		change func(s *template.Template, i int)
		want   int // a quarter less than an exporter may have of it
	}{
		{"of a domain", func(s *template.Template, i int) { s.ID = uint16(256 + i) }, 384},
		{"domains", func(s *template.Template, i int) { s.Domain = uint32(i) }, 192},
		{"of an address", func(s *template.Template, i int) { s.ID, s.Domain = uint16(256+i), uint32(i%10) }, 1536},
	} {
		one := newDecoder(template.Config{})
		clear(results)
		for i := range 2000 {
			s := stored(0, short...)
			c.change(&s, i)
			results[one.table.Restore(s, 0)]++
		}
		if results[template.RestoredNew] != c.want || results[template.RestoredExporterLimit] != 2000-c.want {
			t.Errorf("%s: %v, want %d", c.name, results, c.want)
		}
	}
	for i := range 16384 {
		full.decode(t, teaches(other...), exporterPort(1<<20+i, 1), 0)
	}
	if s := full.table.Stats(); s.Wire != 16384 || s.Stored != 49152 || s.Evicted != 0 {
		t.Errorf("%+v: exporters found no room beside the stored", s)
	}
}

// Options are restored where a domain has templates; what the exporter tells holds, and what belongs to an
// earlier boot does not.
func TestRestoreOptions(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	from := exporterPort(1, 1)
	options := func(interval uint32, age time.Duration) template.DomainOptions {
		s := stored(age, short...)
		s.ID, s.Port = 0, 0
		return template.DomainOptions{Key: s.Key, Age: age, Booted: s.Booted, Samplings: []template.ScopedSampling{
			{Sampling: template.Sampling{Interval: interval}}, {Scope: 9, Sampling: template.Sampling{Interval: 1}},
		}}
	}
	interval := func() uint32 { v, _ := sampling(&d.p.Extensions[0]); return uint32(v) }
	if got := d.table.RestoreOptions(options(10, 0), 0); got != template.RestoredOrphan {
		t.Errorf("without templates: %v", got)
	}
	d.decode(t, teaches(short...), from, 0)
	for _, c := range []struct {
		interval uint32
		age      time.Duration
		want     template.Restored
		then     uint32
	}{
		{10, 2 * time.Hour, template.RestoredNew, 10},
		{20, 3 * time.Hour, template.RestoredKnown, 10},
		{30, 25 * time.Hour, template.RestoredOld, 10},
		{40, time.Hour, template.RestoredNew, 40},
	} {
		got := d.table.RestoreOptions(options(c.interval, c.age), 0)
		if d.use(t, 1, 0); got != c.want || interval() != c.then || !d.provisional() {
			t.Errorf("interval %d of %v: %v, then %d", c.interval, c.age, got, interval())
		}
	}
	told := append(be16(be16(be16(nil, 512), 4), 4), 0, 1, 0, 4, 0, 34, 0, 4)
	d.decode(t, v9(1, set(1, told), set(512, []byte{0, 0, 0, 0, 0, 0, 0, 50})), from, 0)
	if d.use(t, 1, 0); interval() != 50 || d.provisional() {
		t.Errorf("interval %d, want what the exporter tells", interval())
	}
	if got := d.table.RestoreOptions(options(60, 0), time.Minute); got != template.RestoredKnown {
		t.Errorf("instead of the exporter's: %v", got)
	}

	if d.table.RestoreOptions(options(70, 0), time.Hour) != template.RestoredNew {
		t.Error("the exporter is silent, and what it told elsewhere was not taken")
	}
	d.decode(t, v9At(1, uptime, exportSeconds+11, set(0, definition(256, short...)), set(256, records(1, 8))), from, time.Hour)
	if interval() != 0 || d.provisional() {
		t.Errorf("interval %d after a restart, want none", interval())
	}
}

// What a store has told of samplings does not mix with what an exporter tells that has restarted since, and is told again
// as templates are.
func TestOptionsOfARestartedExporter(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	from := exporterPort(1, 1)
	d.decode(t, teaches(field{id: 48, length: 4}, field{id: 1, length: 4}), from, 0)
	s := stored(0, short...)
	s.ID, s.Port = 0, 0
	d.table.RestoreOptions(template.DomainOptions{Key: s.Key, Booted: s.Booted, Samplings: []template.ScopedSampling{
		{Scope: 2, ID: 1, Sampling: template.Sampling{Interval: 10}},
	}}, 0)
	ofSampler := func(id byte, seconds int, sets ...[]byte) uint64 {
		t.Helper()
		sets = append(sets, set(256, []byte{0, 0, 0, id, 0, 0, 0, 9}))
		if d.decode(t, v9At(1, uptime, exportSeconds+seconds, sets...), from, 0) != 1 {
			t.Fatal("no record")
		}
		interval, _ := sampling(&d.p.Extensions[0])
		return interval
	}
	if got := ofSampler(1, 0); got != 10 {
		t.Fatalf("interval %d, want what the store has", got)
	}
	options := append(be16(be16(be16(nil, 512), 4), 8), 0, 1, 0, 4, 0, 48, 0, 1, 0, 34, 0, 4)
	told := set(512, []byte{0, 0, 0, 0, 2, 0, 0, 0, 20})
	if got := ofSampler(2, 60, set(0, definition(256, field{id: 48, length: 4}, field{id: 1, length: 4})), set(1, options), told); got != 20 {
		t.Errorf("interval %d, want what the exporter tells", got)
	}
	if got := ofSampler(1, 60); got != 0 {
		t.Errorf("interval %d of a sampler before the restart, want none", got)
	}
	for range 10 {
		ofSampler(2, 60)
	}
	if got := len(d.changes(time.Minute).options); got != 1 {
		t.Errorf("told %d times", got)
	}
	now := 21 * time.Hour
	d.decode(t, v9At(1, uptime, exportSeconds+60, set(0, definition(256, field{id: 48, length: 4}, field{id: 1, length: 4}))), from, now)
	d.table.Expire(now)
	if got := len(d.changes(now).options); got != 1 {
		t.Errorf("told %d times after 21 hours, want once more", got)
	}
}

// An exporter that has restarted has other ports: what its old ones had taught does not contradict what it teaches now,
// whichever is known first.
func TestStoredPortsDoNotContradict(t *testing.T) {
	t.Parallel()
	data := v9(1, set(256, records(1, 8)))
	for _, first := range []bool{true, false} {
		d := newDecoder(template.Config{Track: true})
		if first {
			d.decode(t, teaches(short...), exporterPort(1, 5), 0)
		}
		for port := range uint16(3) {
			old := stored(0, other...)
			old.Port = 100 + port
			d.table.Restore(old, 0)
		}
		if !first {
			if d.decode(t, data, exporterPort(1, 7), 0) != 1 || !d.provisional() {
				t.Error("the stored ports agree, and another port has no use for that")
			}
			d.decode(t, teaches(short...), exporterPort(1, 5), 0)
		}
		if d.decode(t, data, exporterPort(1, 7), 0) != 1 || d.provisional() || d.p.Records[0].Octets == 0 {
			t.Errorf("first %v: decoded %+v, want by what the exporter has taught", first, d.p.Records)
		}
	}
}

// Forged newcomers displace nothing that was stored.
func TestRestoredAreRegulars(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	d.table.Restore(stored(0, short...), 0)
	for i := range 70_000 {
		d.decode(t, teaches(other...), exporterPort(1<<20+i, 1), time.Second)
	}
	if d.use(t, 1, time.Minute); !d.provisional() {
		t.Error("it is not the stored one")
	}
}

// Sets that wait are ready once what was stored fits them.
func TestRoomReady(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	rm := template.NewRoom(d.table)
	d.wait(t, rm, v9(1, set(256, records(1, 8))), 1, 0)
	d.wait(t, rm, v9(1, set(256, records(1, 7))), 1, 0)
	d.wait(t, rm, v9(1, set(257, records(1, 8))), 1, 0)
	d.wait(t, rm, v9(1, set(256, records(1, 8))), 2, 0)
	if got := rm.Ready(0); len(got) != 0 {
		t.Fatalf("%d sets are ready without a template", len(got))
	}
	d.table.Restore(stored(0, short...), 0)
	if got := rm.Ready(0); len(got) != 1 || len(got[0].Records()) != 8 || got[0].Template != 256 {
		t.Errorf("%d sets are ready, want the first", len(got))
	}
	if sets, _ := rm.Len(); sets != 3 {
		t.Errorf("%d sets wait, want three", sets)
	}
}

// What is stored takes a bounded amount of memory, however much there is: here 200,000 templates
// of 20,000 exporters, 50 of them different. It is not parallel, since it looks at the heap.
func TestRestoredTakesBoundedMemory(t *testing.T) {
	const (
		entries = 200_000
		most    = 48 << 20
	)
	var raw []byte
	raw = be16(raw, 23)
	for n := range 23 {
		raw = be16(be16(raw, 30_000+n), 4)
	}
	before := heap()
	table := template.NewTable(template.Config{Track: true})
	results := make(map[template.Restored]int)
	for i := range entries {
		one := stored(0)
		one.Address, one.ID = netip.AddrFrom4([4]byte{10, byte(i / 10 >> 16), byte(i / 10 >> 8), byte(i / 10)}), uint16(256+i%10)
		one.Raw = bytes.Clone(raw)
		one.Raw[3] = byte(i % 50)
		results[table.Restore(one, time.Hour)]++
	}
	if grown := heap() - before; grown > most {
		t.Errorf("%d MiB are kept, want %d at most", grown>>20, most>>20)
	}
	if got := table.Stats().Stored; got != 49_152 || results[template.RestoredLimit] != entries-49_152 {
		t.Errorf("%d are stored, %v; want 49,152, and the rest beyond the limit", got, results)
	}
}
