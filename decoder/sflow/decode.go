package sflow

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// Samples tells what became of a datagram's samples: as many as were there whole,
// and those that were not, as far as their heads could be read.
type Samples struct {
	// Flows are the flow samples decoded, Discarded the packets whose loss the
	// agent tells: together the packet's records.
	Flows, Discarded uint32
	// Counters are the samples of interface counters and the like, which hold no
	// flows. Unknown are those of formats that this package does not know. Both
	// were skipped.
	Counters, Unknown uint32
	// Dropped are flow samples, and discarded packets, that were not decoded.
	Dropped [NumDropReasons]uint32
	// Sources are the data sources' states, one for each of the packet's records, at
	// its index. The capacity is reused.
	Sources []Source
}

// Source is what a flow sample tells about how its data source samples.
type Source struct {
	// Type is 0 for an interface, 1 a VLAN, 2 an entity of the agent; Index is its
	// number.
	Type, Index uint32
	// Discarded: the agent reported the packet as discarded. Those have numbers and drops
	// of their own.
	Discarded bool
	// Sequence numbers the data source's samples.
	Sequence uint32
	// Drops is the agent's running count of samples that it took and could not send.
	Drops uint32
}

// DropReason says why a flow sample was not decoded.
type DropReason uint8

// The reasons.
const (
	// DropMalformed: its length, or that of a record in it, is impossible.
	DropMalformed DropReason = iota
	// DropLimit: its datagram has more than MaxRecords.
	DropLimit

	NumDropReasons
)

// String returns the reason's name, which metrics use.
func (d DropReason) String() string {
	return [NumDropReasons]string{"malformed", "limit"}[d]
}

// readable is the number of samples in which nothing was wrong.
func (s *Samples) readable() uint32 { return s.Flows + s.Discarded + s.Counters + s.Unknown }

// reset empties s and keeps its capacity.
func (s *Samples) reset() { *s = Samples{Sources: s.Sources[:0]} }

// Decode replaces *p with the flow samples in b, a UDP payload of any length, and *s
// with what became of its samples.
//
// It copies what it keeps of b, and reuses what p and s hold, so that a pair kept by
// one goroutine stops allocating. A sample whose parts do not fit is left out, and
// those behind it are decoded; a sample that does not fit into b is the last.
// p.Anomalies and each record's say what was odd. A datagram without flow samples is a
// success if any other sample could be read.
//
// Records have no times: sFlow has none. The agent's uptime is in the header.
//
// On error *p and *s are empty; the error is decoder.ErrShort, decoder.ErrVersion or
// decoder.ErrNoRecords. The version is judged first; an agent's address of a type that
// version 5 does not have is of another version.
func Decode(b []byte, p *decoder.ExportPacket, s *Samples) error {
	p.Reset()
	s.reset()
	b, err := readHeader(b, &p.Header)
	if err == nil {
		readSamples(b, p, s)
		if s.readable() == 0 {
			err = decoder.ErrNoRecords
		}
	}
	if err != nil {
		p.Reset()
		s.reset()
		return err
	}
	p.DataRecords = uint32(len(p.Records))
	return nil
}

// readHeader reads the datagram's header and returns what follows.
func readHeader(b []byte, h *decoder.Header) ([]byte, error) {
	if len(b) >= 4 && binary.BigEndian.Uint32(b) != version5 {
		return nil, decoder.ErrVersion
	}
	if len(b) < minHeaderLen {
		return nil, decoder.ErrShort
	}
	if binary.BigEndian.Uint32(b[4:]) > addressIPv6 {
		return nil, decoder.ErrVersion
	}
	agent, b, ok := takeAddress(b[4:])
	if !ok || len(b) < 16 {
		return nil, decoder.ErrShort
	}
	*h = decoder.Header{
		Format:            decoder.FormatSFlowV5,
		AgentAddress:      agent,
		ObservationDomain: binary.BigEndian.Uint32(b),
		FlowSequence:      binary.BigEndian.Uint32(b[4:]),
		HasUptime:         true,
		SystemUptime:      decoder.Uptime(binary.BigEndian.Uint32(b[8:])),
		Count:             binary.BigEndian.Uint32(b[12:]),
	}
	return b[16:], nil
}

// takeAddress reads an address and returns what follows. It is not valid where the
// agent does not know it.
func takeAddress(b []byte) (a netip.Addr, rest []byte, ok bool) {
	if len(b) < 4 {
		return a, nil, false
	}
	kind := binary.BigEndian.Uint32(b)
	b = b[4:]
	switch {
	case kind == addressUnknown:
		return a, b, true
	case kind == addressIPv4 && len(b) >= 4:
		return netip.AddrFrom4([4]byte(b)), b[4:], true
	case kind == addressIPv6 && len(b) >= 16:
		return netip.AddrFrom16([16]byte(b)), b[16:], true
	default:
		return a, nil, false
	}
}

// readSamples reads the samples in b, as many as the header announces.
func readSamples(b []byte, p *decoder.ExportPacket, s *Samples) {
	for range p.Count {
		format, sample, rest, ok := takeOpaque(b)
		if !ok {
			p.Anomalies |= decoder.AnomalyCountAbovePresent
			if len(b) > 0 {
				p.Anomalies |= decoder.AnomalyPartialRecord
			}
			if isFlow(format) {
				s.Dropped[DropMalformed]++
			}
			return
		}
		b = rest
		switch {
		case isFlow(format):
			readFlow(format, sample, p, s)
		case format == sampleCounters || format == sampleExpandedCounters:
			s.Counters++
		default:
			s.Unknown++
		}
	}
	if len(b) > 0 {
		p.Anomalies |= decoder.AnomalyTrailingBytes
	}
}

// takeOpaque reads the format of a sample, or of a record in one, and its content, and
// returns what follows. If there is no more than the format, it is still returned.
func takeOpaque(b []byte) (format uint32, content, rest []byte, ok bool) {
	if len(b) < headLen {
		return 0, nil, nil, false
	}
	format = binary.BigEndian.Uint32(b)
	length := binary.BigEndian.Uint32(b[4:])
	b = b[headLen:]
	if uint64(length) > uint64(len(b)) {
		return format, nil, nil, false
	}
	return format, b[:length], b[length:], true
}

// isFlow reports whether samples of the format are packets.
func isFlow(format uint32) bool {
	return format == sampleFlow || format == sampleExpandedFlow || format == sampleDiscarded
}

// readFlow decodes a sample into a record of its own, if it is as it should be.
func readFlow(format uint32, b []byte, p *decoder.ExportPacket, s *Samples) {
	n := len(p.Records)
	if n == MaxRecords {
		s.Dropped[DropLimit]++
		return
	}
	p.Records = slices.Grow(p.Records, 1)[:n+1]
	p.Records[n] = decoder.Record{}
	p.Records[n].Packets = 1
	p.Extensions = slices.Grow(p.Extensions, 1)[:n+1]
	s.Sources = slices.Grow(s.Sources, 1)[:n+1]
	switch source := &s.Sources[n]; {
	case !target{p, &p.Records[n], &p.Extensions[n]}.sample(format, b, source):
		p.Records, p.Extensions, s.Sources = p.Records[:n], p.Extensions[:n], s.Sources[:n]
		p.Anomalies |= decoder.AnomalyMalformedSet
		s.Dropped[DropMalformed]++
	case source.Discarded:
		s.Discarded++
	default:
		s.Flows++
	}
}
