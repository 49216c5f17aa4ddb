package decoder

import (
	"fmt"
	"net/netip"
	"strings"
)

// Format says which export protocol a packet was in. The values are those of
// the ExportFormat enumeration in proto/flow/v1.
type Format uint8

// The export formats.
const (
	FormatUnspecified Format = 0
	FormatNetFlowV5   Format = 5
	FormatNetFlowV9   Format = 9
	FormatIPFIX       Format = 10
	FormatSFlowV5     Format = 105
)

// Formats returns all formats.
func Formats() []Format {
	return []Format{FormatNetFlowV5, FormatNetFlowV9, FormatIPFIX, FormatSFlowV5}
}

// String returns the format's name, as in the labels of metrics and the configuration.
func (f Format) String() string {
	switch f {
	case FormatNetFlowV5:
		return "netflow_v5"
	case FormatNetFlowV9:
		return "netflow_v9"
	case FormatIPFIX:
		return "ipfix"
	case FormatSFlowV5:
		return "sflow"
	default:
		return "unspecified"
	}
}

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	all := Formats()
	names := make([]string, len(all))
	for i, f := range all {
		if names[i] = f.String(); names[i] == name {
			return f, nil
		}
	}
	last := len(names) - 1
	return FormatUnspecified, fmt.Errorf("%q is no format: write %s or %s", name, strings.Join(names[:last], ", "), names[last])
}

// HasTemplates reports whether packets of the format are decoded by templates.
func (f Format) HasTemplates() bool { return f == FormatNetFlowV9 || f == FormatIPFIX }

// ExportPacket is a decoded export packet, in whatever format it came: its
// header and the flow records that were really in it.
//
// The zero value is an empty packet, ready for use. A packet kept by one
// goroutine and decoded into again and again stops allocating once its slices
// have grown to the largest packet seen. It never refers to the datagram's
// bytes.
type ExportPacket struct {
	Header
	// FirstRecord is the place of Records[0] in its packet: 0 unless the records
	// are those of a part of it that was decoded later than the rest, and then
	// above all places that the rest has.
	FirstRecord uint32
	// Records are the flow records decoded. Their capacity is reused.
	Records []Record
	// Extensions are what the records carry beside: Extensions[i] belongs to
	// Records[i]. Empty for formats that have none, such as NetFlow v5.
	Extensions []Extension
	// Numbers, Octets and Elements hold the lists and the bytes that Extensions
	// refer to. Their capacity is reused.
	Numbers  []uint32
	Octets   []byte
	Elements []Element
	// Annotation is what whoever runs flowpub knows of the exporter. Nil, as decoders
	// leave it: nothing. It is shared by packets and never changed.
	Annotation *Annotation
}

// MaxExporterName bounds Annotation.Name in bytes.
const MaxExporterName = 63

// Annotation is what an exporter does not say of itself.
type Annotation struct {
	// Name is the exporter's: at most MaxExporterName bytes of UTF-8 without
	// control characters. Empty: none.
	Name string
	// SamplingOverride is N if the exporter counts one packet in N. Counters are not
	// scaled by it. Zero: nothing is known.
	SamplingOverride uint32
}

// Reset empties the packet and keeps its capacity.
func (p *ExportPacket) Reset() {
	p.Header, p.FirstRecord, p.Annotation = Header{}, 0, nil
	p.Records, p.Extensions = p.Records[:0], p.Extensions[:0]
	p.Numbers, p.Octets, p.Elements = p.Numbers[:0], p.Octets[:0], p.Elements[:0]
}

// AllAnomalies returns the packet's oddities together with those of all its
// records.
func (p *ExportPacket) AllAnomalies() Anomalies {
	all := p.Anomalies
	for i := range p.Records {
		all |= p.Records[i].Anomalies
	}
	return all
}

