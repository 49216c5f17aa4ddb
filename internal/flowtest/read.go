package flowtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Read reads a Kafka message's value as its consumers do. The form is as the
// configuration has it; schema is the id that a confluent value must have.
func Read(form string, schema uint32, value []byte) (*flowv1.FlowRecord, error) {
	m := new(flowv1.FlowRecord)
	switch form {
	case "protobuf":
		return m, proto.Unmarshal(value, m)
	case "json":
		return readJSON(value)
	case "confluent":
		want := append(binary.BigEndian.AppendUint32([]byte{0}, schema), 0)
		message, ok := bytes.CutPrefix(value, want)
		if !ok {
			return nil, fmt.Errorf("it does not begin with %x", want)
		}
		return m, proto.Unmarshal(message, m)
	case "protobuf-delimited":
		r := bytes.NewReader(value)
		err := protodelim.UnmarshalFrom(r, m)
		if err == nil && r.Len() > 0 {
			err = fmt.Errorf("%d bytes follow the message", r.Len())
		}
		return m, err
	default:
		return nil, fmt.Errorf("values of form %q are not known", form)
	}
}

// readJSON reads a value in JSON: what differs from proto3's own JSON is changed
// into that, by the message's descriptor, and generated code reads the rest.
func readJSON(value []byte) (*flowv1.FlowRecord, error) {
	var object map[string]any
	numbers := json.NewDecoder(bytes.NewReader(value))
	numbers.UseNumber()
	if err := numbers.Decode(&object); err != nil || numbers.More() {
		return nil, fmt.Errorf("no object: %w", err)
	}
	m := new(flowv1.FlowRecord)
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if err := toProto3(object, fields.Get(i)); err != nil {
			return nil, err
		}
	}
	standard, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	return m, protojson.Unmarshal(standard, m)
}

// lastCommon is the number of the last field that every object has.
const lastCommon = 35

// toProto3 changes the member for a field, if it is an address or a time.
func toProto3(object map[string]any, field protoreflect.FieldDescriptor) error {
	ours, name := field.JSONName(), field.JSONName()
	if field.Kind() == protoreflect.Fixed64Kind {
		ours = strings.TrimSuffix(name, "Ns")
	}
	value, present := object[ours]
	switch {
	case !present && field.Number() <= lastCommon:
		return fmt.Errorf("no member %s", ours)
	case !present:
		return nil
	}
	delete(object, ours)
	object[name] = value
	text, isText := value.(string)
	if !isText {
		return nil
	}
	switch field.Kind() {
	case protoreflect.BytesKind:
		octets, err := readBytes(string(field.Name()), text)
		object[name] = octets
		return err
	case protoreflect.Fixed64Kind:
		when, err := time.Parse("2006-01-02T15:04:05.000000000Z", text)
		object[name] = uint64(when.Unix())*1e9 + uint64(when.Nanosecond())
		return err
	case protoreflect.EnumKind, protoreflect.StringKind:
		return nil
	default:
		return errors.New(name + " is no number: " + text)
	}
}

// readBytes reads the text of a field of bytes by what its name says it holds.
func readBytes(name, text string) ([]byte, error) {
	switch {
	case strings.HasSuffix(name, "_mac"):
		mac, err := net.ParseMAC(text)
		if err == nil && (len(mac) != 6 || mac.String() != text) {
			err = fmt.Errorf("%s is not six bytes as aa:bb:cc:dd:ee:ff", text)
		}
		return mac, err
	case strings.HasSuffix(name, "_address"), strings.HasSuffix(name, "next_hop"):
		address, err := netip.ParseAddr(text)
		return address.AsSlice(), err
	default:
		return base64.StdEncoding.DecodeString(text)
	}
}
