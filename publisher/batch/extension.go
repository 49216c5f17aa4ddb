package batch

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/flowpub/flowpub/decoder"
)

// kind is how a field of an extension is encoded.
type kind uint8

const (
	kindNumber  kind = iota // a varint
	kindTime                // a fixed64, in JSON a time
	kindMAC                 // 6 bytes
	kindAddress             // 4 or 16 bytes
	kindList                // packed numbers
	kindBytes
	kindElements // messages
)

// extensionField says how a field of an extension is published.
type extensionField struct {
	// name and tag are those of flow.v1.FlowRecord, which has the field's meaning.
	name string
	tag  uint16
	kind kind
	// wide: a number has up to 64 bits; else of what it holds the low 32 count.
	wide bool
	// values, of an enumeration, are the names of its values, by number.
	values []string
}

// extensionFields is the one place that a field of an extension needs here. A test
// holds it to the message's descriptor.
var extensionFields = [...]extensionField{
	decoder.FieldTemplateID:       {name: "template_id", tag: 37},
	decoder.FieldSamplingInterval: {name: "sampling_interval", tag: 24},
	decoder.FieldSamplingSource: {name: "sampling_source", tag: 38, values: []string{
		"SAMPLING_SOURCE_UNSPECIFIED", "SAMPLING_SOURCE_RECORD", "SAMPLING_SOURCE_SAMPLER", "SAMPLING_SOURCE_TEMPLATE",
		"SAMPLING_SOURCE_DOMAIN", "SAMPLING_SOURCE_EXPORTER", "SAMPLING_SOURCE_SFLOW_SAMPLE",
	}},
	decoder.FieldSamplerID:              {name: "sampler_id", tag: 39, wide: true},
	decoder.FieldSamplingAlgorithm:      {name: "sampling_algorithm", tag: 40},
	decoder.FieldSamplingPacketInterval: {name: "sampling_packet_interval", tag: 41},
	decoder.FieldSamplingPacketSpace:    {name: "sampling_packet_space", tag: 42},
	decoder.FieldCounterKind: {name: "counter_kind", tag: 50, values: []string{
		"COUNTER_KIND_UNSPECIFIED", "COUNTER_KIND_TOTAL", "COUNTER_KIND_EVENT",
	}},
	decoder.FieldFlowDirection: {name: "flow_direction", tag: 43, values: []string{
		"FLOW_DIRECTION_UNSPECIFIED", "FLOW_DIRECTION_INGRESS", "FLOW_DIRECTION_EGRESS", "FLOW_DIRECTION_OTHER",
	}},
	decoder.FieldEthernetType:             {name: "ethernet_type", tag: 53},
	decoder.FieldObservationPointID:       {name: "observation_point_id", tag: 87, wide: true},
	decoder.FieldSourceID:                 {name: "source_id", tag: 94},
	decoder.FieldIngressVRFID:             {name: "ingress_vrf_id", tag: 71},
	decoder.FieldEgressVRFID:              {name: "egress_vrf_id", tag: 72},
	decoder.FieldIngressPhysicalInterface: {name: "ingress_physical_interface", tag: 73},
	decoder.FieldEgressPhysicalInterface:  {name: "egress_physical_interface", tag: 74},
	decoder.FieldVLANID:                   {name: "vlan_id", tag: 58},
	decoder.FieldPostVLANID:               {name: "post_vlan_id", tag: 59},
	decoder.FieldCustomerVLANID:           {name: "customer_vlan_id", tag: 60},
	decoder.FieldSourceMAC:                {name: "source_mac", tag: 54, kind: kindMAC},
	decoder.FieldDestinationMAC:           {name: "destination_mac", tag: 55, kind: kindMAC},
	decoder.FieldPostSourceMAC:            {name: "post_source_mac", tag: 56, kind: kindMAC},
	decoder.FieldPostDestinationMAC:       {name: "post_destination_mac", tag: 57, kind: kindMAC},
	decoder.FieldFlowEndReason:            {name: "flow_end_reason", tag: 44},
	decoder.FieldForwardingStatus:         {name: "forwarding_status", tag: 45},
	decoder.FieldPostTOS:                  {name: "post_tos", tag: 88},
	decoder.FieldMinimumTTL:               {name: "minimum_ttl", tag: 51},
	decoder.FieldMaximumTTL:               {name: "maximum_ttl", tag: 52},
	decoder.FieldICMPTypeCode:             {name: "icmp_type_code", tag: 61},
	decoder.FieldFragmentIdentification:   {name: "fragment_identification", tag: 62},
	decoder.FieldFragmentOffset:           {name: "fragment_offset", tag: 63},
	decoder.FieldFragmentFlags:            {name: "fragment_flags", tag: 64},
	decoder.FieldIPv6FlowLabel:            {name: "ipv6_flow_label", tag: 65},
	decoder.FieldBGPNextAdjacentAS:        {name: "bgp_next_adjacent_as", tag: 67},
	decoder.FieldBGPPreviousAdjacentAS:    {name: "bgp_previous_adjacent_as", tag: 68},
	decoder.FieldPostPackets:              {name: "post_packets", tag: 46, wide: true},
	decoder.FieldPostOctets:               {name: "post_octets", tag: 47, wide: true},
	decoder.FieldReversePackets:           {name: "reverse_packets", tag: 48, wide: true},
	decoder.FieldReverseOctets:            {name: "reverse_octets", tag: 49, wide: true},
	decoder.FieldDroppedPackets:           {name: "dropped_packets", tag: 90, wide: true},
	decoder.FieldDroppedOctets:            {name: "dropped_octets", tag: 91, wide: true},
	decoder.FieldFrameOctets:              {name: "frame_octets", tag: 96},
	decoder.FieldPostNAPTSourcePort:       {name: "post_napt_source_port", tag: 79},
	decoder.FieldPostNAPTDestinationPort:  {name: "post_napt_destination_port", tag: 80},
	decoder.FieldNATEvent:                 {name: "nat_event", tag: 81},
	decoder.FieldFirewallEvent:            {name: "firewall_event", tag: 82},
	decoder.FieldFirewallExtendedEvent:    {name: "firewall_extended_event", tag: 83},
	decoder.FieldFlowID:                   {name: "flow_id", tag: 84, wide: true},
	decoder.FieldObservationTime:          {name: "observation_time_ns", tag: 85, kind: kindTime},
	decoder.FieldLayer2SegmentID:          {name: "layer2_segment_id", tag: 89, wide: true},
	decoder.FieldSampleSequence:           {name: "sample_sequence", tag: 93},

	decoder.FieldBGPNextHop:                {name: "bgp_next_hop", tag: 66, kind: kindAddress},
	decoder.FieldMPLSTopLabelAddress:       {name: "mpls_top_label_address", tag: 76, kind: kindAddress},
	decoder.FieldPostNATSourceAddress:      {name: "post_nat_source_address", tag: 77, kind: kindAddress},
	decoder.FieldPostNATDestinationAddress: {name: "post_nat_destination_address", tag: 78, kind: kindAddress},
	decoder.FieldAgentAddress:              {name: "agent_address", tag: 92, kind: kindAddress},

	decoder.FieldMPLSLabels:     {name: "mpls_labels", tag: 75, kind: kindList},
	decoder.FieldBGPASPath:      {name: "bgp_as_path", tag: 69, kind: kindList},
	decoder.FieldBGPCommunities: {name: "bgp_communities", tag: 70, kind: kindList},
	decoder.FieldApplicationID:  {name: "application_id", tag: 86, kind: kindBytes},
	decoder.FieldElements:       {name: "elements", tag: 100, kind: kindElements},
}

