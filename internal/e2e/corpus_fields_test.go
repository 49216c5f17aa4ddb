//go:build linux

package e2e

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// numbers are the fields of a flow record that are numbers as exported: which elements they come
// from, the first that is there, by the message's comments.
var numbers = map[protoreflect.Name][]uint16{
	"first_uptime_ms": {22}, "last_uptime_ms": {21},
	"flow_end_reason": {136}, "minimum_ttl": {52, 192}, "maximum_ttl": {53}, "ethernet_type": {256},
	"vlan_id": {58, 243}, "post_vlan_id": {59, 254}, "customer_vlan_id": {245},
	"fragment_identification": {54}, "fragment_offset": {88}, "fragment_flags": {197}, "ipv6_flow_label": {31},
	"bgp_next_adjacent_as": {128}, "bgp_previous_adjacent_as": {129}, "ingress_vrf_id": {234}, "egress_vrf_id": {235},
	"ingress_physical_interface": {252}, "egress_physical_interface": {253},
	"post_napt_source_port": {227}, "post_napt_destination_port": {228}, "nat_event": {230},
	"flow_id": {148}, "observation_point_id": {138}, "post_tos": {55}, "layer2_segment_id": {351},
	"dropped_packets": {133}, "dropped_octets": {132}, "frame_octets": {312}, "sampler_id": {302, 48},
}

// octetStrings are those that are bytes as exported.
var octetStrings = map[protoreflect.Name][]uint16{
	"source_mac": {56}, "destination_mac": {80}, "post_source_mac": {81}, "post_destination_mac": {57}, "application_id": {95},
}

// field returns the value of the first of some elements that the record has.
func (w *wantedFlow) field(ids ...uint16) (value []byte, found bool) {
	for _, id := range ids {
		for _, f := range w.Fields {
			if f.Enterprise == 0 && f.ID == id {
				return f.Value, true
			}
		}
	}
	return nil, false
}

// number returns it as a number: the low eight bytes.
func (w *wantedFlow) number(ids ...uint16) uint64 {
	value, _ := w.field(ids...)
	var b [16]byte
	copy(b[16-min(len(value), 16):], value)
	return binary.BigEndian.Uint64(b[8:])
}

// differences tells how a flow record differs from what was expected of it.
func (w *wantedFlow) differences(t *testing.T, got *flowv1.FlowRecord) (found []string) {
	t.Helper()
	want := w.message(t)
	want.ReceiveTimeNs = got.GetReceiveTimeNs()
	found = append(w.timeDifferences(got, want), w.anomalyDifferences(got)...)
	want.Anomalies = got.GetAnomalies()
	if w.Late != nil {
		const places = 4096 // a packet has no more records that did not wait
		if got.GetRecordIndex() < places {
			found = append(found, fmt.Sprintf("it waited, and its index is %d", got.GetRecordIndex()))
		}
		want.RecordIndex = got.GetRecordIndex()
	}
	w.forgive(got, want)
	if proto.Equal(got, want) {
		return found
	}
	fields := want.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if g, v := got.ProtoReflect().Get(f), want.ProtoReflect().Get(f); !g.Equal(v) {
			found = append(found, fmt.Sprintf("%s is %v, want %v", f.Name(), g, v))
		}
	}
	return found
}

