package sflow

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// A flow is a flow sample, or a discarded packet, taken apart.
type flow struct {
	Source
	rate          uint32
	input, output port
	// body is what has the records, parts where in it they are, by kind: those of
	// the set present. Of a kind that is there twice the first counts.
	body    []byte
	present uint32
	parts   [numParts]span
}

// A span is from one byte to before another.
type span struct{ from, to uint32 }

// A port is an interface: what it is, and its index or whatever else it has.
type port struct{ format, value uint32 }

// The kinds of records that are read, in the order in which they are: what the packet
// itself says comes after what the agent says about it, and prevails.
const (
	partSwitch = iota
	partEthernet
	partIPv4
	partIPv6
	partMPLS
	partVNI
	partHeader
	partRouter
	partGateway
	partNAT
	partNATPort

	numParts
	noPart = numParts
)

// partOf is the kind of records of a format.
func partOf(format uint32) int {
	switch format {
	case recordHeader:
		return partHeader
	case recordEthernet:
		return partEthernet
	case recordIPv4:
		return partIPv4
	case recordIPv6:
		return partIPv6
	case recordSwitch:
		return partSwitch
	case recordRouter:
		return partRouter
	case recordGateway:
		return partGateway
	case recordMPLS:
		return partMPLS
	case recordNAT:
		return partNAT
	case recordNATPort:
		return partNATPort
	case recordVNIEgress, recordVNIIngress:
		return partVNI
	default:
		return noPart
	}
}

// read takes a sample apart. It reports whether its records are those announced, and
// fit.
//
// Here and below fields are assigned one by one: a composite literal would be built
// aside and copied.
func (f *flow) read(format uint32, b []byte) bool {
	if len(b) < flowSampleLen { // the shortest
		return false
	}
	f.Sequence = word(b, 0)
	var records uint32
	switch {
	case format == sampleFlow:
		source := word(b, 1)
		f.Type, f.Index = source>>24, source&0xffffff
		f.rate, f.Drops = word(b, 2), word(b, 4)
		f.input, f.output = compact(word(b, 5)), compact(word(b, 6))
		records, b = word(b, 7), b[flowSampleLen:]
	case format == sampleExpandedFlow && len(b) >= expandedSampleLen:
		f.Type, f.Index = word(b, 1), word(b, 2)
		f.rate, f.Drops = word(b, 3), word(b, 5)
		f.input, f.output = expanded(word(b, 6), word(b, 7)), expanded(word(b, 8), word(b, 9))
		records, b = word(b, 10), b[expandedSampleLen:]
	case format == sampleDiscarded && len(b) >= discardedLen:
		f.Type, f.Index = word(b, 1), word(b, 2)
		f.Discarded, f.Drops = true, word(b, 3)
		f.input, f.output = expanded(interfaceSingle, word(b, 4)), expanded(interfaceSingle, word(b, 5))
		records, b = word(b, 7), b[discardedLen:]
	default:
		return false
	}
	f.body = b
	return uint64(records)*headLen <= uint64(len(b)) && f.takeParts(records)
}

// takeParts finds the records of a sample. Each ends at a multiple of four bytes; some
// agents leave the last one's padding out.
func (f *flow) takeParts(records uint32) bool {
	at := 0
	for range min(records, maxParts) {
		b := f.body[at:]
		if len(b) < headLen {
			return false
		}
		length := word(b, 1)
		if uint64(length) > uint64(len(b)-headLen) {
			return false
		}
		from := at + headLen
		at = min(from+int(length+3)&^3, len(f.body))
		if part := partOf(word(b, 0)); part != noPart && f.present>>part&1 == 0 {
			f.present |= 1 << part
			f.parts[part] = span{uint32(from), uint32(from) + length}
		}
	}
	return true
}

// word returns the 32 bits at an index.
func word(b []byte, index int) uint32 { return binary.BigEndian.Uint32(b[4*index:]) }

// compact returns an interface of 32 bits: the upper two say what it is.
func compact(v uint32) port {
	if v == interfaceLocal {
		return port{}
	}
	return port{v >> interfaceFormatShift, v & (1<<interfaceFormatShift - 1)}
}

// expanded returns an interface of 64 bits.
func expanded(format, value uint32) port {
	if format == interfaceSingle && (value == interfaceLocal || value == interfaceLocalExpanded) {
		return port{}
	}
	return port{format, value}
}

// A target is where a flow goes.
type target struct {
	p *decoder.ExportPacket
	r *decoder.Record
	x *decoder.Extension
}

// fill writes the flow into its record, which is empty.
func (t target) fill(f *flow) {
	t.source(f)
	t.interfaces(f)
	for set := f.present; set != 0; set &= set - 1 {
		part := bits.TrailingZeros32(set)
		at := f.parts[part]
		if !t.part(part, f.body[at.from:at.to]) {
			t.p.Anomalies |= decoder.AnomalyMalformedSet
		}
	}
}

