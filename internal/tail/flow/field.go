package flow

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Field is the number of a field of flow.v1.FlowRecord.
type Field = protoreflect.FieldNumber

// Fields that are used by name.
const (
	SourceAddress           Field = 1
	DestinationAddress      Field = 2
	SourcePort              Field = 3
	DestinationPort         Field = 4
	Protocol                Field = 5
	Packets                 Field = 6
	Octets                  Field = 7
	StartTime               Field = 8
	EndTime                 Field = 9
	InputInterface          Field = 10
	OutputInterface         Field = 11
	TCPFlags                Field = 12
	TOS                     Field = 13
	NextHop                 Field = 14
	RecordIndex             Field = 15
	ExporterAddress         Field = 16
	ReceiveTime             Field = 17
	ExportTime              Field = 18
	FlowSequence            Field = 19
	RecordCount             Field = 20
	EngineType              Field = 21
	EngineID                Field = 22
	SamplingMode            Field = 23
	SamplingInterval        Field = 24
	SystemUptime            Field = 25
	Format                  Field = 26
	ExporterPort            Field = 27
	FirstUptime             Field = 28
	LastUptime              Field = 29
	Anomalies               Field = 30
	SourceAS                Field = 31
	DestinationAS           Field = 32
	SourcePrefixLength      Field = 33
	DestinationPrefixLength Field = 34
	HeaderCount             Field = 35
	ObservationDomain       Field = 36
	VLAN                    Field = 58
	ICMPTypeCode            Field = 61
	SamplingOverride        Field = 97
	ExporterName            Field = 98
)

// Descriptors are those of all fields.
var Descriptors = (*flowv1.FlowRecord)(nil).ProtoReflect().Descriptor().Fields()

// maxField is the greatest number of a field.
const maxField = 100

// kind is how a field is encoded, and what of it is checked.
type kind uint8

const (
	kindNone    kind = iota // no such field
	kindNumber              // a varint of 64 bits
	kindNumber4             // one of 32 bits
	kindFixed               // 8 bytes: a time
	kindAddress             // bytes, 4 or 16
	kindMAC                 // bytes, 6
	kindText                // UTF-8
	kindBytes               // any bytes
	kindNumbers             // numbers of 32 bits, several
	kindElement             // messages, several
)

// kinds are those of the fields, by number. Room for a power of two spares the hot
// loop a bounds check.
var kinds = func() (all [1 << 7]kind) {
	for i := range Descriptors.Len() {
		d := Descriptors.Get(i)
		all[d.Number()] = kindOf(d)
	}
	return all
}()

func kindOf(d protoreflect.FieldDescriptor) kind {
	switch {
	case d.Kind() == protoreflect.MessageKind:
		return kindElement
	case d.IsList():
		return kindNumbers
	case IsAddress(d):
		return kindAddress
	case IsMAC(d):
		return kindMAC
	case IsTime(d):
		return kindFixed
	case d.Kind() == protoreflect.StringKind:
		return kindText
	case d.Kind() == protoreflect.BytesKind:
		return kindBytes
	case d.Kind() == protoreflect.Uint64Kind:
		return kindNumber
	default: // uint32 and enumerations
		return kindNumber4
	}
}

// IsTime reports whether a field is a time in nanoseconds.
func IsTime(d protoreflect.FieldDescriptor) bool { return d.Kind() == protoreflect.Fixed64Kind }

// IsMAC reports whether a field is a MAC address.
func IsMAC(d protoreflect.FieldDescriptor) bool { return strings.HasSuffix(string(d.Name()), "_mac") }

// IsAddress reports whether a field is an IP address.
func IsAddress(d protoreflect.FieldDescriptor) bool {
	return d.Kind() == protoreflect.BytesKind &&
		(strings.HasSuffix(string(d.Name()), "_address") || strings.HasSuffix(string(d.Name()), "next_hop"))
}

// NameOf returns the name of a field in JSON and CSV. Times lose the suffix Ns,
// since they are no numbers there.
func NameOf(d protoreflect.FieldDescriptor) string {
	if IsTime(d) {
		return strings.TrimSuffix(d.JSONName(), "Ns")
	}
	return d.JSONName()
}
