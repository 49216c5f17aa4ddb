package flow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Form is how a Kafka message's value holds its flow record.
type Form uint8

// The forms of a value, as FLOWPUB_KAFKA_VALUE names them.
const (
	// Auto: whichever of the others it is.
	Auto Form = iota
	// Protobuf: the encoded record.
	Protobuf
	// ProtobufDelimited: the same behind its length.
	ProtobufDelimited
	// Confluent: the encoded record behind the id of its schema.
	Confluent
	// JSON: the record in JSON.
	JSON
)

// formNames is indexed by Form.
var formNames = [...]string{"auto", "protobuf", "protobuf-delimited", "confluent", "json"}

// String returns the form's name.
func (v Form) String() string { return formNames[v] }

// MarshalText is String.
func (v Form) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText accepts what String returns.
func (v *Form) UnmarshalText(text []byte) error {
	for i, name := range formNames {
		if string(text) == name {
			*v = Form(i)
			return nil
		}
	}
	last := len(formNames) - 1
	return fmt.Errorf("tail: value %q is not known: use %s or %s", text, strings.Join(formNames[:last], ", "), formNames[last])
}

// confluentSize is what precedes a message in Confluent's wire format.
const confluentSize = 6

// Decode replaces f with the flow record in value. f refers to value unless that is
// JSON. After an error f has no meaning.
func (f *Flow) Decode(form Form, value []byte) error {
	var err error
	switch form {
	case JSON:
		value, err = fromJSON(value)
	case ProtobufDelimited:
		length, n := binary.Uvarint(value)
		if n <= 0 || length != uint64(len(value)-n) {
			err = errors.New("it does not begin with the length of what follows")
			break
		}
		value = value[n:]
	case Confluent:
		// A 0, the schema's id in four bytes, and a 0: the first type in the schema.
		if len(value) < confluentSize || value[0] != 0 || value[confluentSize-1] != 0 {
			err = errors.New("it does not begin with a schema id and the index of the first message type")
			break
		}
		value = value[confluentSize:]
	case Auto:
		return f.decodeAny(value)
	default: // the value is the message
	}
	if err == nil {
		err = f.read(value)
	}
	if err != nil {
		return fmt.Errorf("tail: not a flow record as %v: %w", form, err)
	}
	return nil
}

func (f *Flow) decodeAny(value []byte) error {
	form, ok := FormOf(value)
	if !ok {
		return errors.New("tail: not a flow record in any form")
	}
	return f.Decode(form, value)
}

// FormOf returns the form in which a value is a flow record.
func FormOf(value []byte) (Form, bool) {
	var f Flow
	for form := Protobuf; int(form) < len(formNames); form++ {
		if f.Decode(form, value) == nil {
			return form, true
		}
	}
	return Auto, false
}

// FormTold returns the form that the value of a header tells, as FLOWPUB_KAFKA_VALUE_HEADER
// makes it; Auto if none.
func FormTold(header []byte) (form Form) {
	name, message, _ := strings.Cut(string(header), "; ")
	if message != "flow.v1.FlowRecord" || form.UnmarshalText([]byte(name)) != nil {
		return Auto
	}
	return form
}

// Decoder decodes values, most of which have the same form.
type Decoder struct {
	// Form is theirs. Auto: it is found out, for each value anew where it changes.
	Form Form
	last Form
}

// Decode replaces f with the flow record in value, as Flow.Decode does.
func (d *Decoder) Decode(f *Flow, value []byte) error {
	if d.Form != Auto {
		return f.Decode(d.Form, value)
	}
	if d.last != Auto && f.Decode(d.last, value) == nil {
		return nil
	}
	form, ok := FormOf(value)
	if !ok {
		return f.decodeAny(value)
	}
	d.last = form
	return f.Decode(form, value)
}
