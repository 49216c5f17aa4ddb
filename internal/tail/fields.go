package tail

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/names"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// field is a field of the JSON and CSV formats.
type field struct {
	// name is that of the record's field in proto3 JSON. Times lose the suffix
	// Ns, since they are no numbers here.
	name string
	// append appends the value as text, nothing when the record has none.
	append func(b []byte, f *flow.Flow) []byte
	// quoted tells that the value is a string in JSON. Else its text is JSON.
	quoted bool
	// optional tells that JSON has no such member when there is no value.
	optional bool
	// kind says what the value is to programs that want to know; number is the field's in
	// a record, 0 if it has none.
	kind   valueKind
	number flow.Field
}

// valueKind is what a value is.
type valueKind uint8

const (
	text valueKind = iota
	wholeNumber
	decimal
	moment
)

// fields are all fields of a record, and durationSeconds, protocolName,
// tcpFlagLetters and bitsPerSecond, which follow from them: first those that every
// format carries, then the others by number.
var fields = withOthers([]field{
	timeField("startTime", flow.StartTime),
	timeField("endTime", flow.EndTime),
	decimalField("durationSeconds", -1, (*flow.Flow).Duration),
	addressField("exporterAddress", flow.ExporterAddress),
	numberField("exporterPort", flow.ExporterPort),
	numberField("protocol", flow.Protocol),
	textField("protocolName", func(b []byte, f *flow.Flow) []byte {
		return append(b, names.ProtocolName(uint32(f.Number(flow.Protocol)))...)
	}),
	addressField("sourceAddress", flow.SourceAddress),
	numberField("sourcePort", flow.SourcePort),
	addressField("destinationAddress", flow.DestinationAddress),
	numberField("destinationPort", flow.DestinationPort),
	numberField("tcpFlags", flow.TCPFlags),
	textField("tcpFlagLetters", func(b []byte, f *flow.Flow) []byte { return names.AppendTCPFlags(b, uint32(f.Number(flow.TCPFlags))) }),
	numberField("packets", flow.Packets),
	numberField("octets", flow.Octets),
	decimalField("bitsPerSecond", 0, (*flow.Flow).BitRate),
	numberField("inputInterface", flow.InputInterface),
	numberField("outputInterface", flow.OutputInterface),
	addressField("nextHop", flow.NextHop),
	numberField("tos", flow.TOS),
	numberField("sourceAs", flow.SourceAS),
	numberField("destinationAs", flow.DestinationAS),
	numberField("sourcePrefixLength", flow.SourcePrefixLength),
	numberField("destinationPrefixLength", flow.DestinationPrefixLength),
	numberField("samplingMode", flow.SamplingMode),
	numberField("samplingInterval", flow.SamplingInterval),
	timeField("receiveTime", flow.ReceiveTime),
	timeField("exportTime", flow.ExportTime),
	numberField("flowSequence", flow.FlowSequence),
	numberField("recordIndex", flow.RecordIndex),
	numberField("recordCount", flow.RecordCount),
	numberField("headerCount", flow.HeaderCount),
	numberField("engineType", flow.EngineType),
	numberField("engineId", flow.EngineID),
	numberField("systemUptimeMs", flow.SystemUptime),
	numberField("firstUptimeMs", flow.FirstUptime),
	numberField("lastUptimeMs", flow.LastUptime),
	textField("format", func(b []byte, f *flow.Flow) []byte {
		return append(b, flowv1.ExportFormat(f.Number(flow.Format)).String()...)
	}),
	numberField("anomalies", flow.Anomalies),
})

// withOthers returns first and, behind it, the fields of a record that it lacks.
func withOthers(first []field) []field {
	all := slices.Clone(first)
	for i := range flow.Descriptors.Len() {
		d := flow.Descriptors.Get(i)
		if !slices.ContainsFunc(first, func(f field) bool { return f.name == flow.NameOf(d) }) {
			all = append(all, describedField(d))
		}
	}
	return all
}

// textField is a string that is never empty.
func textField(name string, value func([]byte, *flow.Flow) []byte) field {
	return field{name: name, append: value, quoted: true}
}

// numberField is a whole number.
func numberField(name string, n flow.Field) field {
	return field{name: name, kind: wholeNumber, number: n, append: func(b []byte, f *flow.Flow) []byte {
		return strconv.AppendUint(b, f.Number(n), 10)
	}}
}

// decimalField is a number with so many decimals (-1: as many as it has), or
// nothing.
func decimalField(name string, decimals int, value func(*flow.Flow) (float64, bool)) field {
	return field{name: name, kind: decimal, append: func(b []byte, f *flow.Flow) []byte {
		if number, ok := value(f); ok {
			b = strconv.AppendFloat(b, number, 'f', decimals, 64)
		}
		return b
	}}
}

// timeFormat is that of RFC 3339, always with nine decimals as in
// FLOWPUB_KAFKA_VALUE=json, so that times sort as text.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

// timeField is a time in UTC. Zero is no time.
func timeField(name string, n flow.Field) field {
	return field{name: name, kind: moment, number: n, quoted: true, append: func(b []byte, f *flow.Flow) []byte {
		return appendTime(b, f, n)
	}}
}

