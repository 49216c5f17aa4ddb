package exporter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
)

// reading reads the datagrams of exporters of formats with templates.
type reading struct {
	reader *template.Reader
	packet decoder.ExportPacket
}

func newReading() *reading {
	return &reading{reader: template.NewReader(template.NewTable(template.Config{}))}
}

// decode decodes a datagram by the templates that came before.
func (r *reading) decode(d *sentDatagram) error {
	decode := netflow9.Decode
	if len(d.payload) > 1 && d.payload[1] == 10 {
		decode = ipfix.Decode
	}
	return decode(r.reader, d.payload, d.source, 0, &r.packet)
}

// mustDecode fails unless all sets of a datagram can be read.
func (r *reading) mustDecode(t *testing.T, d *sentDatagram) *decoder.ExportPacket {
	t.Helper()
	if err := r.decode(d); err != nil {
		t.Fatal(err)
	}
	if r.reader.Received != r.reader.Decoded || r.packet.Anomalies != 0 {
		t.Fatalf("sets %+v, anomalies %v in %x", r.reader.Sets, r.packet.Anomalies, d.payload)
	}
	return &r.packet
}

// announces reports whether the first set of a datagram, which is whole, is of templates.
func announces(d *sentDatagram) bool {
	at := map[byte]int{9: 20, 10: 16}[d.payload[1]]
	return binary.BigEndian.Uint16(d.payload[at:]) < 256
}

// withTemplates are the formats with templates.
var withTemplates = []Format{NetFlow9, IPFIX}

// TestTemplatedSaysWhatVersion5Does compares flows with those that the same exporter
// sends in version 5, whose records are tested by themselves.
func TestTemplatedSaysWhatVersion5Does(t *testing.T) {
	t.Parallel()
	plain, _ := record(t, Config{Flows: 5000})
	var want []decoder.Record
	for _, d := range plain {
		want = append(want, decode(t, d.payload).Records...)
	}
	for _, format := range withTemplates {
		for _, variable := range []bool{false, format == IPFIX} {
			t.Run(fmt.Sprint(format, variable), func(t *testing.T) {
				t.Parallel()
				sent, _ := record(t, Config{Flows: 5000, Formats: []Format{format}, VariableLengths: variable, Domains: 2})
				r, n := newReading(), 0
				for i := range sent {
					p := r.mustDecode(t, &sent[i])
					for j := range p.Records {
						compare(t, &p.Records[j], &want[n])
						n++
					}
				}
				if n != len(want) {
					t.Errorf("%d flows, want %d", n, len(want))
				}
			})
		}
	}
}

// compare compares what all formats tell.
func compare(t *testing.T, got, want *decoder.Record) {
	t.Helper()
	g, w := *got, *want
	if g.Protocol == protocolICMP {
		w.DestinationPort = 0 // other formats have an element for it
	}
	// Version 9 exports whole seconds.
	if d := w.EndTime.Time().Sub(g.EndTime.Time()); d < 0 || d >= time.Second || w.StartTime.Time().Sub(g.StartTime.Time()) != d {
		t.Fatalf("times differ by %v: %+v, want %+v", d, g, w)
	}
	g.StartTime, g.EndTime, w.StartTime, w.EndTime = 0, 0, 0, 0
	if g.FirstUptime == 0 {
		w.FirstUptime, w.LastUptime = 0, 0 // IPFIX has none
	}
	if g != w {
		t.Fatalf("got %+v\nwant %+v", g, w)
	}
}

func TestTemplatedHasIPv6(t *testing.T) {
	t.Parallel()
	for _, format := range withTemplates {
		sent, _ := record(t, Config{Flows: 20_000, Formats: []Format{format}, IPv6Share: 0.25})
		r, families, echoes := newReading(), map[bool]int{}, map[uint64]int{}
		prefix := netip.MustParsePrefix("2001:db8::/32")
		for i := range sent {
			p := r.mustDecode(t, &sent[i])
			for j := range p.Records {
				f := &p.Records[j]
				ipv6 := f.SourceAddress.Is6()
				families[ipv6]++
				if f.DestinationAddress.Is6() != ipv6 || f.NextHop.Is6() != ipv6 {
					t.Fatalf("%v: families differ: %+v", format, f)
				}
				if ipv6 && (!prefix.Contains(f.SourceAddress) || f.SourcePrefixLength < 112 || f.DestinationPrefixLength < 112) {
					t.Fatalf("%v: %+v", format, f)
				}
				if f.Protocol == protocolICMPv6 {
					echoes[p.Extensions[j].Values[decoder.FieldICMPTypeCode]]++
				}
			}
		}
		if families[true] != 5000 || families[false] != 15_000 {
			t.Errorf("%v: %d flows of IPv6, want 5,000 of 20,000", format, families[true])
		}
		// Echo requests and replies, RFC 4443: types 128 and 129.
		if len(echoes) != 2 || echoes[128<<8] == 0 || echoes[129<<8] == 0 {
			t.Errorf("%v: types and codes of ICMPv6: %v", format, echoes)
		}
	}
}