// Header holds what an export packet says once for all its records.
type Header struct {
	// Format is the protocol the packet was in.
	Format Format
	// Count is the number of records the header announces, as exported; zero
	// where the format does not say. The number really present is len(Records).
	Count uint32
	// DataRecords is the number of data records in the packet that were decoded
	// or skipped whole: flow records, and options records where the format has
	// them.
	DataRecords uint32
	// ObservationDomain is what NetFlow v9 calls the source ID, IPFIX the
	// observation domain and sFlow the sub-agent. Zero in NetFlow v5, which has
	// EngineType and EngineID.
	ObservationDomain uint32
	// AgentAddress is the address by which the exporter names itself. Invalid
	// where the format does not say; only sFlow does.
	AgentAddress netip.Addr
	// HasUptime reports whether SystemUptime was exported.
	HasUptime bool
	// SequenceUnknown reports whether part of the packet could not be decoded,
	// so that the next packet's FlowSequence cannot be predicted.
	SequenceUnknown bool
	// SystemUptime is the exporter's uptime clock when it sent the packet.
	SystemUptime Uptime
	// ExportSeconds is the exporter's wall clock when it sent the packet, in
	// whole seconds since 1970-01-01 UTC.
	ExportSeconds uint32
	// ExportNanoseconds is the residual of ExportSeconds, as exported. Some
	// exporters put 1e9 or more here; ExportTime carries it into the seconds.
	ExportNanoseconds uint32
	// FlowSequence is the exporter's running count before this packet, modulo
	// 2^32, as exported. By the specifications NetFlow v5 counts flow records,
	// NetFlow v9 packets, IPFIX data records, sFlow datagrams.
	FlowSequence uint32
	// EngineType and EngineID name the flow switching engine of the exporter.
	EngineType, EngineID uint8
	// SamplingMode is the top two bits of NetFlow v5's sampling field, as
	// exported.
	SamplingMode uint8
	// SamplingInterval is its low 14 bits, N: one packet in N is counted.
	// Zero or one does not prove that the exporter does not sample, and mode 0
	// with an interval above one occurs in the field.
	SamplingInterval uint16
	// Anomalies are the packet's oddities, equal for all its records.
	Anomalies Anomalies
}

// Record is one flow record: what all formats carry. It stays small; what only
// some carry goes into [Extension].
type Record struct {
	// SourceAddress, DestinationAddress and NextHop are the flow's addresses
	// and that of the next router; NextHop is 0.0.0.0 when not known.
	SourceAddress, DestinationAddress, NextHop netip.Addr
	// Packets and Octets are the flow's layer 3 counters, as exported, never
	// scaled by the sampling interval.
	Packets, Octets uint64
	// StartTime and EndTime are when the flow's first and last packet were
	// switched, by the exporter's clock. Zero: at or before 1970-01-01, see
	// AnomalyStartUnset and AnomalyEndUnset; or the format has no times.
	StartTime, EndTime UnixNano
	// FirstUptime and LastUptime are the same two moments on the exporter's
	// uptime clock, as exported.
	FirstUptime, LastUptime Uptime
	// InputInterface and OutputInterface are SNMP ifIndex values.
	InputInterface, OutputInterface uint32
	// SourceAS and DestinationAS are autonomous system numbers, origin or peer
	// as the exporter is configured.
	SourceAS, DestinationAS uint32
	// Anomalies are the record's own oddities; the packet's are in Header.
	Anomalies Anomalies
	// SourcePort and DestinationPort are the transport ports. For ICMP,
	// exporters put type*256+code in DestinationPort, or split them.
	SourcePort, DestinationPort uint16
	// TCPFlags is the OR of the TCP flags of all the flow's packets. Formats of
	// 16 bits have those of the data offset's byte above bit 7.
	TCPFlags uint16
	// Protocol is the IANA protocol number.
	Protocol uint8
	// TOS is the IP type of service byte.
	TOS uint8
	// SourcePrefixLength and DestinationPrefixLength are the lengths, in bits,
	// of the routes that matched. Zero: the default route, or not known.
	SourcePrefixLength, DestinationPrefixLength uint8
}
