package sflow_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// expectedDatagram is what an independent decoder says about a datagram.
type expectedDatagram struct {
	Agent      string
	SubAgent   uint32 `json:"sub_agent"`
	Sequence   uint32
	Uptime     uint32 `json:"sysuptime"`
	Announced  uint32 `json:"samples_announced"`
	Notes      []string
	Error      string
	Flows      uint32
	Counters   uint32     `json:"counter_samples"`
	Discarded  uint32     `json:"discard_samples"`
	AllSamples [][]uint32 `json:"samples"`
}

// expectedSample is what it says about a flow sample.
type expectedSample struct {
	Pkt           int
	Sequence      uint32 `json:"sample_sequence"`
	SourceType    uint32 `json:"source_type"`
	SourceIndex   uint32 `json:"source_index"`
	Rate          uint32 `json:"sampling_rate"`
	Drops         uint32
	Input, Output expectedPort
	Header        *expectedHeader `json:"raw_header"`
	Packet        *expectedPacket
	Ethernet      *expectedEthernet
	IPv4, IPv6    *expectedIP
	Switch        *expectedSwitch
	Router        *expectedRouter
	Gateway       *expectedGateway
	RecordErrors  []any `json:"record_errors"`
}

type expectedPort struct {
	Format any
	Value  uint32
}

type expectedHeader struct {
	Protocol    uint32 `json:"header_protocol"`
	FrameLength uint32 `json:"frame_length"`
	Header      string
}

type expectedPacket struct {
	SourceMAC      string `json:"src_mac"`
	DestinationMAC string `json:"dst_mac"`
	VLANs          []uint32
	EtherType      *uint32
	Labels         []uint32 `json:"mpls_labels"`
	TOS            uint8
	Length         *uint64 `json:"ip_len"`
	TTL            uint32
	Protocol       *uint8 `json:"proto"`
	Src, Dst       netip.Addr
	FragmentOffset *uint32 `json:"frag_offset"`
	MoreFragments  bool    `json:"more_fragments"`
	Sport, Dport   *uint16
	TCPFlags       *uint16 `json:"tcp_flags"`
	ICMPType       *uint32 `json:"icmp_type"`
	ICMPCode       uint32  `json:"icmp_code"`
	FlowLabel      uint32  `json:"flow_label"`
	Truncated      bool
}

type expectedEthernet struct {
	Length         uint32
	SourceMAC      string `json:"src_mac"`
	DestinationMAC string `json:"dst_mac"`
	EtherType      uint32
}

type expectedIP struct {
	Length       uint64
	Protocol     uint8 `json:"proto"`
	Src, Dst     netip.Addr
	Sport, Dport uint16
	TCPFlags     uint16 `json:"tcp_flags"`
	TOS          uint8
	Priority     uint8
}

type expectedSwitch struct {
	In  uint32 `json:"src_vlan"`
	Out uint32 `json:"dst_vlan"`
}

type expectedRouter struct {
	NextHop     netip.Addr `json:"next_hop"`
	Source      uint8      `json:"src_mask"`
	Destination uint8      `json:"dst_mask"`
}

type expectedGateway struct {
	NextHop     netip.Addr `json:"next_hop"`
	Source      uint32     `json:"src_as"`
	Previous    uint32     `json:"src_peer_as"`
	Path        [][]any    `json:"dst_as_path"`
	Communities []uint32
}

// A row is a record's values by name; what is zero or not there is left out.
type row map[string]string

func (r row) set(name string, value any) {
	text := fmt.Sprint(value)
	if text != "0" && text != "[]" && text != "" && text != "invalid IP" {
		r[name] = text
	}
}

// want returns the row of an expected sample.
func (e *expectedSample) want() row {
	r := row{}
	r.set("sequence", e.Sequence)
	r.set("drops", e.Drops)
	r.set("source", fmt.Sprintf("%d:%d", e.SourceType, e.SourceIndex))
	r.set("source_id", e.SourceType<<24|e.SourceIndex)
	r.set("rate", e.Rate)
	var a decoder.Anomalies
	r.set("input", e.Input.index())
	r.set("output", e.Output.index())
	if e.Output.Format == "discard" {
		r.set("forwarding", 128)
	}
	if x := e.Ethernet; x != nil {
		r.set("frame", x.Length)
		r.set("source_mac", x.SourceMAC)
		r.set("destination_mac", x.DestinationMAC)
		r.set("ethertype", x.EtherType)
	}
	if x := e.IPv4; x != nil {
		r.sampled(x, x.TOS)
	}
	if x := e.IPv6; x != nil {
		r.sampled(x, x.Priority)
	}
	if x := e.Switch; x != nil {
		for name, id := range map[string]uint32{"vlan": x.In, "post_vlan": x.Out} {
			if id != 0xffffffff {
				r.set(name, id)
			}
		}
	}
	if e.Header != nil {
		r.set("frame", e.Header.FrameLength)
		a |= r.packet(e.Header, e.Packet)
	}
	e.routing(r)
	if len(e.RecordErrors) > 0 {
		a |= decoder.AnomalyMalformedSet
	}
	r.set("anomalies", uint32(a))
	return r
}

