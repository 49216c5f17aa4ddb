package batch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/internal/flowtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// framings are of every form of values, without and with a header.
var framings = withHeaders([]Framing{{Value: ValueProtobuf}, {Value: ValueProtobufDelimited}, {Value: ValueJSON}, {Value: ValueConfluent, Schema: 0x01020304}})

func withHeaders(list []Framing) []Framing {
	for _, f := range slices.Clone(list) {
		f.Headers = Headers("flowpub", f.Value)
		list = append(list, f)
	}
	return list
}

// writeValue makes a value as generated code does.
func writeValue(t *testing.T, f Framing, m *flowv1.FlowRecord) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	if f.Value == ValueProtobufDelimited {
		_, err = protodelim.MarshalTo(&b, m)
	} else {
		var message []byte
		message, err = proto.Marshal(m)
		b.Write(make([]byte, f.leadSize()))
		b.Write(message)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkValue fails the test unless a value is what a consumer reads as want and,
// in protobuf, as long as generated code would have made it.
func checkValue(t *testing.T, f Framing, value []byte, want *flowv1.FlowRecord) {
	t.Helper()
	got, err := flowtest.Read(f.Value.String(), f.Schema, value)
	if err != nil {
		t.Fatalf("%v: %v in %x", f.Value, err, value)
	}
	if !proto.Equal(got, want) {
		t.Fatalf("%v: got\n%v, want\n%v", f.Value, got, want)
	}
	if f.Value == ValueJSON {
		return
	}
	if size := len(writeValue(t, f, want)); len(value) != size {
		t.Fatalf("%v: value has %d bytes, generated code writes %d", f.Value, len(value), size)
	}
}

// checkFraming fails the test unless a value made of its message alone, as it is
// for what comes from a stage, is the same.
func checkFraming(t *testing.T, f Framing, value, message []byte) {
	t.Helper()
	if got := f.frame(make([]byte, 3), message); !bytes.Equal(got, value) {
		t.Fatalf("%v: framed the message is\n%x, want\n%x", f.Value, got, value)
	}
	if got := value[f.lead(value):]; !bytes.Equal(got, message) {
		t.Fatalf("%v: behind its lead the value is\n%x, want\n%x", f.Value, got, message)
	}
}

// The records of goldenPacket and of a lesser one, whose length needs one byte
// only, by hand. Encoding them is in goldenValue.
func TestDelimitedGolden(t *testing.T) {
	t.Parallel()
	from, received, p := goldenPacket()
	lesser := p.Records[0]
	lesser.TOS = 0
	lesser.SourceAS, lesser.DestinationAS, lesser.SourcePrefixLength, lesser.DestinationPrefixLength = 0, 0, 0, 0
	p.Records = append(p.Records, lesser)
	constants, fields, _ := strings.Cut(goldenValue, "f001")
	constants = strings.Replace(constants, "a001 01", "a001 02", 1) // two records
	least, _, _ := strings.Cut(fields, "68 0d")
	_, ports, _ := strings.Cut(fields, "13 tos\n")
	ports, _, _ = strings.Cut(ports, "f801 1f")
	_, addresses, _ := strings.Cut(fields, "source_prefix_length\n")
	addresses, _, _ = strings.Cut(addresses, "9002 22")
	want := [][]byte{
		bytesOf(t, `
			bc02          length 158: what follows
			00 00 00      attributes, no timestamp delta, offset delta 0
			12            key length 9
			3139322e302e322e31
			9c02          value length 142
			8c01          message length 140 = 1 * 128 + 12`+constants+"f001"+fields+`
			00            no headers`),
		bytesOf(t, `
			9e02          length 143: what follows
			00 00 02      attributes, no timestamp delta, offset delta 1
			12            key length 9
			3139322e302e322e31
			fe01          value length 127
			7e            message length 126`+constants+"7801\nf001"+least+"\n"+ports+"\n"+addresses+`
			00            no headers`),
	}
	e := Encoder{Framing: Framing{Value: ValueProtobufDelimited}}
	e.Reset(from, received, p)
	for i := range want {
		if got := e.appendRecord(make([]byte, 0, maxRecordSize+windowSize), i, 0, i); !bytes.Equal(got, want[i]) {
			t.Errorf("record %d: got\n%x, want\n%x", i, got, want[i])
		}
	}
}

// A message is read by what its registered text describes.
func TestConfluentGolden(t *testing.T) {
	t.Parallel()
	e := Encoder{Framing: Framing{Value: ValueConfluent, Schema: 300}}
	e.Reset(goldenPacket())
	want := append([]byte{0, 0, 0, 1, 44, 0}, bytesOf(t, goldenValue)...)
	got := e.appendValue(nil, 0)
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
	if err := proto.Unmarshal(got[6:], new(flowv1.FlowRecord)); err != nil {
		t.Error(err)
	}
}

func TestValueText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Value{
		"protobuf": ValueProtobuf, "protobuf-delimited": ValueProtobufDelimited, "json": ValueJSON, "confluent": ValueConfluent,
	} {
		var v Value
		if err := v.UnmarshalText([]byte(text)); err != nil || v != want {
			t.Errorf("%q is read as %v, %v", text, v, err)
		}
		if got, err := want.MarshalText(); err != nil || string(got) != text || want.String() != text {
			t.Errorf("%v is written as %q, %v", want, got, err)
		}
	}
	unknown := Value(len(valueNames))
	if err := unknown.UnmarshalText([]byte("avro")); err == nil || !strings.Contains(err.Error(), `"avro" is not known: use protobuf, protobuf-delimited, confluent or json`) {
		t.Errorf("avro: %v", err)
	}
	if _, err := unknown.MarshalText(); err == nil || unknown.String() != fmt.Sprintf("Value(%d)", len(valueNames)) {
		t.Errorf("unknown value: %v, %v", unknown, err)
	}
	if err := unknown.Validate(); err == nil || !strings.Contains(err.Error(), "is not known: use protobuf") {
		t.Errorf("validated: %v", err)
	}
}
