package sflow

import (
	"encoding/binary"
	"net/netip"

	"github.com/flowpub/flowpub/decoder"
)

// A port is an interface: what it is, and its index or whatever else it has.
type port struct{ format, value uint32 }

// A target is where a flow goes.
type target struct {
	p *decoder.ExportPacket
	r *decoder.Record
	x *decoder.Extension
}

// sample reads a sample into its record, which is empty, and says in source what it tells
// about its data source. It reports whether its records are those announced, and fit.
//
// Here and below fields are assigned one by one: a composite literal would be built
// aside and copied.
func (t target) sample(format uint32, b []byte, source *Source) bool {
	if len(b) < flowSampleLen { // the shortest
		return false
	}
	var rate, records uint32
	var input, output port
	source.Sequence, source.Discarded = word(b, 0), false
	switch {
	case format == sampleFlow:
		id := word(b, 1)
		source.Type, source.Index = id>>24, id&0xffffff
		rate, source.Drops = word(b, 2), word(b, 4)
		input, output = compact(word(b, 5)), compact(word(b, 6))
		records, b = word(b, 7), b[flowSampleLen:]
	case format == sampleExpandedFlow && len(b) >= expandedSampleLen:
		source.Type, source.Index = word(b, 1), word(b, 2)
		rate, source.Drops = word(b, 3), word(b, 5)
		input, output = expanded(word(b, 6), word(b, 7)), expanded(word(b, 8), word(b, 9))
		records, b = word(b, 10), b[expandedSampleLen:]
	case format == sampleDiscarded && len(b) >= discardedLen:
		source.Type, source.Index = word(b, 1), word(b, 2)
		source.Discarded, source.Drops = true, word(b, 3)
		input, output = expanded(interfaceSingle, word(b, 4)), expanded(interfaceSingle, word(b, 5))
		records, b = word(b, 7), b[discardedLen:]
	default:
		return false
	}
	t.source(source, rate)
	t.interfaces(input, output)
	return uint64(records)*headLen <= uint64(len(b)) && t.records(records, b)
}

// records reads the records of a sample. What the packet itself says is read last, since it
// prevails. Each record ends at a multiple of four bytes; some agents leave the last one's
// padding out.
func (t target) records(n uint32, b []byte) bool {
	var last packetRecords
	for range min(n, maxParts) {
		if len(b) < headLen {
			return false
		}
		format, length := word(b, 0), word(b, 1)
		b = b[headLen:]
		if uint64(length) > uint64(len(b)) {
			return false
		}
		t.check(t.record(format, b[:length], &last))
		b = b[min(int(length+3)&^3, len(b)):]
	}
	if last.seen&seenIPv4 != 0 {
		t.check(t.sampledIPv4(last.ipv4))
	}
	if last.seen&seenIPv6 != 0 {
		t.check(t.sampledIPv6(last.ipv6))
	}
	if last.seen&seenHeader != 0 {
		t.check(t.header(last.header))
	}
	return true
}

// check notes a record that is not whole.
func (t target) check(whole bool) {
	if !whole {
		t.p.Anomalies |= decoder.AnomalyMalformedSet
	}
}

// packetRecords are the records of what the packet itself says, and which kinds of
// records a sample has: of one that is there twice the first counts.
type packetRecords struct {
	header, ipv4, ipv6 []byte
	seen               seen
}

// seen is a set of kinds of records.
type seen uint32

// The kinds.
const (
	seenHeader seen = 1 << iota
	seenEthernet
	seenIPv4
	seenIPv6
	seenSwitch
	seenRouter
	seenGateway
	seenMPLS
	seenNAT
	seenNATPort
	seenVNI
)

// first reports whether a kind is not in the set, and adds it.
func (s *seen) first(kind seen) bool {
	first := *s&kind == 0
	*s |= kind
	return first
}

// record writes what a record says, or puts it aside for last. It reports whether all that it
// announces is there.
func (t target) record(format uint32, b []byte, last *packetRecords) bool {
	switch format {
	case recordHeader:
		if last.seen.first(seenHeader) {
			last.header = b
		}
	case recordIPv4:
		if last.seen.first(seenIPv4) {
			last.ipv4 = b
		}
	case recordIPv6:
		if last.seen.first(seenIPv6) {
			last.ipv6 = b
		}
	case recordEthernet:
		return !last.seen.first(seenEthernet) || t.ethernet(b)
	case recordSwitch:
		return !last.seen.first(seenSwitch) || t.vlans(b)
	case recordRouter:
		return !last.seen.first(seenRouter) || t.router(b)
	case recordGateway:
		return !last.seen.first(seenGateway) || t.gateway(b)
	case recordMPLS:
		return !last.seen.first(seenMPLS) || t.mpls(b)
	case recordNAT:
		return !last.seen.first(seenNAT) || t.nat(b)
	case recordNATPort:
		return !last.seen.first(seenNATPort) || t.natPorts(b)
	case recordVNIEgress, recordVNIIngress:
		return !last.seen.first(seenVNI) || t.vni(b)
	}
	return true
}

// word returns the 32 bits at an index. Slicing b for binary.BigEndian costs more than the load.
func word(b []byte, index int) uint32 {
	i := 4 * index
	return uint32(b[i+3]) | uint32(b[i+2])<<8 | uint32(b[i+1])<<16 | uint32(b[i])<<24
}

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

// source writes what the sample's head says.
func (t target) source(s *Source, rate uint32) {
	x := t.x
	x.Present = 1<<decoder.FieldSampleSequence | 1<<decoder.FieldSourceID
	x.Values[decoder.FieldSampleSequence] = uint64(s.Sequence)
	x.Values[decoder.FieldSourceID] = uint64(s.Type<<24 | s.Index)
	if s.Type != 0 && (s.Type|s.Index>>16) > 0xff {
		x.Values[decoder.FieldSourceID] = uint64(s.Type<<24 | s.Index&0xffffff)
		t.r.Anomalies |= decoder.AnomalyFieldWidth
	}
	if s.Discarded {
		x.Set(decoder.FieldForwardingStatus, forwardingDropped)
		return
	}
	x.Values[decoder.FieldSamplingInterval] = uint64(rate)
	x.Values[decoder.FieldSamplingSource] = samplingSourceSample
	x.Present |= 1<<decoder.FieldSamplingInterval | 1<<decoder.FieldSamplingSource
}

// interfaces writes where the packet came in and went. A packet that went out by
// several interfaces has none that could be told.
func (t target) interfaces(input, output port) {
	if input.format == interfaceSingle {
		t.r.InputInterface = input.value
	} else {
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
	}
	switch output.format {
	case interfaceSingle:
		t.r.OutputInterface = output.value
	case interfaceDiscarded:
		t.x.Set(decoder.FieldForwardingStatus, forwardingDropped)
	case interfaceMultiple:
	default:
		t.r.Anomalies |= decoder.AnomalyValueOutOfRange
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