// index is the interface's, if it is one.
func (p expectedPort) index() uint32 {
	if p.Format != "single" || p.Value == 0x3fffffff {
		return 0
	}
	return p.Value
}

func (r row) sampled(x *expectedIP, tos uint8) {
	r.set("octets", x.Length)
	r.set("protocol", x.Protocol)
	r.set("source_address", x.Src)
	r.set("destination_address", x.Dst)
	r.set("source_port", x.Sport)
	r.set("destination_port", x.Dport)
	r.set("tcp_flags", x.TCPFlags)
	r.set("tos", tos)
}

// packet adds what a header says, and returns what is odd about it.
func (r row) packet(h *expectedHeader, x *expectedPacket) (a decoder.Anomalies) {
	setMAC := func(name, value string) {
		if len(value) == len("02:00:00:00:00:01") {
			r.set(name, value)
		}
	}
	setMAC("source_mac", x.SourceMAC)
	setMAC("destination_mac", x.DestinationMAC)
	for i, name := range []string{"vlan", "customer_vlan"} {
		if i < len(x.VLANs) {
			r.set(name, x.VLANs[i])
		}
	}
	cut := x.Truncated
	before := uint64(4 * (len(x.VLANs) + len(x.Labels)))
	if x.EtherType != nil {
		r.set("ethertype", *x.EtherType)
		before += 14
		cut = cut || (*x.EtherType == 0x800 || *x.EtherType == 0x86dd) && x.Length == nil
	}
	r.set("labels", x.Labels)
	if x.Length != nil {
		cut = r.ip(x) || cut
		if *x.Length == 0 || before+*x.Length > uint64(h.FrameLength) {
			a |= decoder.AnomalyValueOutOfRange
		}
	}
	if cut {
		a |= decoder.AnomalyTruncatedHeader
	}
	return a
}

// ip adds what an IP header says, and what is behind it. It reports whether something
// should be there and is not.
func (r row) ip(x *expectedPacket) (cut bool) {
	r.set("octets", *x.Length)
	r.set("tos", x.TOS)
	r.set("ttl", x.TTL)
	r.set("source_address", x.Src)
	r.set("destination_address", x.Dst)
	r.set("flow_label", x.FlowLabel)
	r.set("protocol", *x.Protocol)
	if x.FragmentOffset != nil {
		r.set("fragment_offset", *x.FragmentOffset/8)
		if x.MoreFragments {
			r.set("more_fragments", true)
		}
		if *x.FragmentOffset != 0 {
			return false
		}
	}
	switch *x.Protocol {
	case 6, 17, 132:
		if x.Sport == nil {
			return true
		}
		r.set("source_port", *x.Sport)
		r.set("destination_port", *x.Dport)
		if *x.Protocol == 6 && x.TCPFlags == nil {
			return true
		}
	case 1, 58:
		if x.ICMPType == nil {
			return true
		}
		r.set("icmp", *x.ICMPType<<8|x.ICMPCode)
	}
	if x.TCPFlags != nil {
		r.set("tcp_flags", *x.TCPFlags)
	}
	return false
}

func (e *expectedSample) routing(r row) {
	if x := e.Router; x != nil {
		r.set("next_hop", x.NextHop)
		r.set("source_prefix", x.Source)
		r.set("destination_prefix", x.Destination)
	}
	if x := e.Gateway; x != nil {
		r.set("bgp_next_hop", x.NextHop)
		r.set("source_as", x.Source)
		r.set("previous_as", x.Previous)
		r.set("communities", x.Communities)
		var path []string
		for _, segment := range x.Path {
			members, _ := segment[1].([]any)
			for _, as := range members {
				path = append(path, fmt.Sprintf("%.0f", as))
			}
		}
		if len(path) > 0 {
			r.set("path", path)
			r.set("next_as", path[0])
			r.set("destination_as", path[len(path)-1])
		}
	}
}

