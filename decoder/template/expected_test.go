package template_test

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/corpus"
)

// differences compares a record with what was expected of it, field by field.
func differences(want *corpus.Row, got *decodedRecord) (found []string) {
	differ := func(name string, got, want any) {
		if got != want {
			found = append(found, fmt.Sprintf("%s is %v, want %v", name, got, want))
		}
	}
	r, x, h := got.record, got.Extension, got.header
	differ("domain", h.ObservationDomain, want.Domain)
	differ("sequence", h.FlowSequence, want.Sequence)
	differ("export time", h.ExportSeconds, want.ExportTime)
	differ("template id", x.Values[decoder.FieldTemplateID], want.TemplateID)

	differ("source address", address(r.SourceAddress), text(want.Src))
	differ("destination address", address(r.DestinationAddress), text(want.Dst))
	differ("next hop", address(r.NextHop), text(want.NextHop))
	for _, f := range []struct {
		name string
		got  uint64
		want *uint64
		ids  []uint32
	}{
		{"source port", uint64(r.SourcePort), want.Sport, []uint32{7}},
		{"destination port", uint64(r.DestinationPort), want.Dport, []uint32{11}},
		{"protocol", uint64(r.Protocol), want.Proto, []uint32{4}},
		{"octets", r.Octets, want.Octets, []uint32{1}},
		{"packets", r.Packets, want.Packets, []uint32{2}},
		{"input interface", uint64(r.InputInterface), want.Input, []uint32{10}},
		{"output interface", uint64(r.OutputInterface), want.Output, []uint32{14}},
		{"tcp flags", uint64(r.TCPFlags), want.TCPFlags, []uint32{6}},
		{"tos", uint64(r.TOS), want.TOS, []uint32{5}},
		{"source as", uint64(r.SourceAS), want.SrcAS, []uint32{16}},
		{"destination as", uint64(r.DestinationAS), want.DstAS, []uint32{17}},
		{"source prefix length", uint64(r.SourcePrefixLength), want.SrcMask, []uint32{9, 29}},
		{"destination prefix length", uint64(r.DestinationPrefixLength), want.DstMask, []uint32{13, 30}},
	} {
		if !want.Repeats(f.ids...) {
			differ(f.name, f.got, value(f.want))
		}
	}
	found = append(found, timeDifferences(want, got)...)
	return append(found, extensionDifferences(want, x)...)
}

// timeDifferences compares the times.
func timeDifferences(want *corpus.Row, got *decodedRecord) (found []string) {
	near := func(name string, got decoder.UnixNano, want *int64) {
		if want == nil {
			if got != 0 {
				found = append(found, fmt.Sprintf("%s is %d, want none", name, got))
			}
			return
		}
		if math.Abs(float64(int64(got)-max(0, *want))) > 1000 {
			found = append(found, fmt.Sprintf("%s is %d, want %d", name, got, *want))
		}
	}
	if want.RulesAgree {
		near("start", got.record.StartTime, want.Start)
		near("end", got.record.EndTime, want.End)
	}
	event := decoder.UnixNano(0)
	if got.Present.Has(decoder.FieldObservationTime) {
		event = decoder.UnixNano(got.Values[decoder.FieldObservationTime])
	}
	near("observation time", event, want.Event)
	return found
}

