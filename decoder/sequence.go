package decoder

import (
	"encoding/binary"
	"net/netip"
)

// SequenceUnit is what an exporter's running count, Header.FlowSequence, counts.
type SequenceUnit uint8

// The units.
const (
	// CountsFlows: flow records.
	CountsFlows SequenceUnit = iota
	// CountsDataRecords: flow records and options records.
	CountsDataRecords
	// CountsPackets: export packets.
	CountsPackets

	// SequenceUnits is how many units there are.
	SequenceUnits
)

// SequenceUnit returns what packets of the format count by its specification.
// Kept reports whether exporters keep to that: where it is false, many count
// something else.
func (f Format) SequenceUnit() (unit SequenceUnit, kept bool) {
	switch f {
	case FormatNetFlowV9:
		return CountsPackets, false
	case FormatIPFIX:
		return CountsDataRecords, false
	case FormatSFlowV5:
		return CountsPackets, true
	default:
		return CountsFlows, true
	}
}

// HasClock reports whether the format's packets tell the exporter's wall clock.
func (f Format) HasClock() bool { return f != FormatSFlowV5 }

// SequenceSteps returns by how much the packet moves a sequence, by unit. Where
// p.SequenceUnknown, the steps in records are the least that is possible.
func (p *ExportPacket) SequenceSteps() [SequenceUnits]uint32 {
	return [SequenceUnits]uint32{
		CountsFlows:       uint32(len(p.Records)),
		CountsDataRecords: p.DataRecords,
		CountsPackets:     1,
	}
}

// StreamID tells apart the sequences that come from one source address and port.
// It is comparable, and the zero value in fields that a format does not have.
type StreamID struct {
	// Agent is Header.AgentAddress, an IPv4 one mapped to IPv6.
	Agent [16]byte
	// Domain is Header.ObservationDomain.
	Domain               uint32
	Format               Format
	EngineType, EngineID uint8
}

// PutStreamID writes to id which sequence the packet's number belongs to.
func (h *Header) PutStreamID(id *StreamID) {
	PutMapped(&id.Agent, h.AgentAddress)
	id.Domain, id.Format = h.ObservationDomain, h.Format
	id.EngineType, id.EngineID = h.EngineType, h.EngineID
}

// PutMapped writes to b what a.As16 returns. An array that is returned is copied from the halves
// that it was written in, which takes a processor several times as long as writing it in place.
func PutMapped(b *[16]byte, a netip.Addr) {
	if !a.Is4() {
		*b = a.As16()
		return
	}
	const mapped = 0xffff << 32 // RFC 4291, section 2.5.5.2
	four := a.As4()
	binary.BigEndian.PutUint64(b[:8], 0)
	binary.BigEndian.PutUint64(b[8:], mapped|uint64(binary.BigEndian.Uint32(four[:])))
}