// knownFields has the fields of each kind.
var knownFields = fieldsByKind()

func fieldsByKind() (byKind [kindElements + 1]decoder.FieldSet) {
	for f := range extensionFields {
		byKind[extensionFields[f].kind] |= 1 << f
	}
	return byKind
}

// extensionTags has what a field begins with on the wire: two bytes, tag and wire
// type.
var extensionTags = tagBytes()

func tagBytes() (tags [64]uint64) {
	for f := range extensionFields {
		wire := uint64(wireBytes)
		switch extensionFields[f].kind { //nolint:exhaustive // all others are bytes
		case kindNumber:
			wire = wireVarint
		case kindTime:
			wire = wireFixed64
		}
		tag := uint64(extensionFields[f].tag)
		tags[f] = wire | tag<<3&0x7f | 0x80 | tag>>4<<8
	}
	return tags
}

// extensionMasks have the bits that a number may have.
var extensionMasks = numberMasks()

func numberMasks() (masks [64]uint64) {
	for f := range extensionFields {
		masks[f] = math.MaxUint32
		if extensionFields[f].wide {
			masks[f] = math.MaxUint64
		}
	}
	return masks
}

// Bounds of the parts of an extension in bytes.
const (
	tagSize         = 2
	maxVarint32     = 5
	maxSingleSize   = tagSize + 1 + 16                              // an address is the longest
	maxListHead     = tagSize + 2                                   // of up to 2^14 bytes
	maxElementSize  = tagSize + 2 + 1 + maxVarint32 + 1 + 3 + 1 + 2 // without the value
	extensionSlack  = 8                                             // what is written at once
	fastNumberBits  = 42                                            // of a number that is written with its tag in 8 bytes
	maxListNumbers  = 255
	maxElements     = 32
	maxElementBytes = 512
)

