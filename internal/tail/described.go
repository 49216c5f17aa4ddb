package tail

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// described are the fields of a record by their descriptors.
var described = (*flowv1.FlowRecord)(nil).ProtoReflect().Descriptor().Fields()

// nameOf returns the name of a field in JSON and CSV. Times lose the suffix Ns,
// since they are no numbers here.
func nameOf(d protoreflect.FieldDescriptor) string {
	if isTime(d) {
		return strings.TrimSuffix(d.JSONName(), "Ns")
	}
	return d.JSONName()
}

func isTime(d protoreflect.FieldDescriptor) bool { return d.Kind() == protoreflect.Fixed64Kind }

func isMAC(d protoreflect.FieldDescriptor) bool { return strings.HasSuffix(string(d.Name()), "_mac") }

func isAddress(d protoreflect.FieldDescriptor) bool {
	return d.Kind() == protoreflect.BytesKind &&
		(strings.HasSuffix(string(d.Name()), "_address") || strings.HasSuffix(string(d.Name()), "next_hop"))
}

// sizesAreRight returns an error for an address of m that is none.
func sizesAreRight(m *flowv1.FlowRecord) (err error) {
	m.ProtoReflect().Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case isAddress(d) && len(v.Bytes()) != 4 && len(v.Bytes()) != 16, isMAC(d) && len(v.Bytes()) != 6:
			err = fmt.Errorf("tail: not a flow record: %s has %d bytes", d.Name(), len(v.Bytes()))
		}
		return err == nil
	})
	return err
}

// describedField is a field that is nothing when it is not set.
func describedField(d protoreflect.FieldDescriptor) field {
	number := d.Kind() == protoreflect.Uint32Kind || d.Kind() == protoreflect.Uint64Kind
	return field{name: nameOf(d), quoted: !number && !d.IsList(), optional: true, append: func(b []byte, f *flow) []byte {
		m := f.record.ProtoReflect()
		if !m.Has(d) {
			return b
		}
		if d.IsList() {
			return appendList(b, d, m.Get(d).List())
		}
		return appendDescribed(b, d, m.Get(d))
	}}
}

// appendList appends a list as JSON has it.
func appendList(b []byte, d protoreflect.FieldDescriptor, list protoreflect.List) []byte {
	separator := byte('[')
	for i := range list.Len() {
		b = append(b, separator)
		separator = ','
		if d.Kind() == protoreflect.MessageKind {
			b = appendElement(b, list.Get(i).Message())
		} else {
			b = appendDescribed(b, d, list.Get(i))
		}
	}
	return append(b, ']')
}

// appendElement appends an Element as a JSON object.
func appendElement(b []byte, m protoreflect.Message) []byte {
	element, _ := m.Interface().(*flowv1.Element)
	b = append(b, `{"enterprise":`...)
	b = strconv.AppendUint(b, uint64(element.GetEnterprise()), 10)
	b = append(b, `,"id":`...)
	b = strconv.AppendUint(b, uint64(element.GetId()), 10)
	b = append(b, `,"value":"`...)
	b = base64.StdEncoding.AppendEncode(b, element.GetValue())
	return append(b, `"}`...)
}

// appendDescribed appends a single value as text.
func appendDescribed(b []byte, d protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch {
	case isTime(d):
		return unixTime(v.Uint()).AppendFormat(b, timeFormat)
	case isAddress(d):
		addr, _ := netip.AddrFromSlice(v.Bytes())
		return addr.AppendTo(b)
	case isMAC(d):
		return append(b, net.HardwareAddr(v.Bytes()).String()...)
	}
	switch d.Kind() {
	case protoreflect.BytesKind:
		return base64.StdEncoding.AppendEncode(b, v.Bytes())
	case protoreflect.EnumKind:
		if value := d.Enum().Values().ByNumber(v.Enum()); value != nil {
			return append(b, value.Name()...)
		}
		return strconv.AppendInt(b, int64(v.Enum()), 10)
	case protoreflect.StringKind:
		return append(b, v.String()...)
	default:
		return strconv.AppendUint(b, v.Uint(), 10)
	}
}

// unmarshalJSON replaces m with the flow record in text, as
// FLOWPUB_KAFKA_VALUE=json has it. What is null or missing is unset.
func unmarshalJSON(text []byte, m *flowv1.FlowRecord) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	m.Reset()
	for i := range described.Len() {
		d := described.Get(i)
		member, ok := members[nameOf(d)]
		if !ok || string(member) == "null" {
			continue
		}
		if err := setMember(m.ProtoReflect(), d, member); err != nil {
			return fmt.Errorf("%s: %w", nameOf(d), err)
		}
	}
	return nil
}

// setMember sets the field d of m to a member of an object.
func setMember(m protoreflect.Message, d protoreflect.FieldDescriptor, member json.RawMessage) error {
	if !d.IsList() {
		v, err := readDescribed(d, member)
		if err == nil {
			m.Set(d, v)
		}
		return err
	}
	var members []json.RawMessage
	if err := json.Unmarshal(member, &members); err != nil {
		return err
	}
	for _, member := range members {
		v, err := readDescribed(d, member)
		if err != nil {
			return err
		}
		m.Mutable(d).List().Append(v)
	}
	return nil
}

// readDescribed reads a single value.
func readDescribed(d protoreflect.FieldDescriptor, member json.RawMessage) (v protoreflect.Value, err error) {
	switch {
	case d.Kind() == protoreflect.MessageKind:
		var element struct {
			Enterprise, ID uint32
			Value          []byte
		}
		err = json.Unmarshal(member, &element)
		return protoreflect.ValueOfMessage((&flowv1.Element{Enterprise: element.Enterprise, Id: element.ID, Value: element.Value}).ProtoReflect()), err
	case d.Kind() == protoreflect.EnumKind:
		return readEnum(d.Enum(), member)
	case d.Kind() == protoreflect.Uint32Kind:
		var number uint32
		err = json.Unmarshal(member, &number)
		return protoreflect.ValueOfUint32(number), err
	case d.Kind() == protoreflect.Uint64Kind:
		var number uint64
		err = json.Unmarshal(member, &number)
		return protoreflect.ValueOfUint64(number), err
	}
	var text string
	if err := json.Unmarshal(member, &text); err != nil {
		return v, err
	}
	switch {
	case isTime(d):
		when, err := time.Parse(time.RFC3339Nano, text)
		return protoreflect.ValueOfUint64(uint64(when.Unix())*uint64(time.Second) + uint64(when.Nanosecond())), err
	case isAddress(d):
		addr, err := netip.ParseAddr(text)
		return protoreflect.ValueOfBytes(addr.AsSlice()), err
	case isMAC(d):
		mac, err := net.ParseMAC(text)
		return protoreflect.ValueOfBytes(mac), err
	case d.Kind() == protoreflect.BytesKind:
		octets, err := base64.StdEncoding.DecodeString(text)
		return protoreflect.ValueOfBytes(octets), err
	default:
		return protoreflect.ValueOfString(text), nil
	}
}

// readEnum reads the name of an enumeration's value or, as proto3 has it, the
// number of one without a name.
func readEnum(e protoreflect.EnumDescriptor, member json.RawMessage) (v protoreflect.Value, err error) {
	var name string
	if json.Unmarshal(member, &name) != nil {
		var number int32
		err = json.Unmarshal(member, &number)
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(number)), err
	}
	value := e.Values().ByName(protoreflect.Name(name))
	if value == nil {
		return v, fmt.Errorf("%s %q is not known", e.Name(), name)
	}
	return protoreflect.ValueOfEnum(value.Number()), nil
}
