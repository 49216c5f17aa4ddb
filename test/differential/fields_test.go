package differential

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/flowpub/flowpub/decoder"
)

// reverse is the enterprise number of the elements of the other direction.
const reverse = 29305

// An origin is an element that a number comes from.
type origin struct {
	enterprise uint32
	id         uint16
}

func iana(ids ...uint16) (from []origin) {
	for _, id := range ids {
		from = append(from, origin{id: id})
	}
	return from
}

// A number is one of a record, where it comes from, the first that is there counting, and how
// many bits it has.
type number struct {
	name string
	from []origin
	bits int
	get  func(*decoder.Record, *decoder.Extension) uint64
}

// inRecord are the numbers of decoder.Record: absent ones are zero.
var inRecord = []number{
	{"octets", iana(1, 85, 231, 23), 64, func(r *decoder.Record, _ *decoder.Extension) uint64 { return r.Octets }},
	{"packets", iana(2, 86, 298, 24), 64, func(r *decoder.Record, _ *decoder.Extension) uint64 { return r.Packets }},
	{"protocol", iana(4), 8, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.Protocol) }},
	{"tos", iana(5), 8, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.TOS) }},
	{"TCP flags", iana(6), 16, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.TCPFlags) }},
	{"source port", iana(7, 180, 182), 16, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.SourcePort) }},
	{"destination port", iana(11, 181, 183), 16, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.DestinationPort) }},
	{"input interface", iana(10), 32, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.InputInterface) }},
	{"output interface", iana(14), 32, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.OutputInterface) }},
	{"source AS", iana(16), 32, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.SourceAS) }},
	{"destination AS", iana(17), 32, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.DestinationAS) }},
	{"first uptime", iana(22), 32, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.FirstUptime) }},
	{"last uptime", iana(21), 32, func(r *decoder.Record, _ *decoder.Extension) uint64 { return uint64(r.LastUptime) }},
}

// inExtension are the numbers of decoder.Extension that are published as exported.
var inExtension = map[decoder.Field]struct {
	from []origin
	bits int
}{
	decoder.FieldReverseOctets:            {append([]origin{{reverse, 1}, {reverse, 85}}, iana(232)...), 64},
	decoder.FieldReversePackets:           {append([]origin{{reverse, 2}, {reverse, 86}}, iana(299)...), 64},
	decoder.FieldDroppedOctets:            {iana(132), 64},
	decoder.FieldDroppedPackets:           {iana(133), 64},
	decoder.FieldSamplerID:                {iana(302, 48), 64},
	decoder.FieldObservationPointID:       {iana(138), 64},
	decoder.FieldFlowID:                   {iana(148), 64},
	decoder.FieldLayer2SegmentID:          {iana(351), 64},
	decoder.FieldSourceMAC:                {iana(56), 48},
	decoder.FieldPostDestinationMAC:       {iana(57), 48},
	decoder.FieldDestinationMAC:           {iana(80), 48},
	decoder.FieldPostSourceMAC:            {iana(81), 48},
	decoder.FieldForwardingStatus:         {iana(89), 8},
	decoder.FieldEthernetType:             {iana(256), 32},
	decoder.FieldIngressVRFID:             {iana(234), 32},
	decoder.FieldEgressVRFID:              {iana(235), 32},
	decoder.FieldIngressPhysicalInterface: {iana(252), 32},
	decoder.FieldEgressPhysicalInterface:  {iana(253), 32},
	decoder.FieldVLANID:                   {iana(58, 243), 32},
	decoder.FieldPostVLANID:               {iana(59, 254), 32},
	decoder.FieldCustomerVLANID:           {iana(245), 32},
	decoder.FieldFlowEndReason:            {iana(136), 32},
	decoder.FieldPostTOS:                  {iana(55), 32},
	decoder.FieldMinimumTTL:               {iana(52, 192), 32},
	decoder.FieldMaximumTTL:               {iana(53), 32},
	decoder.FieldFragmentIdentification:   {iana(54), 32},
	decoder.FieldFragmentOffset:           {iana(88), 32},
	decoder.FieldFragmentFlags:            {iana(197), 32},
	decoder.FieldIPv6FlowLabel:            {iana(31), 32},
	decoder.FieldBGPNextAdjacentAS:        {iana(128), 32},
	decoder.FieldBGPPreviousAdjacentAS:    {iana(129), 32},
	decoder.FieldFrameOctets:              {iana(312), 32},
	decoder.FieldPostNAPTSourcePort:       {iana(227), 32},
	decoder.FieldPostNAPTDestinationPort:  {iana(228), 32},
	decoder.FieldNATEvent:                 {iana(230), 32},
	decoder.FieldFirewallEvent:            {iana(233, 40005), 32},
	decoder.FieldFirewallExtendedEvent:    {iana(33002), 32},
}