// maxExtension bounds maxExtensionSize, maxJSONExtension maxJSONExtensionSize.
const (
	maxExtension = len(extensionFields)*maxSingleSize + extensionSlack +
		3*maxListNumbers*maxVarint32 + maxElementBytes + maxElements*maxElementSize + maxElementBytes
	maxJSONExtension = (len(extensionFields)+1)*maxJSONMember +
		3*maxListNumbers*maxJSONNumber + 2*(maxElementBytes+2)*4/3 + maxElements*(maxJSONElement+4)
)

// list returns the numbers of a list that are published: not more than a path of sFlow
// can have.
func list(x *decoder.Extension, f decoder.Field) []uint32 {
	var all []uint32
	switch f {
	case decoder.FieldMPLSLabels:
		all = x.MPLSLabels
	case decoder.FieldBGPASPath:
		all = x.BGPASPath
	default:
		all = x.BGPCommunities
	}
	return all[:min(len(all), maxListNumbers)]
}

// applicationID is as much of it as is published.
func applicationID(x *decoder.Extension) []byte {
	return x.ApplicationID[:min(len(x.ApplicationID), maxElementBytes)]
}

// elements are those that are published: the first whose bytes together are not more than there
// may be.
func elements(x *decoder.Extension) []decoder.Element {
	left := maxElementBytes
	for i := range x.Elements {
		if left -= len(x.Elements[i].Value); left < 0 || i == maxElements {
			return x.Elements[:i]
		}
	}
	return x.Elements
}

// maxExtensionSize bounds what putExtension appends, and touches, for the fields in
// set.
func maxExtensionSize(x *decoder.Extension, set decoder.FieldSet) int {
	n := bits.OnesCount64(uint64(set))*maxSingleSize + extensionSlack
	if set&(knownFields[kindList]|knownFields[kindBytes]|knownFields[kindElements]) == 0 {
		return n
	}
	for s := uint64(set & knownFields[kindList]); s != 0; s &= s - 1 {
		n += len(list(x, decoder.Field(bits.TrailingZeros64(s)))) * maxVarint32
	}
	if set.Has(decoder.FieldApplicationID) {
		n += len(applicationID(x))
	}
	if set.Has(decoder.FieldElements) {
		for _, e := range elements(x) {
			n += maxElementSize + len(e.Value)
		}
	}
	return n
}

// putExtension appends the fields of x in set, numbers first, where there is room for
// maxExtensionSize.
func putExtension(b []byte, x *decoder.Extension, set decoder.FieldSet) []byte {
	b = putNumbers(b, x, uint64(set&knownFields[kindNumber]))
	for s := uint64(set &^ knownFields[kindNumber]); s != 0; s &= s - 1 {
		b = appendOther(b, x, decoder.Field(bits.TrailingZeros64(s)))
	}
	return b
}