// got returns the row of a decoded record.
func got(p *decoder.ExportPacket, s *sflow.Samples, index int) row {
	rec, x, source := &p.Records[index], &p.Extensions[index], s.Sources[index]
	r := row{}
	r.set("drops", source.Drops)
	r.set("source", fmt.Sprintf("%d:%d", source.Type, source.Index))
	if source.Discarded {
		r.set("discarded", true)
	}
	r.set("input", rec.InputInterface)
	r.set("output", rec.OutputInterface)
	r.set("octets", rec.Octets)
	r.set("protocol", rec.Protocol)
	r.set("source_address", rec.SourceAddress)
	r.set("destination_address", rec.DestinationAddress)
	r.set("source_port", rec.SourcePort)
	r.set("destination_port", rec.DestinationPort)
	r.set("tcp_flags", rec.TCPFlags)
	r.set("tos", rec.TOS)
	r.set("next_hop", rec.NextHop)
	r.set("source_prefix", rec.SourcePrefixLength)
	r.set("destination_prefix", rec.DestinationPrefixLength)
	r.set("source_as", rec.SourceAS)
	r.set("destination_as", rec.DestinationAS)
	const end = decoder.AnomalyCountAbovePresent | decoder.AnomalyPartialRecord | decoder.AnomalyTrailingBytes
	r.set("anomalies", uint32(rec.Anomalies|p.Anomalies&^end))
	r.extension(x)
	return r
}

// names are those of the numbers in an extension.
var names = map[decoder.Field]string{
	decoder.FieldSampleSequence:          "sequence",
	decoder.FieldSourceID:                "source_id",
	decoder.FieldSamplingInterval:        "rate",
	decoder.FieldForwardingStatus:        "forwarding",
	decoder.FieldFrameOctets:             "frame",
	decoder.FieldEthernetType:            "ethertype",
	decoder.FieldVLANID:                  "vlan",
	decoder.FieldCustomerVLANID:          "customer_vlan",
	decoder.FieldPostVLANID:              "post_vlan",
	decoder.FieldMinimumTTL:              "ttl",
	decoder.FieldICMPTypeCode:            "icmp",
	decoder.FieldFragmentOffset:          "fragment_offset",
	decoder.FieldIPv6FlowLabel:           "flow_label",
	decoder.FieldBGPNextAdjacentAS:       "next_as",
	decoder.FieldBGPPreviousAdjacentAS:   "previous_as",
	decoder.FieldLayer2SegmentID:         "segment",
	decoder.FieldPostNAPTSourcePort:      "nat_source_port",
	decoder.FieldPostNAPTDestinationPort: "nat_destination_port",
}

func (r row) extension(x *decoder.Extension) {
	for f, name := range names {
		if x.Present.Has(f) {
			r.set(name, x.Values[f])
		}
	}
	for f, name := range map[decoder.Field]string{decoder.FieldSourceMAC: "source_mac", decoder.FieldDestinationMAC: "destination_mac"} {
		if x.Present.Has(f) {
			r.set(name, macText(x.Values[f]))
		}
	}
	for f, name := range map[decoder.Field]string{
		decoder.FieldBGPNextHop:                "bgp_next_hop",
		decoder.FieldMPLSTopLabelAddress:       "label_address",
		decoder.FieldPostNATSourceAddress:      "nat_source",
		decoder.FieldPostNATDestinationAddress: "nat_destination",
	} {
		if x.Present.Has(f) {
			r.set(name, x.Address(f))
		}
	}
	if x.Present.Has(decoder.FieldMPLSLabels) {
		r.set("labels", x.MPLSLabels)
	}
	if x.Present.Has(decoder.FieldBGPASPath) {
		r.set("path", x.BGPASPath)
	}
	if x.Present.Has(decoder.FieldBGPCommunities) {
		r.set("communities", x.BGPCommunities)
	}
	if x.Present.Has(decoder.FieldFragmentFlags) {
		r.set("fragment_flags", x.Values[decoder.FieldFragmentFlags])
	}
	if x.Present.Has(decoder.FieldFragmentIdentification) {
		r.set("fragment", x.Values[decoder.FieldFragmentIdentification])
	}
	if x.Present.Has(decoder.FieldFragmentFlags) && x.Values[decoder.FieldFragmentFlags]&0x20 != 0 {
		r.set("more_fragments", true)
	}
	if x.Values[decoder.FieldMinimumTTL] != x.Values[decoder.FieldMaximumTTL] && x.Present.Has(decoder.FieldMinimumTTL) {
		r.set("ttl", "two values")
	}
	if x.Present.Has(decoder.FieldSamplingInterval) && x.Values[decoder.FieldSamplingSource] != 6 {
		r.set("rate", "not from the sample")
	}
}

// macText writes a MAC address.
func macText(v uint64) string {
	b := [6]byte{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
	digits := hex.EncodeToString(b[:])
	parts := make([]string, 0, len(b))
	for i := 0; i < len(digits); i += 2 {
		parts = append(parts, digits[i:i+2])
	}
	return strings.Join(parts, ":")
}