func TestTemplatedTellsSampling(t *testing.T) {
	t.Parallel()
	for _, format := range withTemplates {
		for mode, algorithm := range map[int]uint64{0: 1, 1: 1, 2: map[Format]uint64{NetFlow9: 2, IPFIX: 3}[format]} {
			sent, stats := record(t, Config{Flows: 2000, Formats: []Format{format}, SamplingMode: mode, SamplingInterval: 1000, Domains: 2})
			r, options := newReading(), 0
			for i := range sent {
				p := r.mustDecode(t, &sent[i])
				options += int(r.reader.Options)
				for j := range p.Records {
					v := &p.Extensions[j].Values
					if v[decoder.FieldSamplingInterval] != 1000 || v[decoder.FieldSamplingAlgorithm] != algorithm || v[decoder.FieldSamplerID] != 1 {
						t.Fatalf("%v, mode %d: interval %d, algorithm %d, sampler %d", format, mode,
							v[decoder.FieldSamplingInterval], v[decoder.FieldSamplingAlgorithm], v[decoder.FieldSamplerID])
					}
				}
			}
			if options == 0 || uint64(2*options) != stats.Templates {
				t.Errorf("%v: %d records of options, %d datagrams without flows", format, options, stats.Templates)
			}
		}
	}
}

// sequenceStep is what a decoded packet adds to the sequence of its domain: RFC 3954,
// section 5.1, and RFC 7011, section 3.1.
func sequenceStep(format Format, r *reading) uint32 {
	if format == NetFlow9 {
		return 1
	}
	return uint32(len(r.packet.Records)) + r.reader.Options
}

func TestTemplatedNumbersPackets(t *testing.T) {
	t.Parallel()
	for _, format := range withTemplates {
		sent, _ := record(t, Config{Flows: 5000, Formats: []Format{format}, Domains: 3, SamplingInterval: 10, IPv6Share: 0.5})
		r, next := newReading(), map[uint32]uint32{}
		for i := range sent {
			p := r.mustDecode(t, &sent[i])
			if want, known := next[p.ObservationDomain]; known && p.FlowSequence != want {
				t.Fatalf("%v, datagram %d: sequence %d, want %d", format, i, p.FlowSequence, want)
			}
			next[p.ObservationDomain] = p.FlowSequence + sequenceStep(format, r)
		}
		if len(next) != 3 {
			t.Errorf("%v: domains %v, want 3", format, next)
		}
	}
}

func TestTemplatesAreRepeated(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		c    Config
		tick time.Duration // between two moments
		want int           // datagrams with templates
	}{
		// 1,000 packets of 10 flows; each call of the clock is a burst of packets.
		{"by number", Config{TemplatePackets: 20}, 0, 50},
		{"by number, with domains", Config{TemplatePackets: 50, Domains: 2}, 0, 40},
		{"never again", Config{TemplatePackets: math.MaxInt}, 0, 1},
		{"by time", Config{TemplatePackets: math.MaxInt, TemplateInterval: time.Second}, time.Second, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, now, calls := tt.c, noon, 0
			c.Flows, c.RecordsPerPacket, c.Formats = 10_000, 10, []Format{NetFlow9}
			c.Now = func() time.Time {
				now = now.Add(tt.tick)
				calls++
				return now
			}
			sent, stats := record(t, c)
			templates := 0
			for i := range sent {
				if announces(&sent[i]) {
					templates++
				}
			}
			want := tt.want
			if tt.tick > 0 {
				want = calls - 2 // at each moment but those when the run and its pace begin
			}
			if templates != want || stats.Templates != uint64(want) || stats.Flows != 10_000 || stats.Datagrams != uint64(1000+want) {
				t.Errorf("%d datagrams with templates, want %d; counted %+v", templates, want, stats.Counts)
			}
		})
	}
}

