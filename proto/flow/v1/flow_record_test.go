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
	}
	message := new(flowv1.FlowRecord).ProtoReflect().Descriptor()
	if got := message.FullName(); got != "flow.v1.FlowRecord" {
		t.Errorf("the message is %s, want flow.v1.FlowRecord", got)
	}
	fields := message.Fields()
	got := make([]string, fields.Len())
	for i := range got {
		field := fields.Get(i)
		got[i] = fmt.Sprintf("%d %s %s", field.Number(), field.Name(), field.Kind())
		if field.Cardinality() != protoreflect.Optional || field.HasPresence() {
			t.Errorf("%s is %v, want a plain single value", field.Name(), field.Cardinality())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields\n%q, want\n%q", got, want)
	}
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