// known are the elements that packets are made of mostly.
var known = func() []uint16 {
	ids := []uint16{
		8, 12, 15, 18, 27, 28, 60, 62, 63, 47, 140, 225, 226, 281, 282, 130, 131, // addresses
		150, 151, 152, 153, 154, 155, 156, 157, 158, 159, 160, 161, 162, 322, 323, 324, 325, // times
		70, 71, 72, 79, 95, 32, 139, 176, 177, 61, 34, 35, 305, 306, 309, 310, 311,
	}
	for _, n := range inRecord {
		for _, o := range n.from {
			ids = append(ids, o.id)
		}
	}
	for _, n := range inExtension {
		for _, o := range n.from {
			ids = append(ids, o.id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}()

// A reading is what goflow2 found in a record.
type reading struct {
	tb     testing.TB
	record record
}

// bytesOf returns the first value of an element that has a length in its template that is right.
func (r *reading) bytesOf(o origin, right func(length uint16) bool) ([]byte, bool) {
	for i := range r.record.fields {
		f := &r.record.fields[i]
		if f.Type == o.id && f.Pen == o.enterprise && right(r.record.lengths[i]) {
			return value(r.tb, f), true
		}
	}
	return nil, false
}

// number returns the low 64 bits of the first element that is there.
func (r *reading) number(from []origin) (v uint64, found bool) {
	for _, o := range from {
		right := func(length uint16) bool { return length == variableLength || 1 <= length && length <= 16 }
		switch o.id {
		case 56, 57, 80, 81:
			right = func(length uint16) bool { return length == 6 }
		}
		if b, ok := r.bytesOf(o, right); ok {
			for _, c := range b {
				v = v<<8 | uint64(c)
			}
			return v, true
		}
	}
	return 0, false
}

// address returns an address that may be in both families.
func (r *reading) address(four, six uint16) (a netip.Addr) {
	b4, has4 := r.bytesOf(origin{id: four}, func(length uint16) bool { return length == 4 })
	b6, has6 := r.bytesOf(origin{id: six}, func(length uint16) bool { return length == 16 })
	if has4 && has6 {
		version, _ := r.number(iana(60))
		has6 = bytes.Equal(b4, make([]byte, 4)) && !bytes.Equal(b6, make([]byte, 16))
		if version &= 0xff; version == 4 || version == 6 {
			has6 = version == 6
		}
		has4 = !has6
	}
	switch {
	case has4:
		a, _ = netip.AddrFromSlice(b4)
	case has6:
		a, _ = netip.AddrFromSlice(b6)
	}
	return a
}

func mask(bits int) uint64 { return ^uint64(0) >> (64 - bits) }

// differences compares a record with what goflow2 found.
func (r *reading) differences(got *decoder.Record, x *decoder.Extension) (found []string) {
	differ := func(name string, got, want any) {
		if got != want {
			found = append(found, fmt.Sprintf("%s is %v, want %v", name, got, want))
		}
	}
	for _, n := range inRecord {
		want, _ := r.number(n.from)
		differ(n.name, n.get(got, x), want&mask(n.bits))
	}
	for f, n := range inExtension {
		want, is := r.number(n.from)
		if differ(fmt.Sprintf("presence of field %d", f), x.Present.Has(f), is); is {
			differ(fmt.Sprintf("field %d", f), x.Values[f]&mask(n.bits), want&mask(n.bits))
			differ(fmt.Sprintf("field %d's upper bits", f), x.Values[f]&^mask(n.bits), uint64(0))
		}
	}
	// Counters behind the device are those of the record where it has no others.
	for f, ids := range map[decoder.Field][]uint16{decoder.FieldPostOctets: {23, 1, 85, 231}, decoder.FieldPostPackets: {24, 2, 86, 298}} {
		want, post := r.number(iana(ids[0]))
		_, others := r.number(iana(ids[1:]...))
		if differ(fmt.Sprintf("presence of field %d", f), x.Present.Has(f), post && others); post && others {
			differ(fmt.Sprintf("field %d", f), x.Values[f], want)
		}
	}
	want, is := r.number(iana(61))
	if differ("presence of the direction", x.Present.Has(decoder.FieldFlowDirection), is); is {
		differ("direction", x.Values[decoder.FieldFlowDirection], min(want&mask(32), 2)+1)
	}
	differ("source address", got.SourceAddress, r.address(8, 27))
	differ("destination address", got.DestinationAddress, r.address(12, 28))
	differ("next hop", got.NextHop, r.address(15, 62))
	for f, ids := range map[decoder.Field][2]uint16{
		decoder.FieldBGPNextHop: {18, 63}, decoder.FieldMPLSTopLabelAddress: {47, 140}, decoder.FieldAgentAddress: {130, 131},
		decoder.FieldPostNATSourceAddress: {225, 281}, decoder.FieldPostNATDestinationAddress: {226, 282},
	} {
		want, got := r.address(ids[0], ids[1]), netip.Addr{}
		if x.Present.Has(f) {
			got = x.Address(f)
		}
		differ(fmt.Sprintf("field %d", f), got, want)
	}
	if got, want := labels(x), r.labels(); !slices.Equal(got, want) {
		found = append(found, fmt.Sprintf("labels are %d, want %d", got, want))
	}
	return found
}

// labels returns the labels of a stack, as far as it is used.
func (r *reading) labels() (all []uint32) {
	for id := uint16(70); id <= 79; id++ {
		b, ok := r.bytesOf(origin{id: id}, func(length uint16) bool { return length == 3 })
		if ok && !bytes.Equal(b, make([]byte, 3)) {
			all = append(all, uint32(b[0])<<12|uint32(b[1])<<4|uint32(b[2])>>4)
		}
	}
	return all
}

func labels(x *decoder.Extension) []uint32 {
	if !x.Present.Has(decoder.FieldMPLSLabels) {
		return nil
	}
	return x.MPLSLabels
}

// elementDifferences compares all elements as they are.
func (r *reading) elementDifferences(x *decoder.Extension) (found []string) {
	if len(x.Elements) != len(r.record.fields) || !x.Present.Has(decoder.FieldElements) {
		return append(found, fmt.Sprintf("%d elements, want %d", len(x.Elements), len(r.record.fields)))
	}
	for i := range x.Elements {
		e, f := &x.Elements[i], &r.record.fields[i]
		if e.ID != f.Type || e.Enterprise != f.Pen || !bytes.Equal(e.Value, value(r.tb, f)) {
			found = append(found, fmt.Sprintf("element %d is %v, want %v", i, *e, describe(f)))
		}
	}
	return found
}

func describe(f *netflow.DataField) string { return fmt.Sprintf("{%d %d %v}", f.Pen, f.Type, f.Value) }
