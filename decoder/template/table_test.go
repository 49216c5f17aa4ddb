package template_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/testwait"
)

// short is a template of 8 bytes: an address and a counter of four bytes.
var short = []field{{id: 8, length: 4}, {id: 1, length: 4}}

// other is another one of the same length.
var other = []field{{id: 12, length: 4}, {id: 2, length: 4}}

// A decoderOf decodes for one table.
type decoderOf struct {
	*template.Reader
	table *template.Table
	p     decoder.ExportPacket
}

func newDecoder(c template.Config) *decoderOf {
	t := template.NewTable(c)
	return &decoderOf{Reader: template.NewReader(t), table: t}
}

// decode decodes a packet of either format and returns how many records it gave.
func (d *decoderOf) decode(tb testing.TB, b []byte, from netip.AddrPort, now time.Duration) int {
	tb.Helper()
	decode := netflow9.Decode
	if b[1] == 10 {
		decode = ipfix.Decode
	}
	if err := decode(d.Reader, b, from, now, &d.p); err != nil && !errors.Is(err, decoder.ErrNoRecords) {
		tb.Fatal(err)
	}
	return len(d.p.Records)
}

// Another port's template serves as long as all ports that have one agree.
func TestTableFallsBackToOtherPorts(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	data := v9(1, set(256, records(1, 8)))
	d.decode(t, v9(1, set(0, definition(256, short...))), exporterPort(1, 1000), 0)
	for _, c := range []struct {
		name string
		from netip.AddrPort
		data []byte
		want int
	}{
		{"another port", exporterPort(1, 2000), data, 1},
		{"another address", exporterPort(2, 1000), data, 0},
		{"another domain", exporterPort(1, 1000), v9(2, set(256, records(1, 8))), 0},
		{"another format", exporterPort(1, 1000), message(set(256, records(1, 8))), 0},
		{"another id", exporterPort(1, 1000), v9(1, set(257, records(1, 8))), 0},
	} {
		if got := d.decode(t, c.data, c.from, 0); got != c.want || len(d.Missing) != 1-c.want {
			t.Errorf("%s: %d records, %d sets missing, want %d records", c.name, got, len(d.Missing), c.want)
		}
	}
	d.decode(t, v9(1, set(0, definition(256, other...))), exporterPort(1, 3000), 0)
	if got := d.decode(t, data, exporterPort(1, 2000), 0); got != 0 {
		t.Errorf("%d records though the other ports do not agree, want none", got)
	}
	if got := d.decode(t, data, exporterPort(1, 3000), 0); got != 1 || d.p.Records[0].Packets == 0 {
		t.Errorf("%d records of the own port's template, want 1", got)
	}
}

// A new definition holds at once, and as often as there is one; each is a change.
func TestTableReplacesAtOnce(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from, data := exporterPort(1, 1000), set(256, records(1, 8))
	for i := range 6 {
		fields := short
		if i%2 == 1 {
			fields = other
		}
		if d.decode(t, v9(1, set(0, definition(256, fields...)), data), from, 0); (d.p.Records[0].Octets == 0) != (i%2 == 1) {
			t.Errorf("change %d: octets %d", i, d.p.Records[0].Octets)
		}
	}
	if got := d.table.Stats().Changes; got != 6 {
		t.Errorf("%d changes, want 6", got)
	}
	d.decode(t, v9(1, set(0, definition(256, other...))), from, 0)
	if got := d.table.Stats(); got.Changes != 6 || len(d.Learned) != 0 || got.Wire != 1 || got.Plans != 1 {
		t.Errorf("after a repetition %+v, learned %v", got, d.Learned)
	}
}

