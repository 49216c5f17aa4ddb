package flow

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/internal/tail/tailtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const plain, delimited = Protobuf, ProtobufDelimited
	tests := []struct {
		name  string
		form  Form
		value []byte
		want  string // part of the error
	}{
		{"no value", plain, nil, "names no exporter"},
		{"no protobuf", plain, []byte("hello"), "not a flow record"},
		{"cut short", plain, tailtest.Marshal(t, tailtest.Web())[:20], "not a flow record"},
		{"no length", delimited, nil, "does not begin with the length"},
		{"no delimiter", delimited, tailtest.Marshal(t, tailtest.Web()), "does not begin with the length"},
		{"cut short behind its length", delimited, delimit(tailtest.Marshal(t, tailtest.Web()))[:20], "does not begin with the length"},
		{"two behind each other", delimited, append(delimit(tailtest.Marshal(t, tailtest.Web())), 0), "does not begin with the length"},
		{"no schema", Confluent, tailtest.Marshal(t, tailtest.Web()), "does not begin with a schema id"},
		{"no other magic", Confluent, append([]byte{1, 0, 0, 1, 44, 0}, tailtest.Marshal(t, tailtest.Web())...), "does not begin with a schema id"},
		{"another message type", Confluent, append([]byte{0, 0, 0, 1, 44, 2, 2}, tailtest.Marshal(t, tailtest.Web())...), "does not begin with a schema id"},
		{"a schema cut short", Confluent, []byte{0, 0, 0, 1, 44}, "does not begin with a schema id"},
		{"no JSON", JSON, tailtest.Marshal(t, tailtest.Web()), "not a flow record as json"},
		{"no exporter in JSON", JSON, []byte("{}"), "names no exporter"},
		{"no time in JSON", JSON, []byte(`{"startTime":"now"}`), `parsing time "now"`},
		{"no format in JSON", JSON, []byte(`{"format":"NETFLOW"}`), `ExportFormat "NETFLOW" is not known`},
		{"no MAC address in JSON", JSON, []byte(`{"sourceMac":"a"}`), "sourceMac: address a: invalid MAC address"},
		{"MAC address of 5 bytes", plain, tailtest.Marshal(t, &flowv1.FlowRecord{ExporterAddress: []byte{1, 2, 3, 4}, SourceMac: make([]byte, 5)}), "source_mac has 5 bytes"},
		{"no exporter behind a length", delimited, []byte{0}, "names no exporter"},
		{"no exporter", plain, tailtest.Marshal(t, &flowv1.FlowRecord{SourceAddress: []byte{1, 2, 3, 4}}), "names no exporter"},
		{"exporter of 3 bytes", plain, tailtest.Marshal(t, &flowv1.FlowRecord{ExporterAddress: []byte{1, 2, 3}}), "exporter_address has 3 bytes"},
		{
			"next hop of 5 bytes", plain,
			tailtest.Marshal(t, &flowv1.FlowRecord{ExporterAddress: []byte{1, 2, 3, 4}, NextHop: make([]byte, 5)}),
			"next_hop has 5 bytes",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var f Flow
			if err := f.Decode(tt.form, tt.value); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
		})
	}
}

// delimit puts a message behind its length, which is below 2^14 and not below
// 2^7.
func delimit(message []byte) []byte {
	return append([]byte{byte(len(message)) | 0x80, byte(len(message) >> 7)}, message...)
}

// Every form of a value holds the same flow.
func TestDecodeForms(t *testing.T) {
	t.Parallel()
	message := tailtest.Marshal(t, tailtest.Web())
	for form, value := range map[Form][]byte{
		Protobuf: message, ProtobufDelimited: delimit(message), JSON: []byte(tailtest.WebJSON),
		Confluent: append([]byte{0, 0, 0, 1, 44, 0}, message...),
	} {
		var f Flow
		if err := f.Decode(form, value); err != nil {
			t.Errorf("%v: %v", form, err)
		} else if got, err := f.Message(); err != nil || !proto.Equal(got, tailtest.Web()) {
			t.Errorf("%v: got\n%v, %v, want\n%v", form, got, err, tailtest.Web())
		} else {
			compare(t, &f, tailtest.Web())
		}
	}
}