// source writes what the sample's head says.
func (t target) source(f *flow) {
	x := t.x
	x.Present = 1<<decoder.FieldSampleSequence | 1<<decoder.FieldSourceID
	x.Values[decoder.FieldSampleSequence] = uint64(f.Sequence)
	x.Values[decoder.FieldSourceID] = uint64(f.Type<<24 | f.Index)
	if f.Type != 0 && (f.Type|f.Index>>16) > 0xff {
		x.Values[decoder.FieldSourceID] = uint64(f.Type<<24 | f.Index&0xffffff)
		t.r.Anomalies |= decoder.AnomalyFieldWidth
	}
	if f.Discarded {
		x.Set(decoder.FieldForwardingStatus, forwardingDropped)
		return
	}
	x.Values[decoder.FieldSamplingInterval] = uint64(f.rate)
	x.Values[decoder.FieldSamplingSource] = samplingSourceSample
	x.Present |= 1<<decoder.FieldSamplingInterval | 1<<decoder.FieldSamplingSource
}

// interfaces writes where the packet came in and went. A packet that went out by
// several interfaces has none that could be told.
func (t target) interfaces(f *flow) {
	if f.input.format == interfaceSingle {
		t.r.InputInterface = f.input.value
	} else {
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
	switch f.output.format {
	case interfaceSingle:
		t.r.OutputInterface = f.output.value
	case interfaceDiscarded:
		t.x.Set(decoder.FieldForwardingStatus, forwardingDropped)
	case interfaceMultiple:
	default:
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
}

// part writes what a record says. It reports whether all that it announces is there.
func (t target) part(part int, b []byte) bool {
	switch part {
	case partSwitch:
		return t.vlans(b)
	case partEthernet:
		return t.ethernet(b)
	case partIPv4:
		return t.sampledIPv4(b)
	case partIPv6:
		return t.sampledIPv6(b)
	case partMPLS:
		return t.mpls(b)
	case partVNI:
		return t.vni(b)
	case partHeader:
		return t.header(b)
	case partRouter:
		return t.router(b)
	case partGateway:
		return t.gateway(b)
	case partNAT:
		return t.nat(b)
	default:
		return t.natPorts(b)
	}
}

// header writes what the first bytes of the packet say.
func (t target) header(b []byte) bool {
	if len(b) < sampledHeaderLen {
		return false
	}
	protocol, length, captured := word(b, 0), word(b, 1), word(b, 3)
	b = b[sampledHeaderLen:]
	if uint64(captured) > uint64(len(b)) {
		return false
	}
	t.x.Set(decoder.FieldFrameOctets, uint64(length))
	t.frame(protocol, b[:min(captured, maxFrame)], length)
	return true
}

// ethernet writes what an agent that sends no header says about the frame.
func (t target) ethernet(b []byte) bool {
	if len(b) < sampledEtherLen {
		return false
	}
	t.x.Set(decoder.FieldFrameOctets, uint64(word(b, 0)))
	t.x.Set(decoder.FieldSourceMAC, mac(b[4:]))
	t.x.Set(decoder.FieldDestinationMAC, mac(b[12:]))
	t.x.Set(decoder.FieldEthernetType, uint64(t.narrow(word(b, 5), 0xffff)))
	return true
}

// sampledIPv4 writes what an agent that sends no header says about the packet.
func (t target) sampledIPv4(b []byte) bool {
	if len(b) < sampledIPv4Len {
		return false
	}
	t.r.SourceAddress = netip.AddrFrom4([4]byte(b[8:]))
	t.r.DestinationAddress = netip.AddrFrom4([4]byte(b[12:]))
	t.sampledIP(b, b[16:])
	return true
}

// sampledIPv6 does it of an IPv6 packet.
func (t target) sampledIPv6(b []byte) bool {
	if len(b) < sampledIPv6Len {
		return false
	}
	t.r.SourceAddress = netip.AddrFrom16([16]byte(b[8:]))
	t.r.DestinationAddress = netip.AddrFrom16([16]byte(b[24:]))
	t.sampledIP(b, b[40:])
	return true
}

// sampledIP writes what is before and behind the addresses of a sampled IP packet.
func (t target) sampledIP(before, behind []byte) {
	t.r.Octets = uint64(word(before, 0))
	t.r.Protocol = uint8(t.narrow(word(before, 1), 0xff))
	t.r.SourcePort = uint16(t.narrow(word(behind, 0), 0xffff))
	t.r.DestinationPort = uint16(t.narrow(word(behind, 1), 0xffff))
	t.r.TCPFlags = uint16(t.narrow(word(behind, 2), 0xffff))
	t.r.TOS = uint8(t.narrow(word(behind, 3), 0xff))
}

// narrow returns v, of which the field holds what is in mask.
func (t target) narrow(v, mask uint32) uint32 {
	if v&^mask != 0 {
		t.r.Anomalies |= decoder.AnomalyFieldWidth
	}
	return v & mask
}

// mac returns an address of 6 bytes.
func mac(b []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}