func TestTemplatesChange(t *testing.T) {
	t.Parallel()
	for _, format := range withTemplates {
		now := noon
		clock := func() time.Time {
			now = now.Add(250 * time.Millisecond)
			return now
		}
		sent, _ := record(t, Config{Flows: 50_000, Formats: []Format{format}, TemplateChange: time.Second, TemplateLoss: 1, Now: clock})
		// The first templates are lost, those that change are not.
		r, changes, missing, flows := newReading(), 0, 0, 0
		definition := ""
		for i := range sent {
			if err := r.decode(&sent[i]); err != nil {
				t.Fatal(err)
			}
			missing += len(r.reader.Missing)
			flows += len(r.packet.Records)
			for j := range r.packet.Records {
				if f := &r.packet.Records[j]; f.Anomalies != 0 || f.SourceAS < 64512 || f.Octets < 28*f.Packets {
					t.Fatalf("%v: misread: %+v", format, f)
				}
			}
			if announces(&sent[i]) {
				text := string(sent[i].payload[format.version().HeaderLen():])
				if text == definition {
					t.Fatalf("%v: the templates are the same as before", format)
				}
				definition = text
				changes++
			}
		}
		if changes < 3 || missing == 0 || flows == 0 {
			t.Errorf("%v: %d changes, %d sets without a template, %d flows", format, changes, missing, flows)
		}
	}
}

// TestNeighboursDiffer: domains have other templates by the same IDs.
func TestNeighboursDiffer(t *testing.T) {
	t.Parallel()
	sent, _ := record(t, Config{Flows: 1, Formats: []Format{IPFIX}, Domains: 2})
	if bytes.Equal(sent[0].payload[16:], sent[1].payload[16:]) {
		t.Error("both domains have the same template")
	}
	if len(sent[0].payload) != len(sent[1].payload) || sent[0].payload[21] != sent[1].payload[21] {
		t.Error("the IDs, or the numbers of elements, differ")
	}
}

func TestTemplatesAreLost(t *testing.T) {
	t.Parallel()
	sent, stats := record(t, Config{Flows: 50_000, Formats: []Format{NetFlow9}, TemplateLoss: 0.5})
	r, gaps, templates := newReading(), uint32(0), 0
	var next uint32
	for i := range sent {
		if err := r.decode(&sent[i]); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			gaps += r.packet.FlowSequence - next
		}
		next = r.packet.FlowSequence + 1
		if announces(&sent[i]) {
			templates++
		}
	}
	if gaps == 0 || uint64(gaps) > stats.WithheldTemplates || uint64(gaps) < stats.WithheldTemplates-1 || uint64(templates) != stats.Templates {
		t.Errorf("gaps of %d packets and %d datagrams with templates, counted %+v", gaps, templates, stats.Counts)
	}
	if d := int(stats.Templates) - int(stats.WithheldTemplates); d < -1 || d > 1 {
		t.Errorf("%d sent and %d withheld, want half of them each", stats.Templates, stats.WithheldTemplates)
	}
}

// TestTemplatedIsDamaged compares what is counted with what a decoder reads.
func TestTemplatedIsDamaged(t *testing.T) {
	t.Parallel()
	for _, format := range withTemplates {
		for _, ipv6 := range []float64{0, 0.3} {
			t.Run(fmt.Sprint(format, ipv6), func(t *testing.T) {
				t.Parallel()
				sent, stats := record(t, Config{Exporters: 2, Flows: 60_000, Formats: []Format{format}, MalformedShare: 0.25, SequenceGaps: 0.1, IPv6Share: ipv6})
				r, kinds := newReading(), map[string]int{}
				var got Counts
				for i := range sent {
					got.Datagrams++
					err := r.decode(&sent[i])
					switch {
					case err != nil:
						kinds[err.Error()]++
						got.Malformed++
					case r.packet.Anomalies != 0:
						kinds[r.packet.Anomalies.String()]++
						got.Malformed++
						got.MalformedFlows += uint64(len(r.packet.Records))
					case r.reader.Received == 0:
						got.Templates++
					default:
						got.Flows += uint64(len(r.packet.Records))
					}
				}
				got.WithheldFlows = 60_000 - got.Flows - got.MalformedFlows
				if got != stats.Counts {
					t.Errorf("a decoder sees %+v, counted %+v", got, stats.Counts)
				}
				if len(kinds) < 4 {
					t.Errorf("kinds of damage: %v, want short, version, no records and malformed sets", kinds)
				}
			})
		}
	}
}