// No field of the record is lost, and null and a format without a name are
// understood.
func TestUnmarshalJSON(t *testing.T) {
	t.Parallel()
	odd := `{"format":9,"exporterAddress":"2001:db8::1","sourceAddress":null,"startTime":null,"octets":18446744073709551615}`
	for text, want := range map[string]*flowv1.FlowRecord{
		tailtest.WebJSON: tailtest.Web(),
		odd:              {Format: 9, ExporterAddress: []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}, Octets: math.MaxUint64},
	} {
		got := tailtest.Web()
		if err := unmarshalJSON([]byte(text), got); err != nil || !proto.Equal(got, want) {
			t.Errorf("got\n%v, %v, want\n%v", got, err, want)
		}
	}
}

// A flow decoded into again keeps nothing of the one before.
func TestDecodeReplaces(t *testing.T) {
	t.Parallel()
	var f Flow
	if err := f.Decode(Protobuf, tailtest.Marshal(t, tailtest.Web())); err != nil {
		t.Fatal(err)
	}
	if err := f.Decode(Protobuf, tailtest.Marshal(t, tailtest.Bare())); err != nil {
		t.Fatal(err)
	}
	compare(t, &f, tailtest.Bare())
}

// Whatever of the forms a value has is found out, also where it changes.
func TestFormIsFound(t *testing.T) {
	t.Parallel()
	message := tailtest.Marshal(t, tailtest.Web())
	var d Decoder
	var f Flow
	for range 2 {
		for form, value := range map[Form][]byte{
			Protobuf: message, ProtobufDelimited: delimit(message), JSON: []byte(tailtest.WebJSON),
			Confluent: append([]byte{0, 0, 0, 1, 44, 0}, message...),
		} {
			if got, ok := FormOf(value); !ok || got != form {
				t.Errorf("%v is taken for %v, %v", form, got, ok)
			}
			if err := d.Decode(&f, value); err != nil {
				t.Fatalf("%v: %v", form, err)
			}
			compare(t, &f, tailtest.Web())
		}
		if err := d.Decode(&f, []byte("hello")); err == nil {
			t.Error("what is no flow record is taken for one")
		}
	}
}

// The numbers that are used by name are those of the message.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for number, name := range map[Field]string{
		SourceAddress: "source_address", DestinationAddress: "destination_address", SourcePort: "source_port",
		DestinationPort: "destination_port", Protocol: "protocol", Packets: "packets", Octets: "octets",
		StartTime: "start_time_ns", EndTime: "end_time_ns", InputInterface: "input_interface", OutputInterface: "output_interface",
		TCPFlags: "tcp_flags", TOS: "tos", NextHop: "next_hop", RecordIndex: "record_index", ExporterAddress: "exporter_address",
		ReceiveTime: "receive_time_ns", ExportTime: "export_time_ns", FlowSequence: "flow_sequence", RecordCount: "record_count",
		EngineType: "engine_type", EngineID: "engine_id", SamplingMode: "sampling_mode", SamplingInterval: "sampling_interval",
		SystemUptime: "system_uptime_ms", Format: "format", ExporterPort: "exporter_port", FirstUptime: "first_uptime_ms",
		LastUptime: "last_uptime_ms", Anomalies: "anomalies", SourceAS: "source_as", DestinationAS: "destination_as",
		SourcePrefixLength: "source_prefix_length", DestinationPrefixLength: "destination_prefix_length", HeaderCount: "header_count",
		ObservationDomain: "observation_domain_id", VLAN: "vlan_id", ICMPTypeCode: "icmp_type_code",
		SamplingOverride: "sampling_override", ExporterName: "exporter_name",
	} {
		if got := Descriptors.ByNumber(number).Name(); string(got) != name {
			t.Errorf("%d is %s, not %s", number, got, name)
		}
	}
	for i := range Descriptors.Len() {
		if n := Descriptors.Get(i).Number(); n > maxField {
			t.Errorf("field %d is above maxField", n)
		}
	}
}

// A record is decoded into again without memory of its own.
func TestDecodeAllocatesNothing(t *testing.T) {
	var f Flow
	message := tailtest.Marshal(t, tailtest.Web())
	if n := testing.AllocsPerRun(100, func() {
		if f.Decode(Protobuf, message) != nil {
			t.Fatal("no flow record")
		}
	}); n != 0 {
		t.Errorf("%v allocations a record", n)
	}
}