// extensionDifferences compares what only some records carry.
func extensionDifferences(want *corpus.Row, x *decoder.Extension) (found []string) {
	differ := func(name string, got, want string) {
		if got != want {
			found = append(found, fmt.Sprintf("%s is %s, want %s", name, got, want))
		}
	}
	number := func(f decoder.Field) string {
		if !x.Present.Has(f) {
			return "none"
		}
		return fmt.Sprint(x.Values[f])
	}
	wanted := func(v *uint64) string {
		if v == nil {
			return "none"
		}
		return fmt.Sprint(*v)
	}
	for _, f := range []struct {
		name  string
		field decoder.Field
		want  *uint64
	}{
		{"post octets", decoder.FieldPostOctets, want.PostOctets},
		{"post packets", decoder.FieldPostPackets, want.PostPackets},
		{"reverse octets", decoder.FieldReverseOctets, want.RevOctets},
		{"reverse packets", decoder.FieldReversePackets, want.RevPackets},
		{"customer vlan", decoder.FieldCustomerVLANID, want.CustomerVLAN},
		{"flow end reason", decoder.FieldFlowEndReason, want.EndReason},
		{"nat source port", decoder.FieldPostNAPTSourcePort, want.NATSport},
		{"nat destination port", decoder.FieldPostNAPTDestinationPort, want.NATDport},
		{"nat event", decoder.FieldNATEvent, want.NATEvent},
		{"firewall event", decoder.FieldFirewallEvent, want.FirewallEvent},
		{"icmp type and code", decoder.FieldICMPTypeCode, icmp(want)},
		{"direction", decoder.FieldFlowDirection, direction(want)},
	} {
		differ(f.name, number(f.field), wanted(f.want))
	}
	differ("counter kind", strings.ReplaceAll(number(decoder.FieldCounterKind), "none", "0"), fmt.Sprint(counterKind(want)))

	addr := func(f decoder.Field) string {
		if !x.Present.Has(f) {
			return "none"
		}
		return address(x.Address(f))
	}
	differ("bgp next hop", addr(decoder.FieldBGPNextHop), text(want.BGPNextHop))
	differ("nat source", addr(decoder.FieldPostNATSourceAddress), text(want.NATSrc))
	differ("nat destination", addr(decoder.FieldPostNATDestinationAddress), text(want.NATDst))
	differ("source mac", mac(x, decoder.FieldSourceMAC, decoder.FieldPostSourceMAC), text(want.SrcMAC))
	differ("destination mac", mac(x, decoder.FieldDestinationMAC, decoder.FieldPostDestinationMAC), text(want.DstMAC))

	vlans := []uint64{}
	for _, f := range []decoder.Field{decoder.FieldVLANID, decoder.FieldPostVLANID} {
		if x.Present.Has(f) {
			vlans = append(vlans, x.Values[f])
		}
	}
	differ("vlans", fmt.Sprint(vlans), fmt.Sprint(want.VLAN))
	labels := []uint32{}
	if x.Present.Has(decoder.FieldMPLSLabels) {
		labels = slices.Clone(x.MPLSLabels)
	}
	differ("labels", fmt.Sprint(labels), fmt.Sprint(want.MPLS))

	sampling := "none"
	if want.Sampling != nil {
		sampling = fmt.Sprint(uint64(math.Round(*want.Sampling)))
	}
	differ("sampling interval", number(decoder.FieldSamplingInterval), sampling)
	return found
}

// counterKind tells the kind of the counters from the element that they were in.
func counterKind(want *corpus.Row) int {
	ie := want.OctetsIE
	if ie == nil {
		ie = want.PacketsIE
	}
	if ie == nil {
		return 0
	}
	switch *ie {
	case 85, 86:
		return 1
	case 231, 298:
		return 2
	default:
		return 0
	}
}

// icmp returns the type and code of a row in one number, nil if it has none.
func icmp(want *corpus.Row) *uint64 {
	if want.ICMPType == nil && want.ICMPCode == nil {
		return nil
	}
	v := value(want.ICMPType)<<8 | value(want.ICMPCode)
	return &v
}

// direction returns the direction of a row as it is published.
func direction(want *corpus.Row) *uint64 {
	if want.Direction == nil {
		return nil
	}
	v := map[uint64]uint64{0: 1, 1: 2}[*want.Direction]
	if v == 0 {
		v = 3
	}
	return &v
}

func value(v *uint64) uint64 {
	if v == nil {
		return 0
	}
	return *v
}

func text(s *string) string {
	if s == nil {
		return "none"
	}
	if a, err := netip.ParseAddr(*s); err == nil {
		return a.String()
	}
	return *s
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return "none"
	}
	return a.String()
}

