package batch

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// A flow record in JSON: an object with every field of flow.v1.FlowRecord, by the
// names that proto3's JSON has for them. Addresses are text, and times RFC 3339
// with nanoseconds, so that their names lose the suffix Ns; what the record does
// not have is null. All numbers are numbers, those of 64 bits too, which readers
// by proto3's rules take as well. The order is that of the encoded message.

// The longest texts of values, those that are strings with their quotes.
const (
	maxJSONFormat  = len(`"EXPORT_FORMAT_UNSPECIFIED"`)
	maxJSONAddress = maxKeySize + 2
	maxJSONTime    = len(`"2026-01-01T00:00:00.000000000Z"`)
	maxDigits8     = 3
	maxDigits16    = 5
	maxDigits32    = 10
	maxDigits64    = 20
)

// Bounds of a message in JSON: its names and, in their order, its values.
const (
	maxJSONConstantsSize = len(`{"format":,"exporterAddress":,"exporterPort":,"engineType":,"engineId":,"samplingMode":,"samplingInterval":`+
		`,"agentAddress":,"observationDomainId":,"receiveTime":,"exportTime":,"systemUptimeMs":,"flowSequence":,"recordCount":,"headerCount":`) +
		maxJSONFormat + 2*maxJSONAddress + maxDigits16 + 3*maxDigits8 + maxDigits16 + 2*maxJSONTime + 5*maxDigits32
	maxJSONFieldsSize = len(`,"recordIndex":,"anomalies":,"firstUptimeMs":,"startTime":,"lastUptimeMs":,"endTime":,"packets":,"octets":`+
		`,"tcpFlags":,"protocol":,"tos":,"sourcePort":,"destinationPort":,"sourceAs":,"sourcePrefixLength":,"sourceAddress":`+
		`,"inputInterface":,"outputInterface":,"nextHop":,"destinationAddress":,"destinationPrefixLength":,"destinationAs":}`) +
		3*maxDigits32 + maxJSONTime + maxDigits32 + maxJSONTime + 2*maxDigits64 + 2*maxDigits8 + 3*maxDigits16 + maxDigits32 + maxDigits8 +
		maxJSONAddress + 2*maxDigits32 + 2*maxJSONAddress + maxDigits8 + maxDigits32
	maxJSONSize       = maxJSONConstantsSize + maxJSONFieldsSize
	maxJSONAnnotation = len(`,"samplingOverride":,"exporterName":""`) + maxDigits32 + 2*decoder.MaxExporterName
)

// appendJSONConstants begins the object with the fields that are equal on all
// records of p, as appendConstants does.
func appendJSONConstants(b []byte, from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket) []byte {
	b = append(b, `{"format":`...)
	b = appendJSONFormat(b, p.Format)
	b = appendJSONAddress(b, `,"exporterAddress":`, from.Addr())
	b = appendJSONNumber(b, `,"exporterPort":`, uint64(from.Port()))
	if p.AgentAddress.IsValid() {
		b = appendJSONAddress(b, `,"agentAddress":`, p.AgentAddress)
	}
	if p.ObservationDomain != 0 {
		b = appendJSONNumber(b, `,"observationDomainId":`, uint64(p.ObservationDomain))
	}
	b = appendJSONNumber(b, `,"engineType":`, uint64(p.EngineType))
	b = appendJSONNumber(b, `,"engineId":`, uint64(p.EngineID))
	b = appendJSONNumber(b, `,"samplingMode":`, uint64(p.SamplingMode))
	if len(p.Extensions) == 0 {
		b = appendJSONNumber(b, `,"samplingInterval":`, uint64(p.SamplingInterval))
	}
	b = appendJSONTime(b, `,"receiveTime":`, received)
	b = appendJSONTime(b, `,"exportTime":`, p.ExportTime())
	b = appendJSONNumber(b, `,"systemUptimeMs":`, uint64(p.SystemUptime))
	b = appendJSONNumber(b, `,"flowSequence":`, uint64(p.FlowSequence))
	b = appendJSONNumber(b, `,"recordCount":`, uint64(len(p.Records)))
	return appendJSONNumber(b, `,"headerCount":`, uint64(p.Count))
}

// appendJSONAnnotation adds what is known of the exporter.
func appendJSONAnnotation(b []byte, a *decoder.Annotation) []byte {
	if a.SamplingOverride != 0 {
		b = appendJSONNumber(b, `,"samplingOverride":`, uint64(a.SamplingOverride))
	}
	name := exporterName(a)
	if name == "" {
		return b
	}
	b = append(b, `,"exporterName":"`...)
	for i := range len(name) { // which has no control characters
		if name[i] == '"' || name[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, name[i])
	}
	return append(b, '"')
}