// message returns the flow record that is expected, without its receive time and anomalies.
func (w *wantedFlow) message(t *testing.T) *flowv1.FlowRecord {
	t.Helper()
	m := &flowv1.FlowRecord{
		ExporterAddress: w.from.Addr().AsSlice(), ExporterPort: uint32(w.from.Port()), Format: flowv1.ExportFormat(w.Version),
		ObservationDomainId: w.Domain, FlowSequence: w.Sequence, ExportTimeNs: uint64(w.ExportTime) * 1e9,
		RecordCount: uint32(w.count), RecordIndex: uint32(w.index), TemplateId: uint32(w.TemplateID),

		SourceAddress: addressOf(t, w.Src), DestinationAddress: addressOf(t, w.Dst), NextHop: addressOf(t, w.NextHop),
		SourcePort: low32(w.Sport), DestinationPort: low32(w.Dport), Protocol: low32(w.Proto), Tos: low32(w.TOS), TcpFlags: low32(w.TCPFlags),
		Packets: valueOf(w.Packets), Octets: valueOf(w.Octets),
		InputInterface: low32(w.Input), OutputInterface: low32(w.Output), SourceAs: low32(w.SrcAS), DestinationAs: low32(w.DstAS),
		SourcePrefixLength: low32(w.SrcMask), DestinationPrefixLength: low32(w.DstMask),

		PostPackets: valueOf(w.PostPackets), PostOctets: valueOf(w.PostOctets),
		ReversePackets: valueOf(w.RevPackets), ReverseOctets: valueOf(w.RevOctets), CounterKind: w.counterKind(),
		IcmpTypeCode: low32(w.ICMPType)<<8 | low32(w.ICMPCode), BgpNextHop: addressOf(t, w.BGPNextHop), MplsLabels: w.MPLS,
		PostNatSourceAddress: addressOf(t, w.NATSrc), PostNatDestinationAddress: addressOf(t, w.NATDst),
		FirewallEvent: low32(w.FirewallEvent), ForwardingStatus: uint32(w.number(89) & 0xff),
		MplsTopLabelAddress: w.address(47, 140), AgentAddress: w.address(130, 131),
	}
	if w.Version == 9 {
		m.HeaderCount = uint32(binary.BigEndian.Uint16(w.datagram[2:]))
		m.SystemUptimeMs = binary.BigEndian.Uint32(w.datagram[4:])
		m.FirewallExtendedEvent = uint32(w.number(33002))
	}
	if w.Direction != nil {
		m.FlowDirection = flowv1.FlowDirection(min(*w.Direction, 2) + 1)
	}
	r := m.ProtoReflect()
	for name, ids := range numbers {
		f := r.Descriptor().Fields().ByName(name)
		if f.Kind() == protoreflect.Uint64Kind {
			r.Set(f, protoreflect.ValueOfUint64(w.number(ids...)))
		} else {
			r.Set(f, protoreflect.ValueOfUint32(uint32(w.number(ids...))))
		}
	}
	for name, ids := range octetStrings {
		if value, found := w.field(ids...); found {
			r.Set(r.Descriptor().Fields().ByName(name), protoreflect.ValueOfBytes(value))
		}
	}
	w.setSampling(m)
	m.Elements = w.copied()
	return m
}

// elementNumber is the number of an element, and of its enterprise.
type elementNumber struct {
	enterprise uint32
	id         uint16
}

// reversePEN is the enterprise number of elements of the other direction: RFC 5103.
const reversePEN = 29305

// elementList writes elements as FLOWPUB_ELEMENTS has them.
func elementList(elements []elementNumber) string {
	var items []string
	for _, e := range elements {
		item := fmt.Sprint(e.id)
		if e.enterprise != 0 {
			item = fmt.Sprintf("%d/%d", e.enterprise, e.id)
		}
		items = append(items, item)
	}
	return strings.Join(items, ",")
}

// copied returns the elements that were asked for, in the order in which the record has them.
func (w *wantedFlow) copied() (elements []*flowv1.Element) {
	for _, f := range w.Fields {
		if slices.Contains(w.elements, elementNumber{f.Enterprise, f.ID}) {
			elements = append(elements, &flowv1.Element{Enterprise: f.Enterprise, Id: uint32(f.ID), Value: f.Value})
		}
	}
	return elements
}

// setSampling sets the sampling: where the record has it, the record says the most.
func (w *wantedFlow) setSampling(m *flowv1.FlowRecord) {
	m.SamplingAlgorithm = uint32(w.number(35, 49, 304))
	if w.Sampling == nil {
		return
	}
	m.SamplingInterval = uint32(math.Round(*w.Sampling))
	m.SamplingSource = flowv1.SamplingSource_SAMPLING_SOURCE_RECORD
	if w.SamplingFrom == nil {
		return
	}
	m.SamplingSource = flowv1.SamplingSource_SAMPLING_SOURCE_DOMAIN
	if *w.SamplingFrom != samplingOfAll {
		m.SamplingSource = flowv1.SamplingSource_SAMPLING_SOURCE_SAMPLER // or the interface
	}
}

// samplingOfAll is what was found in options about more than a sampler or interface.
const samplingOfAll = "options:global"

func (w *wantedFlow) counterKind() flowv1.CounterKind {
	element := w.OctetsIE
	if element == nil {
		element = w.PacketsIE
	}
	switch valueOf(element) {
	case 85, 86:
		return flowv1.CounterKind_COUNTER_KIND_TOTAL
	case 231, 298:
		return flowv1.CounterKind_COUNTER_KIND_EVENT
	default:
		return flowv1.CounterKind_COUNTER_KIND_UNSPECIFIED
	}
}

// address returns the address of two elements, of which the first is IPv4: that which is not zero, if
// there are both.
func (w *wantedFlow) address(four, six uint16) []byte {
	a, isFour := w.field(four)
	b, isSix := w.field(six)
	zero := func(address []byte) bool { return !slices.ContainsFunc(address, func(c byte) bool { return c != 0 }) }
	if !isFour || isSix && zero(a) && !zero(b) {
		return b
	}
	return a
}