// mac returns the first of the MAC addresses that a record has.
func mac(x *decoder.Extension, fields ...decoder.Field) string {
	for _, f := range fields {
		if x.Present.Has(f) {
			v := x.Values[f]
			return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x",
				byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
	}
	return "none"
}

// group names records that must come in one order: those of a packet, or of the sets of
// a packet that waited for one template.
type group struct {
	pkt      int
	template uint64 // 0 for those that did not wait
}

// replay decodes a capture and returns its records by group, with the elements that are selected.
func replay(tb testing.TB, datagrams []corpus.Datagram, elements *template.Selection) map[group][]decodedRecord {
	tb.Helper()
	g, all := newRig(elements), make(map[group][]decodedRecord)
	add := func(to group, p *decoder.ExportPacket) {
		for i := range p.Records {
			all[to] = append(all[to], decodedRecord{&p.Header, &p.Records[i], &p.Extensions[i]})
		}
	}
	for i, d := range datagrams {
		if d.Payload[1] == 0 { // sFlow
			continue
		}
		p, _ := g.take(tb, i, d, func(pkt int, p *decoder.ExportPacket) {
			for j := range p.Records {
				if p.Records[j].Anomalies&decoder.AnomalyWaited == 0 {
					tb.Errorf("packet %d, record %d waited without saying so", pkt, j)
				}
			}
			if len(p.Records) > 0 {
				add(group{pkt, p.Extensions[0].Values[decoder.FieldTemplateID]}, p)
			}
		})
		add(group{pkt: i}, p)
	}
	return all
}

// anyRecords, for a contested packet, is that its records are compared elsewhere.
const anyRecords = -1

// compare checks that a capture gives exactly the records expected of it, but for contested
// packets, which give so many.
func compare(tb testing.TB, path string, contested map[int]int) {
	tb.Helper()
	datagrams := corpus.Datagrams(tb, path)
	got := replay(tb, datagrams, nil)
	want := make(map[group][]corpus.Row)
	rows := corpus.Lines[corpus.Row](tb, strings.TrimSuffix(path, ".gz")+".expected.jsonl")
	for i := range rows {
		g := group{pkt: rows[i].Pkt}
		if rows[i].Late != nil {
			g.template = rows[i].TemplateID
		}
		want[g] = append(want[g], rows[i])
	}
	for g := range got {
		if _, expected := want[g]; !expected {
			want[g] = nil
		}
	}
	for pkt := range contested {
		want[group{pkt: pkt}] = nil
	}
	for g, rows := range want {
		records := got[g]
		if n, is := contested[g.pkt]; is {
			if len(records) != n && n != anyRecords {
				tb.Errorf("contested packet %d: %d records, want %d", g.pkt, len(records), n)
			}
			continue
		}
		if len(records) != len(rows) {
			tb.Errorf("packet %d (template %d): %d records, want %d", g.pkt, g.template, len(records), len(rows))
			continue
		}
		for i := range rows {
			for _, d := range differences(&rows[i], &records[i]) {
				tb.Errorf("packet %d, set %d, record %d: %s", g.pkt, rows[i].Set, rows[i].Rec, d)
			}
		}
	}
	for pkt := range contested {
		delete(want, group{pkt: pkt})
	}
	compareElements(tb, datagrams, want)
}

// compareElements checks that each field of each record is what was exported, by asking for
// all elements, a few at a time.
func compareElements(tb testing.TB, datagrams []corpus.Datagram, want map[group][]corpus.Row) {
	tb.Helper()
	const atATime = 12
	var names []string
	for _, rows := range want {
		for i := range rows {
			for _, f := range rows[i].Fields {
				names = append(names, elementName(&f))
			}
		}
	}
	slices.Sort(names)
	for chunk := range slices.Chunk(slices.Compact(names), atATime) {
		elements, err := template.ParseSelection(strings.Join(chunk, ","))
		if err != nil {
			tb.Fatal(err)
		}
		got := replay(tb, datagrams, elements)
		for g, rows := range want {
			for i := range min(len(rows), len(got[g])) {
				compareFields(tb, chunk, &rows[i], got[g][i].Extension)
			}
		}
	}
}

func elementName(f *corpus.Field) string { return fmt.Sprintf("%d/%d", f.Enterprise, f.ID) }

// compareFields compares those fields of a record that were asked for.
func compareFields(tb testing.TB, asked []string, row *corpus.Row, x *decoder.Extension) {
	tb.Helper()
	const limit = 512 // bytes copied of a record
	var want, got []string
	octets := 0
	for i := range row.Fields {
		f := &row.Fields[i]
		if name := elementName(f); slices.Contains(asked, name) && octets+len(f.Value) <= limit {
			want = append(want, fmt.Sprintf("%s=%x", name, f.Value))
			octets += len(f.Value)
		}
	}
	if x.Present.Has(decoder.FieldElements) {
		for _, e := range x.Elements {
			got = append(got, fmt.Sprintf("%d/%d=%x", e.Enterprise, e.ID, e.Value))
		}
	}
	if !slices.Equal(got, want) {
		tb.Errorf("packet %d, set %d, record %d: elements %v, want %v", row.Pkt, row.Set, row.Rec, got, want)
	}
}