func appendTime(b []byte, f *flow.Flow, n flow.Field) []byte {
	if ns := f.Number(n); ns != 0 {
		b = flow.Time(ns).AppendFormat(b, timeFormat)
	}
	return b
}

// addressField is an IP address, or nothing.
func addressField(name string, n flow.Field) field {
	return field{name: name, quoted: true, append: func(b []byte, f *flow.Flow) []byte {
		return f.Address(n).AppendTo(b)
	}}
}

// describedField is a field that is nothing when it is not set.
func describedField(d protoreflect.FieldDescriptor) field {
	n := d.Number()
	made := field{name: flow.NameOf(d), quoted: true, optional: true, number: n}
	switch {
	case d.IsList():
		made.quoted = false
		made.append = func(b []byte, f *flow.Flow) []byte { return appendLists(b, d, f) }
	case flow.IsTime(d):
		made.kind = moment
		made.append = func(b []byte, f *flow.Flow) []byte { return appendTime(b, f, n) }
	case flow.IsAddress(d):
		made.append = func(b []byte, f *flow.Flow) []byte { return f.Address(n).AppendTo(b) }
	case flow.IsMAC(d):
		made.append = func(b []byte, f *flow.Flow) []byte { return append(b, net.HardwareAddr(f.Bytes(n)).String()...) }
	case d.Kind() == protoreflect.BytesKind:
		made.append = func(b []byte, f *flow.Flow) []byte { return base64.StdEncoding.AppendEncode(b, f.Bytes(n)) }
	case d.Kind() == protoreflect.StringKind:
		made.append = func(b []byte, f *flow.Flow) []byte { return append(b, f.Bytes(n)...) }
	case d.Kind() == protoreflect.EnumKind:
		made.append = func(b []byte, f *flow.Flow) []byte { return appendEnum(b, d, f.Number(n)) }
	default:
		made.quoted, made.kind = false, wholeNumber
		made.append = func(b []byte, f *flow.Flow) []byte {
			if v := f.Number(n); v != 0 {
				b = strconv.AppendUint(b, v, 10)
			}
			return b
		}
	}
	return made
}

// appendEnum appends the name of a value, or its number if it has none.
func appendEnum(b []byte, d protoreflect.FieldDescriptor, v uint64) []byte {
	if v == 0 {
		return b
	}
	if value := d.Enum().Values().ByNumber(protoreflect.EnumNumber(int32(v))); value != nil {
		return append(b, value.Name()...)
	}
	return strconv.AppendInt(b, int64(int32(v)), 10)
}

// appendLists appends a field with several values as JSON has it, nothing if it has none.
func appendLists(b []byte, d protoreflect.FieldDescriptor, f *flow.Flow) []byte {
	if !f.HasLists() {
		return b
	}
	m, err := f.Message()
	if err != nil || !m.ProtoReflect().Has(d) {
		return b
	}
	list := m.ProtoReflect().Get(d).List()
	separator := byte('[')
	for i := range list.Len() {
		b = append(b, separator)
		separator = ','
		if d.Kind() == protoreflect.MessageKind {
			b = appendElement(b, list.Get(i).Message())
		} else {
			b = strconv.AppendUint(b, list.Get(i).Uint(), 10)
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

// appendJSON appends f as a line with a JSON object. What the record does not
// have is null, or left out.
func appendJSON(b []byte, f *flow.Flow) []byte {
	separator := byte('{')
	for _, field := range fields {
		member := len(b)
		b = append(b, separator, '"')
		b = append(b, field.name...)
		b = append(b, '"', ':')
		value := len(b)
		b = appendJSONValue(b, field, f)
		if field.optional && string(b[value:]) == "null" {
			b = b[:member]
			continue
		}
		separator = ','
	}
	return append(b, '}', '\n')
}

func appendJSONValue(b []byte, field field, f *flow.Flow) []byte {
	begin := len(b)
	b = field.append(b, f)
	switch {
	case len(b) == begin:
		return append(b, "null"...)
	case field.quoted:
		return appendQuoted(b[:begin], string(b[begin:]))
	default:
		return b
	}
}

// appendQuoted appends text as a string of JSON.
func appendQuoted(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // which text cannot cause
		return append(b, "null"...)
	}
	return append(b, quoted...)
}

// csvHeader is the line with the fields' names.
func csvHeader() string {
	var b []byte
	for i, field := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, field.name...)
	}
	return string(append(b, '\n'))
}

// appendCSV appends f as a line of comma-separated values. What the record does
// not have is empty.
func appendCSV(b []byte, f *flow.Flow) []byte {
	for i, field := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		begin := len(b)
		b = field.append(b, f)
		if value := string(b[begin:]); strings.ContainsAny(value, ",\"\r\n") || strings.HasPrefix(value, " ") {
			b = append(b[:begin], '"')
			b = append(append(b, strings.ReplaceAll(value, `"`, `""`)...), '"')
		}
	}
	return append(b, '\n')
}
