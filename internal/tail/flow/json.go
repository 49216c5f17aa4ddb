package flow

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// fromJSON returns the encoded message of a flow record in JSON.
func fromJSON(text []byte) ([]byte, error) {
	var m flowv1.FlowRecord
	if err := unmarshalJSON(text, &m); err != nil {
		return nil, err
	}
	return proto.Marshal(&m)
}

// unmarshalJSON replaces m with the flow record in text, as
// FLOWPUB_KAFKA_VALUE=json has it. What is null or missing is unset.
func unmarshalJSON(text []byte, m *flowv1.FlowRecord) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	m.Reset()
	for i := range Descriptors.Len() {
		d := Descriptors.Get(i)
		member, ok := members[NameOf(d)]
		if !ok || string(member) == "null" {
			continue
		}
		if err := setMember(m.ProtoReflect(), d, member); err != nil {
			return fmt.Errorf("%s: %w", NameOf(d), err)
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
	case IsTime(d):
		when, err := time.Parse(time.RFC3339Nano, text)
		return protoreflect.ValueOfUint64(uint64(when.Unix())*uint64(time.Second) + uint64(when.Nanosecond())), err
	case IsAddress(d):
		addr, err := netip.ParseAddr(text)
		return protoreflect.ValueOfBytes(addr.AsSlice()), err
	case IsMAC(d):
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