// putNumbers appends varint fields where there is room. Nearly every number has
// at most 42 bits and is written at once, with its tag; zero takes nothing.
func putNumbers(b []byte, x *decoder.Extension, set uint64) []byte {
	w, i := b[:cap(b)], len(b)
	for ; set != 0; set &= set - 1 {
		f := bits.TrailingZeros64(set)
		v := x.Values[f] & extensionMasks[f]
		n := bits.Len64(v) & 63
		if v>>fastNumberBits != 0 {
			i += binary.PutUvarint(w[i:], uint64(extensionFields[f].tag)<<3)
			i += binary.PutUvarint(w[i:], v)
			continue
		}
		binary.LittleEndian.PutUint64(w[i:], extensionTags[f]|(spread(v)|continuation[n])<<16)
		i += int(sizes2[n])
	}
	return b[:i]
}

// appendOther appends a field that is no number.
func appendOther(b []byte, x *decoder.Extension, f decoder.Field) []byte {
	switch extensionFields[f].kind {
	case kindTime:
		return appendFixed64(b, int(extensionFields[f].tag), x.Values[f])
	case kindMAC:
		b = binary.LittleEndian.AppendUint16(b, uint16(extensionTags[f]))
		b = append(b, 6)
		b = binary.BigEndian.AppendUint64(b, x.Values[f]<<16)
		return b[:len(b)-2]
	case kindAddress:
		return appendAddress(b, int(extensionFields[f].tag), x.Address(f))
	case kindList:
		return appendPacked(b, int(extensionFields[f].tag), list(x, f))
	case kindBytes:
		return appendBytes(b, int(extensionFields[f].tag), applicationID(x))
	default:
		return appendElements(b, int(extensionFields[f].tag), elements(x))
	}
}

