package tail

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// field is a field of the JSON and CSV formats.
type field struct {
	// name is that of the record's field in proto3 JSON. Times lose the suffix
	// Ns, since they are no numbers here.
	name string
	// append appends the value as text, nothing when the record has none.
	append func(b []byte, f *flow) []byte
	// quoted tells that the value is a string in JSON. Else its text is JSON.
	quoted bool
	// optional tells that JSON has no such member when there is no value.
	optional bool
}

// fields are all fields of a record, and durationSeconds, protocolName,
// tcpFlagLetters and bitsPerSecond, which follow from them: first those that every
// format carries, then the others by number.
var fields = withOthers([]field{
	timeField("startTime", (*flowv1.FlowRecord).GetStartTimeNs),
	timeField("endTime", (*flowv1.FlowRecord).GetEndTimeNs),
	decimalField("durationSeconds", -1, (*flow).duration),
	addressField("exporterAddress", func(f *flow) netip.Addr { return f.exporter }),
	numberField("exporterPort", (*flowv1.FlowRecord).GetExporterPort),
	numberField("protocol", (*flowv1.FlowRecord).GetProtocol),
	textField("protocolName", func(b []byte, f *flow) []byte { return append(b, protocolName(f.record.GetProtocol())...) }),
	addressField("sourceAddress", func(f *flow) netip.Addr { return f.source }),
	numberField("sourcePort", (*flowv1.FlowRecord).GetSourcePort),
	addressField("destinationAddress", func(f *flow) netip.Addr { return f.destination }),
	numberField("destinationPort", (*flowv1.FlowRecord).GetDestinationPort),
	numberField("tcpFlags", (*flowv1.FlowRecord).GetTcpFlags),
	textField("tcpFlagLetters", func(b []byte, f *flow) []byte { return appendTCPFlags(b, f.record.GetTcpFlags()) }),
	numberField("packets", (*flowv1.FlowRecord).GetPackets),
	numberField("octets", (*flowv1.FlowRecord).GetOctets),
	decimalField("bitsPerSecond", 0, (*flow).bitRate),
	numberField("inputInterface", (*flowv1.FlowRecord).GetInputInterface),
	numberField("outputInterface", (*flowv1.FlowRecord).GetOutputInterface),
	addressField("nextHop", func(f *flow) netip.Addr { return f.nextHop }),
	numberField("tos", (*flowv1.FlowRecord).GetTos),
	numberField("sourceAs", (*flowv1.FlowRecord).GetSourceAs),
	numberField("destinationAs", (*flowv1.FlowRecord).GetDestinationAs),
	numberField("sourcePrefixLength", (*flowv1.FlowRecord).GetSourcePrefixLength),
	numberField("destinationPrefixLength", (*flowv1.FlowRecord).GetDestinationPrefixLength),
	numberField("samplingMode", (*flowv1.FlowRecord).GetSamplingMode),
	numberField("samplingInterval", (*flowv1.FlowRecord).GetSamplingInterval),
	timeField("receiveTime", (*flowv1.FlowRecord).GetReceiveTimeNs),
	timeField("exportTime", (*flowv1.FlowRecord).GetExportTimeNs),
	numberField("flowSequence", (*flowv1.FlowRecord).GetFlowSequence),
	numberField("recordIndex", (*flowv1.FlowRecord).GetRecordIndex),
	numberField("recordCount", (*flowv1.FlowRecord).GetRecordCount),
	numberField("headerCount", (*flowv1.FlowRecord).GetHeaderCount),
	numberField("engineType", (*flowv1.FlowRecord).GetEngineType),
	numberField("engineId", (*flowv1.FlowRecord).GetEngineId),
	numberField("systemUptimeMs", (*flowv1.FlowRecord).GetSystemUptimeMs),
	numberField("firstUptimeMs", (*flowv1.FlowRecord).GetFirstUptimeMs),
	numberField("lastUptimeMs", (*flowv1.FlowRecord).GetLastUptimeMs),
	textField("format", func(b []byte, f *flow) []byte { return append(b, f.record.GetFormat().String()...) }),
	numberField("anomalies", (*flowv1.FlowRecord).GetAnomalies),
})

// withOthers returns first and, behind it, the fields of a record that it lacks.
func withOthers(first []field) []field {
	all := slices.Clone(first)
	for i := range described.Len() {
		d := described.Get(i)
		if !slices.ContainsFunc(first, func(f field) bool { return f.name == nameOf(d) }) {
			all = append(all, describedField(d))
		}
	}
	return all
}

// textField is a string that is never empty.
func textField(name string, value func([]byte, *flow) []byte) field {
	return field{name: name, append: value, quoted: true}
}

// numberField is a whole number.
func numberField[N uint32 | uint64](name string, value func(*flowv1.FlowRecord) N) field {
	return field{name: name, append: func(b []byte, f *flow) []byte {
		return strconv.AppendUint(b, uint64(value(&f.record)), 10)
	}}
}

// decimalField is a number with so many decimals (-1: as many as it has), or
// nothing.
func decimalField(name string, decimals int, value func(*flow) (float64, bool)) field {
	return field{name: name, append: func(b []byte, f *flow) []byte {
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
func timeField(name string, nanoseconds func(*flowv1.FlowRecord) uint64) field {
	return field{name: name, quoted: true, append: func(b []byte, f *flow) []byte {
		if ns := nanoseconds(&f.record); ns != 0 {
			b = unixTime(ns).AppendFormat(b, timeFormat)
		}
		return b
	}}
}

// addressField is an IP address, or nothing.
func addressField(name string, address func(*flow) netip.Addr) field {
	return field{name: name, quoted: true, append: func(b []byte, f *flow) []byte {
		return address(f).AppendTo(b)
	}}
}

// appendJSON appends f as a line with a JSON object. What the record does not
// have is null, or left out.
func appendJSON(b []byte, f *flow) []byte {
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

func appendJSONValue(b []byte, field field, f *flow) []byte {
	begin := len(b)
	b = field.append(b, f)
	switch {
	case len(b) == begin:
		return append(b, "null"...)
	case field.quoted:
		text, err := json.Marshal(string(b[begin:]))
		if err != nil {
			return append(b[:begin], "null"...)
		}
		return append(b[:begin], text...)
	default:
		return b
	}
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
func appendCSV(b []byte, f *flow) []byte {
	for i, field := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		begin := len(b)
		b = field.append(b, f)
		if text := string(b[begin:]); strings.ContainsAny(text, ",\"\r\n") || strings.HasPrefix(text, " ") {
			b = append(b[:begin], '"')
			b = append(append(b, strings.ReplaceAll(text, `"`, `""`)...), '"')
		}
	}
	return append(b, '\n')
}