// TestFormatsTakeTurns: exporters speak different formats, each its own.
func TestFormatsTakeTurns(t *testing.T) {
	t.Parallel()
	formats, err := ParseFormats("all")
	if err != nil || len(formats) != int(formatCount) {
		t.Fatal(formats, err)
	}
	sent, stats := record(t, Config{Exporters: 2 * len(formats), Flows: 20_000, Formats: formats})
	versions := map[netip.AddrPort]byte{}
	for _, d := range sent {
		if v, known := versions[d.source]; known && v != d.payload[1] {
			t.Fatalf("%v speaks versions %d and %d", d.source, v, d.payload[1])
		}
		versions[d.source] = d.payload[1]
	}
	for i, e := range stats.Exporters {
		want := map[Format]byte{NetFlow5: 5, NetFlow9: 9, IPFIX: 10, SFlow: 0}[formats[i%len(formats)]]
		if versions[e.Address] != want || e.Format != formats[i%len(formats)] || e.Flows == 0 {
			t.Errorf("exporter %d speaks version %d, sent %+v; want version %d", i, versions[e.Address], e, want)
		}
	}
}

func TestParseFormats(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{"v5": "[v5]", "v9,ipfix": "[v9 ipfix]", "v9,v9,v5": "[v9 v9 v5]", "v5,all": "[v5 v5 v9 ipfix sflow]"} {
		got, err := ParseFormats(list)
		if text := fmt.Sprintf("%v", got); err != nil || text != want {
			t.Errorf("%q: %s, %v; want %s", list, text, err, want)
		}
	}
	for _, list := range []string{"", "V9", "v9,", "v9, ipfix", "7"} {
		if got, err := ParseFormats(list); err == nil {
			t.Errorf("%q: %v, want an error", list, got)
		}
	}
}

// TestPacketsFitFrames: without a wish, packets fit into Ethernet frames, and another
// record would not.
func TestPacketsFitFrames(t *testing.T) {
	t.Parallel()
	// Bytes of the widest records, added up by hand from the templates.
	for _, tt := range []struct {
		c       Config
		records int
	}{
		{Config{}, 30},
		{Config{Formats: []Format{NetFlow9}}, (1472 - 20 - 4 - 3) / 61},
		{Config{Formats: []Format{IPFIX}}, (1472 - 16 - 4 - 3) / 76},
		{Config{Formats: []Format{IPFIX}, IPv6Share: 1}, (1472 - 16 - 2*(4+3)) / 112},
		{Config{Formats: []Format{NetFlow5, NetFlow9}}, (1472 - 20 - 4 - 3) / 61},
	} {
		tt.c.Flows = 100
		g, err := New(tt.c)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if g.config.RecordsPerPacket != tt.records {
			t.Errorf("%v: %d records in a packet, want %d", tt.c.Formats, g.config.RecordsPerPacket, tt.records)
		}
	}
}

func TestNewRefusesMistakesInTemplates(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Formats: []Format{9}, TemplatePackets: -1, TemplateInterval: -1, TemplateChange: 1, TemplateLoss: 2, Domains: 257, IPv6Share: -1, VariableLengths: true})
	fields := map[string]bool{}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatal(err)
	}
	for _, err := range joined.Unwrap() {
		if f, ok := errors.AsType[*FieldError](err); ok {
			fields[f.Field] = true
		}
	}
	for _, field := range []string{"Formats", "TemplatePackets", "TemplateInterval", "TemplateChange", "TemplateLoss", "Domains", "IPv6Share", "VariableLengths"} {
		if !fields[field] {
			t.Errorf("no mistake is found in %s: %v", field, err)
		}
	}
}

func TestTemplatedAllocatesLittle(t *testing.T) {
	for _, variable := range []bool{false, true} {
		g, err := New(Config{Formats: []Format{IPFIX}, IPv6Share: 0.5, VariableLengths: variable, TemplatePackets: math.MaxInt})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		g.out = discard{}
		if n := testing.AllocsPerRun(100, func() {
			if err := g.send(t.Context(), maxBatch); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("variable lengths %v: %v allocations for %d packets", variable, n, maxBatch)
		}
	}
}
