package batch

import (
	"encoding/binary"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// Field numbers of flow.v1.FlowRecord. Numbers up to 15 take one byte on the
// wire, the others two.
const (
	fieldSourceAddress           = 1
	fieldDestinationAddress      = 2
	fieldSourcePort              = 3
	fieldDestinationPort         = 4
	fieldProtocol                = 5
	fieldPackets                 = 6
	fieldOctets                  = 7
	fieldStartTime               = 8
	fieldEndTime                 = 9
	fieldInputInterface          = 10
	fieldOutputInterface         = 11
	fieldTCPFlags                = 12
	fieldTOS                     = 13
	fieldNextHop                 = 14
	fieldRecordIndex             = 15
	fieldExporterAddress         = 16
	fieldReceiveTime             = 17
	fieldExportTime              = 18
	fieldFlowSequence            = 19
	fieldRecordCount             = 20
	fieldEngineType              = 21
	fieldEngineID                = 22
	fieldSamplingMode            = 23
	fieldSamplingInterval        = 24
	fieldSystemUptime            = 25
	fieldFormat                  = 26
	fieldExporterPort            = 27
	fieldFirstUptime             = 28
	fieldLastUptime              = 29
	fieldAnomalies               = 30
	fieldSourceAS                = 31
	fieldDestinationAS           = 32
	fieldSourcePrefixLength      = 33
	fieldDestinationPrefixLength = 34
	fieldHeaderCount             = 35
	fieldObservationDomain       = 36
	fieldAgentAddress            = 92
	fieldSamplingOverride        = 97
	fieldExporterName            = 98
)

// Wire types of the Protocol Buffers encoding.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

// appendConstants appends the fields that are equal on all records of p. They
// stand first and together, so that a codec sees the run repeat.
func appendConstants(b []byte, from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket) []byte {
	b = appendUint(b, fieldFormat, uint64(p.Format))
	b = appendAddress(b, fieldExporterAddress, from.Addr())
	b = appendUint(b, fieldExporterPort, uint64(from.Port()))
	b = appendAddress(b, fieldAgentAddress, p.AgentAddress)
	b = appendUint(b, fieldObservationDomain, uint64(p.ObservationDomain))
	b = appendUint(b, fieldEngineType, uint64(p.EngineType))
	b = appendUint(b, fieldEngineID, uint64(p.EngineID))
	b = appendUint(b, fieldSamplingMode, uint64(p.SamplingMode))
	if len(p.Extensions) == 0 {
		b = appendUint(b, fieldSamplingInterval, uint64(p.SamplingInterval))
	}
	b = appendFixed64(b, fieldReceiveTime, uint64(received))
	b = appendFixed64(b, fieldExportTime, uint64(p.ExportTime()))
	b = appendUint(b, fieldSystemUptime, uint64(p.SystemUptime))
	b = appendUint(b, fieldFlowSequence, uint64(p.FlowSequence))
	b = appendUint(b, fieldRecordCount, uint64(len(p.Records)))
	return appendUint(b, fieldHeaderCount, uint64(p.Count))
}

// appendAnnotation appends what is known of the exporter, behind the constants, of
// which it is a part.
func appendAnnotation(b []byte, a *decoder.Annotation) []byte {
	b = appendUint(b, fieldSamplingOverride, uint64(a.SamplingOverride))
	return appendBytes(b, fieldExporterName, []byte(exporterName(a)))
}

// exporterName is as much of the name as is published.
func exporterName(a *decoder.Annotation) string {
	return a.Name[:min(len(a.Name), decoder.MaxExporterName)]
}

// appendFields appends the fields of p's record at index that differ from
// record to record, whatever they hold. putFields does the same for what is
// common; the order of the fields is that of both.
func appendFields(b []byte, p *decoder.ExportPacket, index int) []byte {
	r := &p.Records[index]
	b = appendUint(b, fieldRecordIndex, uint64(p.FirstRecord)+uint64(index))
	b = appendUint(b, fieldAnomalies, uint64(p.Anomalies|r.Anomalies))
	b = appendUint(b, fieldFirstUptime, uint64(r.FirstUptime))
	b = appendFixed64(b, fieldStartTime, uint64(r.StartTime))
	b = appendUint(b, fieldLastUptime, uint64(r.LastUptime))
	b = appendFixed64(b, fieldEndTime, uint64(r.EndTime))
	b = appendUint(b, fieldPackets, r.Packets)
	b = appendUint(b, fieldOctets, r.Octets)
	b = appendUint(b, fieldTCPFlags, uint64(r.TCPFlags))
	b = appendUint(b, fieldProtocol, uint64(r.Protocol))
	b = appendUint(b, fieldTOS, uint64(r.TOS))
	b = appendUint(b, fieldSourcePort, uint64(r.SourcePort))
	b = appendUint(b, fieldDestinationPort, uint64(r.DestinationPort))
	b = appendUint(b, fieldSourceAS, uint64(r.SourceAS))
	b = appendUint(b, fieldSourcePrefixLength, uint64(r.SourcePrefixLength))
	b = appendAddress(b, fieldSourceAddress, r.SourceAddress)
	b = appendUint(b, fieldInputInterface, uint64(r.InputInterface))
	b = appendUint(b, fieldOutputInterface, uint64(r.OutputInterface))
	b = appendAddress(b, fieldNextHop, r.NextHop)
	b = appendAddress(b, fieldDestinationAddress, r.DestinationAddress)
	b = appendUint(b, fieldDestinationPrefixLength, uint64(r.DestinationPrefixLength))
	return appendUint(b, fieldDestinationAS, uint64(r.DestinationAS))
}

// appendUint appends a varint field; zero is left out, as proto3 does.
func appendUint(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(field)<<3|wireVarint)
	return binary.AppendUvarint(b, v)
}

// appendFixed64 appends a fixed64 field; zero is left out.
func appendFixed64(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = binary.AppendUvarint(b, uint64(field)<<3|wireFixed64)
	return binary.LittleEndian.AppendUint64(b, v)
}

// appendAddress appends an address of 4 or 16 bytes; one that is not valid is
// left out.
func appendAddress(b []byte, field int, a netip.Addr) []byte {
	switch {
	case a.Is4():
		four := a.As4()
		b = append(binary.AppendUvarint(b, uint64(field)<<3|wireBytes), 4)
		return append(b, four[:]...)
	case a.IsValid():
		sixteen := a.As16()
		b = append(binary.AppendUvarint(b, uint64(field)<<3|wireBytes), 16)
		return append(b, sixteen[:]...)
	default:
		return b
	}
}
