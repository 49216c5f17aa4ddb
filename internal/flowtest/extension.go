package flowtest

import (
	"encoding/binary"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// names are the message's fields for those of an extension.
var names = map[decoder.Field]protoreflect.Name{
	decoder.FieldTemplateID: "template_id", decoder.FieldSamplingInterval: "sampling_interval",
	decoder.FieldSamplingSource: "sampling_source", decoder.FieldSamplerID: "sampler_id",
	decoder.FieldSamplingAlgorithm: "sampling_algorithm", decoder.FieldSamplingPacketInterval: "sampling_packet_interval",
	decoder.FieldSamplingPacketSpace: "sampling_packet_space", decoder.FieldCounterKind: "counter_kind",
	decoder.FieldFlowDirection: "flow_direction", decoder.FieldEthernetType: "ethernet_type",
	decoder.FieldObservationPointID: "observation_point_id", decoder.FieldSourceID: "source_id",
	decoder.FieldIngressVRFID: "ingress_vrf_id", decoder.FieldEgressVRFID: "egress_vrf_id",
	decoder.FieldIngressPhysicalInterface: "ingress_physical_interface", decoder.FieldEgressPhysicalInterface: "egress_physical_interface",
	decoder.FieldVLANID: "vlan_id", decoder.FieldPostVLANID: "post_vlan_id", decoder.FieldCustomerVLANID: "customer_vlan_id",
	decoder.FieldSourceMAC: "source_mac", decoder.FieldDestinationMAC: "destination_mac",
	decoder.FieldPostSourceMAC: "post_source_mac", decoder.FieldPostDestinationMAC: "post_destination_mac",
	decoder.FieldFlowEndReason: "flow_end_reason", decoder.FieldForwardingStatus: "forwarding_status", decoder.FieldPostTOS: "post_tos",
	decoder.FieldMinimumTTL: "minimum_ttl", decoder.FieldMaximumTTL: "maximum_ttl", decoder.FieldICMPTypeCode: "icmp_type_code",
	decoder.FieldFragmentIdentification: "fragment_identification", decoder.FieldFragmentOffset: "fragment_offset",
	decoder.FieldFragmentFlags: "fragment_flags", decoder.FieldIPv6FlowLabel: "ipv6_flow_label",
	decoder.FieldBGPNextAdjacentAS: "bgp_next_adjacent_as", decoder.FieldBGPPreviousAdjacentAS: "bgp_previous_adjacent_as",
	decoder.FieldPostPackets: "post_packets", decoder.FieldPostOctets: "post_octets",
	decoder.FieldReversePackets: "reverse_packets", decoder.FieldReverseOctets: "reverse_octets",
	decoder.FieldDroppedPackets: "dropped_packets", decoder.FieldDroppedOctets: "dropped_octets", decoder.FieldFrameOctets: "frame_octets",
	decoder.FieldPostNAPTSourcePort: "post_napt_source_port", decoder.FieldPostNAPTDestinationPort: "post_napt_destination_port",
	decoder.FieldNATEvent: "nat_event", decoder.FieldFirewallEvent: "firewall_event",
	decoder.FieldFirewallExtendedEvent: "firewall_extended_event", decoder.FieldFlowID: "flow_id",
	decoder.FieldObservationTime: "observation_time_ns", decoder.FieldLayer2SegmentID: "layer2_segment_id",
	decoder.FieldSampleSequence: "sample_sequence",

	decoder.FieldBGPNextHop: "bgp_next_hop", decoder.FieldMPLSTopLabelAddress: "mpls_top_label_address",
	decoder.FieldPostNATSourceAddress: "post_nat_source_address", decoder.FieldPostNATDestinationAddress: "post_nat_destination_address",
	decoder.FieldAgentAddress: "agent_address",

	decoder.FieldMPLSLabels: "mpls_labels", decoder.FieldBGPASPath: "bgp_as_path", decoder.FieldBGPCommunities: "bgp_communities",
	decoder.FieldApplicationID: "application_id", decoder.FieldElements: "elements",
}

// fields are the message's.
var fields = (*flowv1.FlowRecord)(nil).ProtoReflect().Descriptor().Fields()

// fillExtension sets what x has of m.
func fillExtension(m *flowv1.FlowRecord, x *decoder.Extension) {
	for f, name := range names {
		if x.Present.Has(f) {
			fillField(m, x, f, fields.ByName(name))
		}
	}
}

func fillField(m *flowv1.FlowRecord, x *decoder.Extension, f decoder.Field, d protoreflect.FieldDescriptor) {
	switch {
	case f == decoder.FieldMPLSLabels:
		m.MplsLabels = x.MPLSLabels
	case f == decoder.FieldBGPASPath:
		m.BgpAsPath = x.BGPASPath
	case f == decoder.FieldBGPCommunities:
		m.BgpCommunities = x.BGPCommunities
	case f == decoder.FieldApplicationID:
		m.ApplicationId = x.ApplicationID
	case f == decoder.FieldElements:
		for _, e := range x.Elements {
			m.Elements = append(m.Elements, &flowv1.Element{Enterprise: e.Enterprise, Id: uint32(e.ID), Value: e.Value})
		}
	case f >= decoder.FieldBGPNextHop:
		if a := x.Address(f); a.IsValid() {
			m.ProtoReflect().Set(d, protoreflect.ValueOfBytes(a.AsSlice()))
		}
	case d.Kind() == protoreflect.BytesKind: // a MAC address
		m.ProtoReflect().Set(d, protoreflect.ValueOfBytes(binary.BigEndian.AppendUint64(nil, x.Values[f])[2:]))
	case d.Kind() == protoreflect.EnumKind:
		m.ProtoReflect().Set(d, protoreflect.ValueOfEnum(protoreflect.EnumNumber(x.Values[f])))
	case d.Kind() == protoreflect.Uint32Kind:
		m.ProtoReflect().Set(d, protoreflect.ValueOfUint32(uint32(x.Values[f])))
	default:
		m.ProtoReflect().Set(d, protoreflect.ValueOfUint64(x.Values[f]))
	}
}