// appendPacked appends a list of numbers; an empty one is left out.
func appendPacked(b []byte, field int, numbers []uint32) []byte {
	if len(numbers) == 0 {
		return b
	}
	n := 0
	for _, v := range numbers {
		n += uvarintSize(uint64(v))
	}
	b = binary.AppendUvarint(b, uint64(field)<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(n))
	for _, v := range numbers {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

// appendBytes appends a field of bytes; an empty one is left out.
func appendBytes(b []byte, field int, value []byte) []byte {
	if len(value) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(field)<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// Field numbers of flow.v1.Element.
const (
	fieldEnterprise = 1
	fieldID         = 2
	fieldValue      = 3
)

// appendElements appends messages flow.v1.Element.
func appendElements(b []byte, field int, elements []decoder.Element) []byte {
	for i := range elements {
		e := &elements[i]
		n := uintFieldSize(uint64(e.Enterprise)) + uintFieldSize(uint64(e.ID))
		if size := len(e.Value); size > 0 {
			n += 1 + uvarintSize(uint64(size)) + size
		}
		b = binary.AppendUvarint(b, uint64(field)<<3|wireBytes)
		b = binary.AppendUvarint(b, uint64(n))
		b = appendUint(b, fieldEnterprise, uint64(e.Enterprise))
		b = appendUint(b, fieldID, uint64(e.ID))
		b = appendBytes(b, fieldValue, e.Value)
	}
	return b
}

// uvarintSize is the length of v as binary.AppendUvarint writes it.
func uvarintSize(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// uintFieldSize is what appendUint appends with a tag of one byte.
func uintFieldSize(v uint64) int {
	if v == 0 {
		return 0
	}
	return 1 + uvarintSize(v)
}

// jsonMembers has what a field begins with in JSON: a comma, its name as proto3's
// JSON has it, and a colon. Times lose the suffix Ns.
var jsonMembers = memberNames()

func memberNames() (members [len(extensionFields)]string) {
	for f := range extensionFields {
		var name []byte
		upper := false
		for _, c := range []byte(strings.TrimSuffix(extensionFields[f].name, "_ns")) {
			switch {
			case c == '_':
				upper = true
				continue
			case upper && c >= 'a':
				c -= 'a' - 'A'
			}
			upper = false
			name = append(name, c)
		}
		members[f] = `,"` + string(name) + `":`
	}
	return members
}

// Bounds of the parts of an extension in JSON. A test holds the first to the names.
const (
	maxJSONMember  = len(`,"post_nat_destination_address":`) + maxJSONAddress
	maxJSONNumber  = maxDigits32 + 1
	maxJSONElement = len(`{"enterprise":,"id":,"value":""},`) + maxDigits32 + maxDigits16 + 4
)

// maxJSONExtensionSize bounds what appendJSONExtension appends.
func maxJSONExtensionSize(x *decoder.Extension, set decoder.FieldSet) int {
	n := (bits.OnesCount64(uint64(set)) + 1) * maxJSONMember
	for s := uint64(set & knownFields[kindList]); s != 0; s &= s - 1 {
		n += len(list(x, decoder.Field(bits.TrailingZeros64(s)))) * maxJSONNumber
	}
	if set.Has(decoder.FieldApplicationID) {
		n += base64.StdEncoding.EncodedLen(len(applicationID(x)))
	}
	if set.Has(decoder.FieldElements) {
		for _, e := range elements(x) {
			n += maxJSONElement + base64.StdEncoding.EncodedLen(len(e.Value))
		}
	}
	return n
}

// appendJSONExtension appends the fields of x in set, and the sampling interval in
// any case: every object has that.
func appendJSONExtension(b []byte, x *decoder.Extension, set decoder.FieldSet) []byte {
	interval := uint64(0)
	if set.Has(decoder.FieldSamplingInterval) {
		interval = x.Values[decoder.FieldSamplingInterval] & math.MaxUint32
	}
	b = appendJSONNumber(b, jsonMembers[decoder.FieldSamplingInterval], interval)
	for s := uint64(set &^ (1 << decoder.FieldSamplingInterval)); s != 0; s &= s - 1 {
		b = appendJSONField(b, x, decoder.Field(bits.TrailingZeros64(s)))
	}
	return b
}

func appendJSONField(b []byte, x *decoder.Extension, f decoder.Field) []byte {
	name := jsonMembers[f]
	switch extensionFields[f].kind {
	case kindNumber:
		v := x.Values[f] & extensionMasks[f]
		if values := extensionFields[f].values; v < uint64(len(values)) {
			b = append(append(b, name...), '"')
			return append(append(b, values[v]...), '"')
		}
		return appendJSONNumber(b, name, v)
	case kindTime:
		return appendJSONTime(b, name, decoder.UnixNano(x.Values[f]))
	case kindMAC:
		return appendJSONMAC(append(b, name...), x.Values[f])
	case kindAddress:
		return appendJSONAddress(b, name, x.Address(f))
	case kindList:
		return appendJSONList(append(b, name...), list(x, f))
	case kindBytes:
		return appendJSONBytes(append(b, name...), applicationID(x))
	default:
		return appendJSONElements(append(b, name...), elements(x))
	}
}

// appendJSONMAC appends a MAC address as aa:bb:cc:dd:ee:ff.
func appendJSONMAC(b []byte, mac uint64) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for shift := 40; shift >= 0; shift -= 8 {
		octet := uint8(mac >> shift)
		b = append(b, digits[octet>>4], digits[octet&15], ':')
	}
	b[len(b)-1] = '"'
	return b
}

func appendJSONList(b []byte, numbers []uint32) []byte {
	b = append(b, '[')
	for i, v := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return append(b, ']')
}

func appendJSONBytes(b, value []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), value), '"')
}

func appendJSONElements(b []byte, elements []decoder.Element) []byte {
	b = append(b, '[')
	for i := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONNumber(b, `{"enterprise":`, uint64(elements[i].Enterprise))
		b = appendJSONNumber(b, `,"id":`, uint64(elements[i].ID))
		b = appendJSONBytes(append(b, `,"value":`...), elements[i].Value)
		b = append(b, '}')
	}
	return append(b, ']')
}