// What is not a template leaves or removes the one that it would replace.
func TestTableRefuses(t *testing.T) {
	t.Parallel()
	var tooMany []field
	for range 513 {
		tooMany = append(tooMany, field{id: 9999, length: 1})
	}
	for _, c := range []struct {
		name   string
		set    []byte
		stays  bool
		reason template.RefuseReason
	}{
		{"cut", set(0, definition(256, short...)[:10]), true, template.RefuseMalformed},
		{"no length", set(0, definition(256, field{id: 8}, field{id: 12})), false, template.RefuseInvalid},
		{"too many fields", set(0, definition(256, tooMany...)), false, template.RefuseLimit},
		{"too long", set(0, definition(256, field{id: 9999, length: 4097})), false, template.RefuseLimit},
		{"odd lengths", set(1, []byte{1, 0, 0, 3, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4}), true, template.RefuseMalformed},
	} {
		d := newDecoder(template.Config{})
		d.decode(t, v9(1, set(0, definition(256, short...))), exporterPort(1, 1), 0)
		d.decode(t, v9(1, c.set), exporterPort(1, 1), 0)
		stays := d.decode(t, v9(1, set(256, records(1, 8))), exporterPort(1, 1), 0) == 1
		if stays != c.stays || d.table.Stats().Refused[c.reason] != 1 {
			t.Errorf("%s: stays %v, want %v; %+v", c.name, stays, c.stays, d.table.Stats())
		}
	}
}

// A template that is neither sent nor used lapses; one that is used does not.
func TestTableLifetime(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from, learn, data := exporterPort(1, 1), v9(1, set(0, definition(256, short...))), v9(1, set(256, records(1, 8)))
	d.decode(t, learn, from, 0)
	now := time.Duration(0)
	for range 10 {
		now += 30 * time.Minute
		if d.decode(t, data, from, now) != 1 {
			t.Fatalf("lapsed at %v though it is used", now)
		}
	}
	if d.decode(t, data, from, now+30*time.Minute+1) != 0 {
		t.Error("not lapsed after 30 min of silence")
	}
	d.decode(t, learn, from, 0)
	d.decode(t, learn, from, 20*time.Minute)
	if d.table.Expire(80*time.Minute) != 0 || d.table.Expire(80*time.Minute+1) != 1 {
		t.Error("sent every 20 min, it does not last three times as long")
	}
	if s := d.table.Stats(); s.Wire != 0 || s.Plans != 0 || s.Expired != 2 {
		t.Errorf("%+v, want an empty table", s)
	}
}

// However many templates, domains and ports one address has, others keep theirs, and it
// keeps the newest.
func TestTableBoundsAnAddress(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	learn, data := v9(1, set(0, definition(256, short...))), v9(1, set(256, records(1, 8)))
	d.decode(t, learn, exporterPort(1, 1), 0)
	for i := range 100_000 {
		packet := v9(i%3000, set(0, definition(256+i%60000, short...)))
		d.decode(t, packet, exporterPort(2, uint16(i)), 0)
	}
	if s := d.table.Stats(); s.Wire > 2049 || s.Wire < 256 {
		t.Errorf("%d templates, want up to 2,049", s.Wire)
	}
	if d.decode(t, data, exporterPort(1, 1), 0) != 1 {
		t.Error("another address lost its template")
	}
	if d.decode(t, v9(99_999%3000, set(256+99_999%60000, records(1, 8))), exporterPort(2, 99_999&0xffff), 0) != 1 {
		t.Error("the newest template is gone")
	}
	for i := range 1000 {
		d.decode(t, v9(1, set(0, definition(256+i, short...))), exporterPort(3, 7), 0)
		d.decode(t, learn, exporterPort(4, uint16(i)), 0)
	}
	got := 0
	for i := range 1000 {
		got += d.decode(t, v9(1, set(256+i, records(1, 8))), exporterPort(3, 7), 0)
	}
	if got != 512 {
		t.Errorf("%d templates of a domain, want 512", got)
	}
}

// Forged addresses displace each other before they displace an exporter that is heard.
func TestTableKeepsRegulars(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	learn, data := v9(1, set(0, definition(256, twentyThree...))), v9(1, set(256, records(1, 62)))
	const regulars = 200
	for e := range regulars {
		d.decode(t, learn, exporterPort(e, 1), 0)
		for range 10 {
			d.decode(t, data, exporterPort(e, 1), 0)
		}
	}
	for i := range testwait.Fewer(70_000, 150_000) {
		forged := slices.Concat(short[:2], []field{{id: 50000, length: uint16(1 + i%4000)}})
		d.decode(t, v9(1, set(0, definition(300+i%7, forged...))), exporterPort(1<<20+i, 1), time.Duration(i)*time.Microsecond)
	}
	for e := range regulars {
		if d.decode(t, data, exporterPort(e, 1), time.Second) != 1 {
			t.Fatalf("exporter %d lost its template", e)
		}
	}
	if s := d.table.Stats(); s.Wire > 65536 || s.Plans > 4096 {
		t.Errorf("%+v, want up to 65,536 templates and 4,096 plans", s)
	}
}

