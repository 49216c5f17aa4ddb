package tail

import (
	"net/netip"
	"strconv"
	"time"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// field is a field of the JSON and CSV formats.
type field struct {
	// name is that of the record's field in proto3 JSON. Times lose the suffix
	// Ns, since they are no numbers here.
	name string
	// append appends the value as text, nothing when the record has none. It
	// contains no character that JSON or CSV would have to escape.
	append func(b []byte, f *flow) []byte
	// quoted tells that the value is a string in JSON, not a number.
	quoted bool
}

// fields are all fields of a record, and durationSeconds, protocolName,
// tcpFlagLetters and bitsPerSecond, which follow from them.
var fields = []field{
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

// timeField is a time as RFC 3339 has it, in UTC with nanoseconds. Zero is no
// time.
func timeField(name string, nanoseconds func(*flowv1.FlowRecord) uint64) field {
	return field{name: name, quoted: true, append: func(b []byte, f *flow) []byte {
		if ns := nanoseconds(&f.record); ns != 0 {
			b = unixTime(ns).AppendFormat(b, time.RFC3339Nano)
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
// have is null.
func appendJSON(b []byte, f *flow) []byte {
	separator := byte('{')
	for _, field := range fields {
		b = append(b, separator, '"')
		separator = ','
		b = append(b, field.name...)
		b = append(b, '"', ':')
		b = appendJSONValue(b, field, f)
	}
	return append(b, '}', '\n')
}

func appendJSONValue(b []byte, field field, f *flow) []byte {
	begin := len(b)
	if field.quoted {
		b = append(b, '"')
	}
	valueBegin := len(b)
	b = field.append(b, f)
	switch {
	case len(b) == valueBegin:
		return append(b[:begin], "null"...)
	case field.quoted:
		return append(b, '"')
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
		b = field.append(b, f)
	}
	return append(b, '\n')
}
