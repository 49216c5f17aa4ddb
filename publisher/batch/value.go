package batch

import (
	"encoding/binary"
	"fmt"
)

// Value is how a Kafka message's value holds its flow record.
type Value uint8

// The forms of a value.
const (
	// ValueProtobuf: the encoded flow.v1.FlowRecord, nothing else.
	ValueProtobuf Value = iota
	// ValueProtobufDelimited: the same behind its length, a varint, for readers that read
	// messages from a stream.
	ValueProtobufDelimited
	// ValueJSON: the record in JSON.
	ValueJSON
	// ValueConfluent: the encoded record behind the id that its schema has in a
	// registry, as Confluent's readers want it.
	ValueConfluent
)

// valueNames is indexed by Value.
var valueNames = [...]string{"protobuf", "protobuf-delimited", "json", "confluent"}

// valueRule lists the names in words.
const valueRule = "use protobuf, protobuf-delimited, confluent or json"

// String returns "protobuf", "protobuf-delimited", "json" or "confluent".
func (v Value) String() string {
	if int(v) < len(valueNames) {
		return valueNames[v]
	}
	return fmt.Sprintf("Value(%d)", uint8(v))
}

// MarshalText is String; a form that is not known is an error.
func (v Value) MarshalText() ([]byte, error) {
	if err := v.Validate(); err != nil {
		return nil, err
	}
	return []byte(v.String()), nil
}

// UnmarshalText accepts what String returns.
func (v *Value) UnmarshalText(text []byte) error {
	for i, name := range valueNames {
		if string(text) == name {
			*v = Value(i)
			return nil
		}
	}
	return fmt.Errorf("publisher: value %q is not known: %s", text, valueRule)
}

// Validate returns an error if v is not known.
func (v Value) Validate() error {
	if int(v) >= len(valueNames) {
		return fmt.Errorf("publisher: value %d is not known: %s", uint8(v), valueRule)
	}
	return nil
}

const (
	// delimiterSize is what is kept for the length of a message: a varint of two
	// bytes holds 128 to 16,383.
	delimiterSize   = 2
	minTwoByteDelim = 1 << 7
	// confluentSize is what precedes a message in Confluent's wire format: a 0, the
	// schema's id (4 bytes, big-endian), and where in the schema the message type
	// is. That is a path of indices; for the first type it is written as a 0.
	confluentSize = 1 + 4 + 1
	// maxLeadSize bounds what a value has before its message.
	maxLeadSize = confluentSize
)

// These do not compile when a message with the largest extension could outgrow its
// delimiter, or a record in JSON the three bytes for its length, which maxFramingSize has.
const (
	_ = uint(1<<14 - 1 - maxConstantsSize - maxAnnotation - maxFieldsSize - maxExtension)
	_ = uint(1<<20 - 1 - maxFramingSize - maxKeySize - maxJSONSize - maxJSONAnnotation - maxJSONExtension - maxHeadersSize)
)

// maxRecordSize is the most that one record takes, but for its extension.
func (v Value) maxRecordSize() int {
	if v == ValueJSON {
		return maxFramingSize + maxKeySize + maxJSONSize
	}
	return maxRecordSize
}

// Framing is what a value is made of: a message, and what leads to it.
type Framing struct {
	Value Value
	// Schema is the id for ValueConfluent.
	Schema uint32
	// Headers is what Headers returns, for records with a header; else empty.
	Headers string
}

// leadSize is the room that a packet's template has for the lead.
func (f Framing) leadSize() int {
	switch f.Value {
	case ValueProtobufDelimited:
		return delimiterSize
	case ValueConfluent:
		return confluentSize
	default:
		return 0
	}
}

// putLead writes what is known of a lead before its message to b, which has its
// leadSize.
func (f Framing) putLead(b []byte) {
	if f.Value == ValueConfluent {
		b[0], b[confluentSize-1] = 0, 0
		binary.BigEndian.PutUint32(b[1:], f.Schema)
	}
}

// lead is how many bytes of a value come before its message.
func (f Framing) lead(value []byte) int {
	if f.Value != ValueProtobufDelimited {
		return f.leadSize()
	}
	_, n := binary.Uvarint(value)
	return n
}

// frame returns the value of a message. It may use scratch, or be message.
func (f Framing) frame(scratch, message []byte) []byte {
	size := f.leadSize()
	if size == 0 {
		return message
	}
	scratch = append(scratch[:0], make([]byte, size)...)
	f.putLead(scratch)
	return f.finish(append(scratch, message...), 0)
}

// finish completes a value that begins at start and ends b, in which the lead has
// leadSize bytes. It may become shorter.
func (f Framing) finish(b []byte, start int) []byte {
	if f.Value != ValueProtobufDelimited {
		return b
	}
	message := b[start+delimiterSize:]
	lead := binary.AppendUvarint(b[:start], uint64(len(message)))
	return b[:len(lead)+copy(b[len(lead):], message)]
}