// Whoever forges an exporter's address displaces no template that the exporter uses, by any number of
// ports or domains.
func TestTableKeepsRegularsOfAnAddress(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	from := exporterPort(1, 1)
	learn := v9(1, set(0, definition(256, short...), definition(257, short...)))
	d.decode(t, learn, from, 0)
	for range 10 {
		d.decode(t, v9(1, set(256, records(1, 8))), from, 0)
	}
	for i := range 5000 {
		now := time.Second + time.Duration(i)*time.Millisecond
		d.decode(t, v9(1, set(0, definition(256, other...), definition(300+i, other...))), exporterPort(1, uint16(2+i)), now)
		d.decode(t, v9(2+i, set(0, definition(256, other...))), from, now)
	}
	if d.decode(t, v9(1, set(256, records(1, 8))), from, time.Minute) != 1 || d.p.Records[0].Packets != 0 {
		t.Error("the exporter lost a template that it uses")
	}
}

// Whatever follows a header of either format is decoded within bounds, and the memory
// that it leaves behind is bounded. Exporters that are heard keep their templates.
func TestRandomDatagrams(t *testing.T) {
	count := testwait.Fewer(100_000, 1_000_000)
	before := heap()
	d := newDecoder(template.Config{})
	room := template.NewRoom(d.table)
	random := rand.New(rand.NewPCG(1, 2))
	const exporters = 200
	hear := func(packet []byte, now time.Duration) (records int) {
		for e := range exporters {
			records += d.decode(t, packet, exporterPort(1<<21+e, 1), now)
		}
		return records
	}
	data := v9(1, set(256, records(1, 62)))
	hear(v9(1, set(0, definition(256, twentyThree...))), 0)
	for range 10 {
		hear(data, 0)
	}
	b := make([]byte, 200)
	for i := range count {
		for j := 0; j < len(b); j += 8 {
			copy(b[j:], be32(be32(nil, int(random.Uint32())), int(random.Uint32())))
		}
		packet := b[:20+random.IntN(len(b)-20)]
		packet[0], packet[1] = 0, byte(9+i%2)
		header := 20 - 4*(i%2)
		if i%2 == 1 {
			packet[2], packet[3] = 0, byte(len(packet))
		}
		if len(packet) > header+4 && i%4 < 3 { // sets that are read
			packet[header], packet[header+1] = byte(random.IntN(2)), byte(random.IntN(4))
			packet[header+2], packet[header+3] = 0, byte(len(packet)-header)
			if i%8 < 6 && len(packet) > header+8 { // templates that are whole
				packet[header+4], packet[header+6], packet[header+7] = byte(1+i%16), 0, byte(1+i%5)
				for at := header + 10; at < len(packet); at += 4 {
					packet[at] = 0
				}
			}
		}
		from := exporterPort(random.IntN(1<<20), uint16(random.IntN(4)))
		now := time.Duration(i) * time.Microsecond
		if n := d.decode(t, packet, from, now); n > len(packet) {
			t.Fatalf("%d records of %d bytes", n, len(packet))
		}
		for _, s := range d.Missing {
			room.Add(from, &d.p.Header, s, 0, now)
		}
		if i%10_000 == 0 && hear(data, now) != exporters {
			t.Fatalf("after %d datagrams an exporter has lost its template", i)
		}
	}
	_, waiting := room.Len()
	if taken := heap() - before; taken > 64<<20+16<<20 || waiting > 16<<20 {
		t.Errorf("%d MiB are taken, %d MiB of that say they wait; want 80 and 16 at most", taken>>20, waiting>>20)
	}
	if s := d.table.Stats(); s.Wire == 0 || s.Refused[template.RefuseMalformed] == 0 {
		t.Errorf("%+v: the datagrams are too random to test much", s)
	}
}