// appendJSONFields adds the fields of p's record at index to the object, as
// appendFields does.
func appendJSONFields(b []byte, p *decoder.ExportPacket, index int) []byte {
	r := &p.Records[index]
	b = appendJSONNumber(b, `,"recordIndex":`, uint64(p.FirstRecord)+uint64(index))
	b = appendJSONNumber(b, `,"anomalies":`, uint64(p.Anomalies|r.Anomalies))
	b = appendJSONNumber(b, `,"firstUptimeMs":`, uint64(r.FirstUptime))
	b = appendJSONTime(b, `,"startTime":`, r.StartTime)
	b = appendJSONNumber(b, `,"lastUptimeMs":`, uint64(r.LastUptime))
	b = appendJSONTime(b, `,"endTime":`, r.EndTime)
	b = appendJSONNumber(b, `,"packets":`, r.Packets)
	b = appendJSONNumber(b, `,"octets":`, r.Octets)
	b = appendJSONNumber(b, `,"tcpFlags":`, uint64(r.TCPFlags))
	b = appendJSONNumber(b, `,"protocol":`, uint64(r.Protocol))
	b = appendJSONNumber(b, `,"tos":`, uint64(r.TOS))
	b = appendJSONNumber(b, `,"sourcePort":`, uint64(r.SourcePort))
	b = appendJSONNumber(b, `,"destinationPort":`, uint64(r.DestinationPort))
	b = appendJSONNumber(b, `,"sourceAs":`, uint64(r.SourceAS))
	b = appendJSONNumber(b, `,"sourcePrefixLength":`, uint64(r.SourcePrefixLength))
	b = appendJSONAddress(b, `,"sourceAddress":`, r.SourceAddress)
	b = appendJSONNumber(b, `,"inputInterface":`, uint64(r.InputInterface))
	b = appendJSONNumber(b, `,"outputInterface":`, uint64(r.OutputInterface))
	b = appendJSONAddress(b, `,"nextHop":`, r.NextHop)
	b = appendJSONAddress(b, `,"destinationAddress":`, r.DestinationAddress)
	b = appendJSONNumber(b, `,"destinationPrefixLength":`, uint64(r.DestinationPrefixLength))
	return appendJSONNumber(b, `,"destinationAs":`, uint64(r.DestinationAS))
}

func appendJSONNumber(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(append(b, name...), v, 10)
}

// appendJSONFormat appends the name of the enumeration's value or, as proto3 has
// it, the number of one without a name.
func appendJSONFormat(b []byte, f decoder.Format) []byte {
	switch f {
	case decoder.FormatUnspecified:
		return append(b, `"EXPORT_FORMAT_UNSPECIFIED"`...)
	case decoder.FormatNetFlowV5:
		return append(b, `"EXPORT_FORMAT_NETFLOW_V5"`...)
	case decoder.FormatNetFlowV9:
		return append(b, `"EXPORT_FORMAT_NETFLOW_V9"`...)
	case decoder.FormatIPFIX:
		return append(b, `"EXPORT_FORMAT_IPFIX"`...)
	case decoder.FormatSFlowV5:
		return append(b, `"EXPORT_FORMAT_SFLOW_V5"`...)
	default:
		return strconv.AppendUint(b, uint64(f), 10)
	}
}

// appendJSONAddress appends an address without its zone.
func appendJSONAddress(b []byte, name string, a netip.Addr) []byte {
	b = append(b, name...)
	if !a.IsValid() {
		return append(b, "null"...)
	}
	b = append(b, '"')
	return append(a.WithZone("").AppendTo(b), '"')
}

// appendJSONTime appends a time in UTC with all of its nine decimals, so that
// times sort as text. Zero is no time.
func appendJSONTime(b []byte, name string, t decoder.UnixNano) []byte {
	b = append(b, name...)
	if t == 0 {
		return append(b, "null"...)
	}
	const second = decoder.UnixNano(time.Second)
	b = time.Unix(int64(t/second), 0).UTC().AppendFormat(append(b, '"'), time.RFC3339)
	b = append(b[:len(b)-1], ".000000000Z\""...)
	for i, rest := len(b)-3, t%second; rest > 0; i, rest = i-1, rest/10 {
		b[i] += byte(rest % 10)
	}
	return b
}
