package tail

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// jsonRecord is a flow record in JSON, as FLOWPUB_KAFKA_VALUE=json has it. What is
// null stays as it is without.
type jsonRecord struct {
	Format                  jsonFormat `json:"format"`
	ExporterAddress         netip.Addr `json:"exporterAddress"`
	ExporterPort            uint32     `json:"exporterPort"`
	EngineType              uint32     `json:"engineType"`
	EngineID                uint32     `json:"engineId"`
	SamplingMode            uint32     `json:"samplingMode"`
	SamplingInterval        uint32     `json:"samplingInterval"`
	ReceiveTime             jsonTime   `json:"receiveTime"`
	ExportTime              jsonTime   `json:"exportTime"`
	SystemUptimeMs          uint32     `json:"systemUptimeMs"`
	FlowSequence            uint32     `json:"flowSequence"`
	RecordCount             uint32     `json:"recordCount"`
	HeaderCount             uint32     `json:"headerCount"`
	RecordIndex             uint32     `json:"recordIndex"`
	Anomalies               uint32     `json:"anomalies"`
	FirstUptimeMs           uint32     `json:"firstUptimeMs"`
	StartTime               jsonTime   `json:"startTime"`
	LastUptimeMs            uint32     `json:"lastUptimeMs"`
	EndTime                 jsonTime   `json:"endTime"`
	Packets                 uint64     `json:"packets"`
	Octets                  uint64     `json:"octets"`
	TCPFlags                uint32     `json:"tcpFlags"`
	Protocol                uint32     `json:"protocol"`
	TOS                     uint32     `json:"tos"`
	SourcePort              uint32     `json:"sourcePort"`
	DestinationPort         uint32     `json:"destinationPort"`
	SourceAS                uint32     `json:"sourceAs"`
	SourcePrefixLength      uint32     `json:"sourcePrefixLength"`
	SourceAddress           netip.Addr `json:"sourceAddress"`
	InputInterface          uint32     `json:"inputInterface"`
	OutputInterface         uint32     `json:"outputInterface"`
	NextHop                 netip.Addr `json:"nextHop"`
	DestinationAddress      netip.Addr `json:"destinationAddress"`
	DestinationPrefixLength uint32     `json:"destinationPrefixLength"`
	DestinationAS           uint32     `json:"destinationAs"`
}

// unmarshalJSON replaces m with the flow record in text.
func unmarshalJSON(text []byte, m *flowv1.FlowRecord) error {
	var r jsonRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	m.Reset()
	m.Format = flowv1.ExportFormat(r.Format)
	m.ExporterAddress = r.ExporterAddress.AsSlice()
	m.ExporterPort = r.ExporterPort
	m.EngineType = r.EngineType
	m.EngineId = r.EngineID
	m.SamplingMode = r.SamplingMode
	m.SamplingInterval = r.SamplingInterval
	m.ReceiveTimeNs = uint64(r.ReceiveTime)
	m.ExportTimeNs = uint64(r.ExportTime)
	m.SystemUptimeMs = r.SystemUptimeMs
	m.FlowSequence = r.FlowSequence
	m.RecordCount = r.RecordCount
	m.HeaderCount = r.HeaderCount
	m.RecordIndex = r.RecordIndex
	m.Anomalies = r.Anomalies
	m.FirstUptimeMs = r.FirstUptimeMs
	m.StartTimeNs = uint64(r.StartTime)
	m.LastUptimeMs = r.LastUptimeMs
	m.EndTimeNs = uint64(r.EndTime)
	m.Packets = r.Packets
	m.Octets = r.Octets
	m.TcpFlags = r.TCPFlags
	m.Protocol = r.Protocol
	m.Tos = r.TOS
	m.SourcePort = r.SourcePort
	m.DestinationPort = r.DestinationPort
	m.SourceAs = r.SourceAS
	m.SourcePrefixLength = r.SourcePrefixLength
	m.SourceAddress = r.SourceAddress.AsSlice()
	m.InputInterface = r.InputInterface
	m.OutputInterface = r.OutputInterface
	m.NextHop = r.NextHop.AsSlice()
	m.DestinationAddress = r.DestinationAddress.AsSlice()
	m.DestinationPrefixLength = r.DestinationPrefixLength
	m.DestinationAs = r.DestinationAS
	return nil
}

// jsonTime is Unix time in nanoseconds, written as RFC 3339 has it.
type jsonTime uint64

// UnmarshalText reads a time.
func (t *jsonTime) UnmarshalText(text []byte) error {
	when, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return err
	}
	*t = jsonTime(uint64(when.Unix())*uint64(time.Second) + uint64(when.Nanosecond()))
	return nil
}

// jsonFormat is an export format, written as its name or, when it has none, as its
// number.
type jsonFormat int32

// UnmarshalJSON reads a format.
func (f *jsonFormat) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) != nil {
		return json.Unmarshal(text, (*int32)(f))
	}
	number, known := flowv1.ExportFormat_value[name]
	if !known {
		return fmt.Errorf("format %q is not known", name)
	}
	*f = jsonFormat(number)
	return nil
}