// forgive makes equal what may differ: elements that a record repeats, of which any occurrence
// is right, and what only options records say, which are not among what was expected.
func (w *wantedFlow) forgive(got, want *flowv1.FlowRecord) {
	for ids, field := range map[uint32]protoreflect.Name{
		1: "octets", 2: "packets", 4: "protocol", 5: "tos", 6: "tcp_flags", 7: "source_port", 8: "source_address",
		10: "input_interface", 11: "destination_port", 12: "destination_address", 14: "output_interface",
	} {
		if w.Repeats(ids) {
			f := want.ProtoReflect().Descriptor().Fields().ByName(field)
			want.ProtoReflect().Set(f, got.ProtoReflect().Get(f))
		}
	}
	// The independent decoder does not keep options about a template apart.
	if w.SamplingFrom != nil && *w.SamplingFrom == samplingOfAll && got.GetSamplingSource() == flowv1.SamplingSource_SAMPLING_SOURCE_TEMPLATE {
		want.SamplingSource = got.GetSamplingSource()
	}
	if w.SamplingFrom != nil {
		want.SamplingAlgorithm = got.GetSamplingAlgorithm()
		want.SamplingPacketInterval, want.SamplingPacketSpace = got.GetSamplingPacketInterval(), got.GetSamplingPacketSpace()
	}
}

// timeDifferences compares the times, to a microsecond: some are binary fractions. It makes those
// equal that are near.
func (w *wantedFlow) timeDifferences(got, want *flowv1.FlowRecord) (found []string) {
	near := func(name string, got uint64, row *int64, want *uint64) {
		if row != nil {
			*want = uint64(max(0, *row))
		}
		if math.Abs(float64(int64(got)-int64(*want))) <= 1000 {
			*want = got
		} else {
			found = append(found, fmt.Sprintf("%s is %d, want %d", name, got, *want))
		}
	}
	near("observation_time_ns", got.GetObservationTimeNs(), w.Event, &want.ObservationTimeNs)
	if w.RulesAgree {
		near("start_time_ns", got.GetStartTimeNs(), w.Start, &want.StartTimeNs)
		near("end_time_ns", got.GetEndTimeNs(), w.End, &want.EndTimeNs)
	}
	want.StartTimeNs, want.EndTimeNs, want.ObservationTimeNs = got.GetStartTimeNs(), got.GetEndTimeNs(), got.GetObservationTimeNs()
	return found
}

// anomalyDifferences looks at the anomalies that follow from the row and from the times.
func (w *wantedFlow) anomalyDifferences(got *flowv1.FlowRecord) (found []string) {
	const day = 86_400_000_000_000
	start, end, export := int64(got.GetStartTimeNs()), int64(got.GetEndTimeNs()), int64(got.GetExportTimeNs())
	far := func(at int64) bool { return at != 0 && export != 0 && max(at-export, export-at) > day }
	for bit, want := range map[flowv1.Anomaly]bool{
		flowv1.Anomaly_ANOMALY_WAITED:               w.Late != nil,
		flowv1.Anomaly_ANOMALY_START_UNSET:          start == 0,
		flowv1.Anomaly_ANOMALY_END_UNSET:            end == 0,
		flowv1.Anomaly_ANOMALY_START_AFTER_END:      start != 0 && end != 0 && start > end,
		flowv1.Anomaly_ANOMALY_TIME_FAR_FROM_EXPORT: far(start) || far(end),
		flowv1.Anomaly_ANOMALY_TEMPLATE_PROVISIONAL: false,
	} {
		if is := got.GetAnomalies()&uint32(bit) != 0; is != want {
			found = append(found, fmt.Sprintf("%v is %t, want %t", bit, is, want))
		}
	}
	for _, versionFive := range []uint32{1, 2, 4, 8, 16} {
		if got.GetAnomalies()&versionFive != 0 {
			found = append(found, fmt.Sprintf("anomaly %d, which only NetFlow version 5 has", versionFive))
		}
	}
	return found
}

// packetGroup returns the group of the records in a datagram, by its header: RFC 3954, section 5.1,
// RFC 7011, section 3.1.
func packetGroup(from netip.AddrPort, b []byte) flowGroup {
	b = append(slices.Clone(b), make([]byte, 20)...)
	if b[1] == 9 {
		return flowGroup{from, 9, binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[8:]), 0}
	}
	return flowGroup{from, 10, binary.BigEndian.Uint32(b[12:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[4:]), 0}
}

func valueOf[N int | uint64](v *N) N {
	if v == nil {
		return 0
	}
	return *v
}

func low32(v *uint64) uint32 { return uint32(valueOf(v)) }

func addressOf(t *testing.T, text *string) []byte {
	t.Helper()
	if text == nil {
		return nil
	}
	a, err := netip.ParseAddr(*text)
	if err != nil {
		t.Fatal(err)
	}
	return a.AsSlice()
}