// ICMP's type and code are found wherever exporters put them.
func TestICMP(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		m          *flowv1.FlowRecord
		kind, code uint8
		ok         bool
	}{
		{"TCP", &flowv1.FlowRecord{Protocol: 6, DestinationPort: 771}, 0, 0, false},
		{"in the destination port", &flowv1.FlowRecord{Protocol: 1, DestinationPort: 3<<8 | 1}, 3, 1, true},
		{"in both ports", &flowv1.FlowRecord{Protocol: 1, SourcePort: 3, DestinationPort: 13}, 3, 13, true},
		{"in an element", &flowv1.FlowRecord{Protocol: 58, IcmpTypeCode: 128 << 8}, 128, 0, true},
		{"echo reply", &flowv1.FlowRecord{Protocol: 1}, 0, 0, true},
	} {
		tt.m.ExporterAddress = []byte{10, 0, 0, 1}
		var f Flow
		if err := f.Decode(Protobuf, tailtest.Marshal(t, tt.m)); err != nil {
			t.Fatal(err)
		}
		if kind, code, ok := f.ICMP(); kind != tt.kind || code != tt.code || ok != tt.ok {
			t.Errorf("%s: %d.%d, %v", tt.name, kind, code, ok)
		}
	}
}

// FuzzRead: what generated code takes for a flow record and writes again is read, with the same
// fields; and what is read, generated code reads so, too.
func FuzzRead(f *testing.F) {
	f.Add(tailtest.Marshal(f, tailtest.Web()))
	f.Add(tailtest.Marshal(f, tailtest.Rich()))
	f.Add(append(tailtest.Marshal(f, tailtest.Rich()), 0xa8, 4, 1, 0xca, 0x3e, 1, 0))   // a number not packed, a field of no name
	f.Add(append(tailtest.Marshal(f, tailtest.Web()), 0x80, 0x80, 0x80, 0x80, 0x10, 0)) // the field 2^29, one above the highest there is
	f.Fuzz(func(t *testing.T, value []byte) {
		var got Flow
		var m flowv1.FlowRecord
		if got.Decode(Protobuf, value) == nil {
			if err := proto.Unmarshal(value, &m); err != nil {
				t.Fatalf("read, though generated code does not: %v", err)
			}
			compare(t, &got, &m)
		}
		if proto.Unmarshal(value, &m) != nil || !sizesAreRight(&m) {
			return
		}
		again, err := proto.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.Decode(Protobuf, again); err != nil {
			t.Fatal(err)
		}
		compare(t, &got, &m)
	})
}

// sizesAreRight reports whether a message has an exporter, and all addresses are some.
func sizesAreRight(m *flowv1.FlowRecord) bool {
	right := len(m.GetExporterAddress()) > 0
	m.ProtoReflect().Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case IsAddress(d):
			right = right && (len(v.Bytes()) == 4 || len(v.Bytes()) == 16)
		case IsMAC(d):
			right = right && len(v.Bytes()) == 6
		}
		return true
	})
	return right
}

// compare holds the fields of a flow against the message that it was read from.
func compare(t *testing.T, f *Flow, m *flowv1.FlowRecord) {
	t.Helper()
	lists := false
	for i := range Descriptors.Len() {
		d := Descriptors.Get(i)
		v := m.ProtoReflect().Get(d)
		n := d.Number()
		same := true
		switch {
		case d.IsList():
			lists = lists || v.List().Len() > 0
		case d.Kind() == protoreflect.BytesKind:
			same = bytes.Equal(f.Bytes(n), v.Bytes())
		case d.Kind() == protoreflect.StringKind:
			same = string(f.Bytes(n)) == v.String()
		case d.Kind() == protoreflect.EnumKind:
			same = f.Number(n) == uint64(uint32(v.Enum()))
		default:
			same = f.Number(n) == v.Uint()
		}
		if !same {
			t.Errorf("%s is %v in the message, and %d, %x", d.Name(), v, f.Number(n), f.fields[n])
		}
	}
	if lists && !f.HasLists() {
		t.Error("lists are not noticed")
	}
}

func BenchmarkDecode(b *testing.B) {
	var f Flow
	message := tailtest.Marshal(b, tailtest.Web())
	b.ReportAllocs()
	for b.Loop() {
		if f.Decode(Protobuf, message) != nil {
			b.Fatal("no flow record")
		}
	}
}