// A domain's samplers are bounded: those beyond are counted, and those known stay, and are no news each
// time they are told again.
func TestSamplersAreBounded(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{Track: true})
	options := append(be16(be16(be16(nil, 512), 2), 1), 0, 48, 0, 1, 0, 34, 0, 2)
	var told []byte
	for id := range byte(70) {
		told = append(told, id+1, 1, id)
	}
	packet := message(set(3, options), set(512, told), set(2, definition(256, field{id: 48, length: 1})), set(256, []byte{64, 65}))
	news := 0
	for i := range 12 {
		if d.decode(t, packet, exporterPort(1, 1), 0) != 2 {
			t.Fatal("no records")
		}
		known, _ := sampling(&d.p.Extensions[0])
		beyond, _ := sampling(&d.p.Extensions[1])
		if known != 256+63 || beyond != 0 {
			t.Errorf("sampler 64 has interval %d, want 319; sampler 65 %d, want none", known, beyond)
		}
		d.table.Changes(time.Duration(i)*time.Hour, 100, func(template.Template) {}, func(template.DomainOptions) { news++ })
	}
	if s := d.table.Stats(); news != 1 || s.Samplers != 64 || s.SamplersRefused != 12*6 {
		t.Errorf("%d times news, %+v, want 1, 64 samplers, 72 refused", news, s)
	}
}

// No address takes the room for samplings of all others. Where there is none for more, what is known is kept up to date.
func TestSamplersOfAnAddressAreBounded(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	options := append(be16(be16(be16(nil, 512), 4), 8), 0, 1, 0, 0, 0, 48, 0, 1, 0, 34, 0, 2)
	flows := definition(256, field{id: 48, length: 1})
	tell := func(exporter, domain, interval int) (refused uint32) {
		var told []byte
		for id := range 64 {
			told = be16(append(told, byte(id+1)), interval)
		}
		d.decode(t, v9(domain, set(1, options), set(512, told)), exporterPort(exporter, 1), 0)
		return d.SamplingsRefused
	}
	interval := func(exporter, domain int) uint64 {
		d.decode(t, v9(domain, set(0, flows), set(256, []byte{64})), exporterPort(exporter, 1), 0)
		i, _ := sampling(&d.p.Extensions[0])
		return i
	}
	var refused uint32
	for domain := range 100 {
		refused += tell(1, domain, 100)
	}
	if s := d.table.Stats(); s.Samplers != 1024 || refused != 84*64 || s.SamplersRefused != uint64(refused) {
		t.Errorf("%d samplings are kept, %d and %d refused; want 1024, and 5376", s.Samplers, refused, s.SamplersRefused)
	}
	if got := tell(2, 0, 200); got != 0 || interval(2, 0) != 200 {
		t.Errorf("another exporter: %d refused, interval %d", got, interval(2, 0))
	}
	if got := tell(1, 15, 300); got != 0 || interval(1, 15) != 300 {
		t.Errorf("a change of what is known: %d refused, interval %d", got, interval(1, 15))
	}
	if got := interval(1, 16); got != 0 {
		t.Errorf("a domain that found no room has the interval %d", got)
	}
}

// What is new is bounded while nobody asks, however much comes and goes.
func TestUntoldChangesAreBounded(t *testing.T) {
	before := heap()
	d := newDecoder(template.Config{Track: true})
	options := append(be16(be16(be16(nil, 512), 2), 1), 0, 48, 0, 1, 0, 34, 0, 2)
	packet := message(set(3, options), set(512, []byte{1, 0, 9}))
	for i := range testwait.Fewer(150_000, 400_000) {
		d.decode(t, packet, exporterPort(i, 1), 0)
	}
	if taken := heap() - before; taken > 64<<20 {
		t.Errorf("%d MiB, want 64 at most", taken>>20)
	}
	d.table.Changes(0, 1000, func(template.Template) { t.Error("a template was told that nothing has proven") },
		func(template.DomainOptions) { t.Error("options were told that nothing has proven") })
	if got := d.table.Untold(); got != 2*65536 {
		t.Errorf("%d templates and domains are untold, want those that are there: 131072", got)
	}
}
