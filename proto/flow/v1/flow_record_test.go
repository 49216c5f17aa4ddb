package flowv1_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// The contract with consumers. Numbers, names and types are never changed;
// fields may be added.
func TestFlowRecordContract(t *testing.T) {
	t.Parallel()
	want := []string{
		"1 source_address bytes",
		"2 destination_address bytes",
		"3 source_port uint32",
		"4 destination_port uint32",
		"5 protocol uint32",
		"6 packets uint64",
		"7 octets uint64",
		"8 start_time_ns fixed64",
		"9 end_time_ns fixed64",
		"10 input_interface uint32",
		"11 output_interface uint32",
		"12 tcp_flags uint32",
		"13 tos uint32",
		"14 next_hop bytes",
		"15 record_index uint32",
		"16 exporter_address bytes",
		"17 receive_time_ns fixed64",
		"18 export_time_ns fixed64",
		"19 flow_sequence uint32",
		"20 record_count uint32",
		"21 engine_type uint32",
		"22 engine_id uint32",
		"23 sampling_mode uint32",
		"24 sampling_interval uint32",
		"25 system_uptime_ms uint32",
		"26 format enum",
		"27 exporter_port uint32",
		"28 first_uptime_ms uint32",
		"29 last_uptime_ms uint32",
		"30 anomalies uint32",
		"31 source_as uint32",
		"32 destination_as uint32",
		"33 source_prefix_length uint32",
		"34 destination_prefix_length uint32",
		"35 header_count uint32",
		"36 observation_domain_id uint32",
		"37 template_id uint32",
		"38 sampling_source enum",
		"39 sampler_id uint64",
		"40 sampling_algorithm uint32",
		"41 sampling_packet_interval uint32",
		"42 sampling_packet_space uint32",
		"43 flow_direction enum",
		"44 flow_end_reason uint32",
		"45 forwarding_status uint32",
		"46 post_packets uint64",
		"47 post_octets uint64",
		"48 reverse_packets uint64",
		"49 reverse_octets uint64",
		"50 counter_kind enum",
		"51 minimum_ttl uint32",
		"52 maximum_ttl uint32",
		"53 ethernet_type uint32",
		"54 source_mac bytes",
		"55 destination_mac bytes",
		"56 post_source_mac bytes",
		"57 post_destination_mac bytes",
		"58 vlan_id uint32",
		"59 post_vlan_id uint32",
		"60 customer_vlan_id uint32",
		"61 icmp_type_code uint32",
		"62 fragment_identification uint32",
		"63 fragment_offset uint32",
		"64 fragment_flags uint32",
		"65 ipv6_flow_label uint32",
		"66 bgp_next_hop bytes",
		"67 bgp_next_adjacent_as uint32",
		"68 bgp_previous_adjacent_as uint32",
		"69 bgp_as_path repeated uint32",
		"70 bgp_communities repeated uint32",
		"71 ingress_vrf_id uint32",
		"72 egress_vrf_id uint32",
		"73 ingress_physical_interface uint32",
		"74 egress_physical_interface uint32",
		"75 mpls_labels repeated uint32",
		"76 mpls_top_label_address bytes",
		"77 post_nat_source_address bytes",
		"78 post_nat_destination_address bytes",
		"79 post_napt_source_port uint32",
		"80 post_napt_destination_port uint32",
		"81 nat_event uint32",
		"82 firewall_event uint32",
		"83 firewall_extended_event uint32",
		"84 flow_id uint64",
		"85 observation_time_ns fixed64",
		"86 application_id bytes",
		"87 observation_point_id uint64",
		"88 post_tos uint32",
		"89 layer2_segment_id uint64",
		"90 dropped_packets uint64",
		"91 dropped_octets uint64",
		"92 agent_address bytes",
		"93 sample_sequence uint32",
		"94 source_id uint32",
		"96 frame_octets uint32",
		"97 sampling_override uint32",
		"98 exporter_name string",
		"100 elements repeated message",
	}
	message := new(flowv1.FlowRecord).ProtoReflect().Descriptor()
	if got := message.FullName(); got != "flow.v1.FlowRecord" {
		t.Errorf("the message is %s, want flow.v1.FlowRecord", got)
	}
	fields := message.Fields()
	got := make([]string, fields.Len())
	for i := range got {
		field := fields.Get(i)
		repeated := ""
		if field.Cardinality() == protoreflect.Repeated {
			repeated = "repeated "
		}
		got[i] = fmt.Sprintf("%d %s %s%s", field.Number(), field.Name(), repeated, field.Kind())
		if field.Cardinality() == protoreflect.Required || field.HasPresence() {
			t.Errorf("%s is %v, want a plain value", field.Name(), field.Cardinality())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields\n%q, want\n%q", got, want)
	}
	// A registry knows a message type by its place in the file.
	if first := message.ParentFile().Messages().Get(0).Name(); first != "FlowRecord" {
		t.Errorf("the first message is %s, want FlowRecord", first)
	}
}

func TestElementContract(t *testing.T) {
	t.Parallel()
	fields := new(flowv1.Element).ProtoReflect().Descriptor().Fields()
	var got []string
	for i := range fields.Len() {
		got = append(got, fmt.Sprintf("%d %s %s", fields.Get(i).Number(), fields.Get(i).Name(), fields.Get(i).Kind()))
	}
	if want := []string{"1 enterprise uint32", "2 id uint32", "3 value bytes"}; !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
}

func TestEnumContracts(t *testing.T) {
	t.Parallel()
	checkValues(t, flowv1.SamplingSource(0).Descriptor(), map[string]uint32{
		"SAMPLING_SOURCE_UNSPECIFIED": 0, "SAMPLING_SOURCE_RECORD": 1, "SAMPLING_SOURCE_SAMPLER": 2, "SAMPLING_SOURCE_TEMPLATE": 3,
		"SAMPLING_SOURCE_DOMAIN": 4, "SAMPLING_SOURCE_EXPORTER": 5, "SAMPLING_SOURCE_SFLOW_SAMPLE": 6,
	})
	checkValues(t, flowv1.FlowDirection(0).Descriptor(), map[string]uint32{
		"FLOW_DIRECTION_UNSPECIFIED": 0, "FLOW_DIRECTION_INGRESS": 1, "FLOW_DIRECTION_EGRESS": 2, "FLOW_DIRECTION_OTHER": 3,
	})
	checkValues(t, flowv1.CounterKind(0).Descriptor(), map[string]uint32{
		"COUNTER_KIND_UNSPECIFIED": 0, "COUNTER_KIND_TOTAL": 1, "COUNTER_KIND_EVENT": 2,
	})
}

func TestExportFormatContract(t *testing.T) {
	t.Parallel()
	checkValues(t, flowv1.ExportFormat(0).Descriptor(), map[string]uint32{
		"EXPORT_FORMAT_UNSPECIFIED": uint32(decoder.FormatUnspecified),
		"EXPORT_FORMAT_NETFLOW_V5":  uint32(decoder.FormatNetFlowV5),
		"EXPORT_FORMAT_NETFLOW_V9":  uint32(decoder.FormatNetFlowV9),
		"EXPORT_FORMAT_IPFIX":       uint32(decoder.FormatIPFIX),
		"EXPORT_FORMAT_SFLOW_V5":    uint32(decoder.FormatSFlowV5),
	})
	got := []decoder.Format{
		decoder.FormatUnspecified, decoder.FormatNetFlowV5, decoder.FormatNetFlowV9, decoder.FormatIPFIX, decoder.FormatSFlowV5,
	}
	if want := []decoder.Format{0, 5, 9, 10, 105}; !slices.Equal(got, want) {
		t.Errorf("the decoder's formats are %d, want %d", got, want)
	}
}

// The values themselves are pinned by the decoder's own test.
func TestAnomalyContract(t *testing.T) {
	t.Parallel()
	checkValues(t, flowv1.Anomaly(0).Descriptor(), map[string]uint32{
		"ANOMALY_UNSPECIFIED":              0,
		"ANOMALY_COUNT_ABOVE_PRESENT":      uint32(decoder.AnomalyCountAbovePresent),
		"ANOMALY_PARTIAL_RECORD":           uint32(decoder.AnomalyPartialRecord),
		"ANOMALY_TRAILING_BYTES":           uint32(decoder.AnomalyTrailingBytes),
		"ANOMALY_COUNT_ABOVE_30":           uint32(decoder.AnomalyCountAbove30),
		"ANOMALY_NANOSECONDS_OUT_OF_RANGE": uint32(decoder.AnomalyNanosecondsOutOfRange),
		"ANOMALY_START_UNSET":              uint32(decoder.AnomalyStartUnset),
		"ANOMALY_END_UNSET":                uint32(decoder.AnomalyEndUnset),
		"ANOMALY_START_AFTER_END":          uint32(decoder.AnomalyStartAfterEnd),
		"ANOMALY_TIME_FAR_FROM_EXPORT":     uint32(decoder.AnomalyTimeFarFromExport),
		"ANOMALY_TEMPLATE_PROVISIONAL":     uint32(decoder.AnomalyTemplateProvisional),
		"ANOMALY_WAITED":                   uint32(decoder.AnomalyWaited),
		"ANOMALY_MALFORMED_SET":            uint32(decoder.AnomalyMalformedSet),
		"ANOMALY_FIELD_WIDTH":              uint32(decoder.AnomalyFieldWidth),
		"ANOMALY_DUPLICATE_ELEMENT":        uint32(decoder.AnomalyDuplicateElement),
		"ANOMALY_VALUE_OUT_OF_RANGE":       uint32(decoder.AnomalyValueOutOfRange),
		"ANOMALY_TRUNCATED_HEADER":         uint32(decoder.AnomalyTruncatedHeader),
	})
}

// checkValues compares an enumeration with its values by name.
func checkValues(t *testing.T, enum protoreflect.EnumDescriptor, want map[string]uint32) {
	t.Helper()
	got := make(map[string]uint32)
	for i := range enum.Values().Len() {
		value := enum.Values().Get(i)
		got[string(value.Name())] = uint32(value.Number())
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s is\n%v, want\n%v", enum.FullName(), got, want)
	}
}
