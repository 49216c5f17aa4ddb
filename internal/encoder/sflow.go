package encoder

import (
	"encoding/binary"
	"net/netip"
)

// SFlowHeader tells what the header of an sFlow version 5 datagram says.
type SFlowHeader struct {
	Agent    netip.Addr
	SubAgent uint32
	// Sequence is the number of datagrams of the sub-agent before this one.
	Sequence uint32
	// Uptime is in milliseconds.
	Uptime uint32
}

// Sample tells what a flow sample says besides the sampled packet.
type Sample struct {
	// Sequence is the number of samples of the data source before this one.
	Sequence uint32
	// Source is the interface where the packet was sampled.
	Source uint32
	// Rate is of how many packets one is sampled, Pool how many could have been.
	Rate, Pool uint32
	// Octets is the length of the packet at layer 3.
	Octets uint16
}

// What sFlow's numbers mean, of its version 5 and of its data formats.
const (
	sflowVersion = 5

	sflowIPv4 = 1
	sflowIPv6 = 2

	sampleFlow = 1

	recordRawPacket       = 1
	recordExtendedSwitch  = 1001
	recordExtendedRouter  = 1002
	recordExtendedGateway = 1003
	recordCount           = 4

	protocolEthernet = 1
	checksumLen      = 4 // of a frame: counted, and not sampled
	minFrame         = 64

	pathSequence = 2
)

// What is in a sampled packet.
const (
	ethernetLen = 14
	ipv4Len     = 20
	ipv6Len     = 40
	tcpLen      = 20
	shortLen    = 8 // of UDP, ICMP, and what is taken of others

	etherTypeIPv4 = 0x0800
	etherTypeIPv6 = 0x86dd

	protocolTCP    = 6
	protocolUDP    = 17
	protocolICMP   = 1
	protocolICMPv6 = 58
	hopLimit       = 61
)

// SFlowHeaderLen and SFlowSampleLen are how long a header, and a flow sample with what belongs to
// it, are at most.
const (
	SFlowHeaderLen = 40
	SFlowSampleLen = 272
)

// AppendSFlowHeader appends the header of a datagram with so many samples.
func AppendSFlowHeader(b []byte, h *SFlowHeader, samples int) []byte {
	b = appendNumbers(b, sflowVersion)
	b = appendSFlowAddress(b, h.Agent)
	return appendNumbers(b, h.SubAgent, h.Sequence, h.Uptime, uint32(samples))
}

// AppendFlowSample appends a sample of a flow's packet: its header in an Ethernet frame, VLANs,
// routes and autonomous systems. It allocates nothing if b has room.
func AppendFlowSample(b []byte, s *Sample, f *Flow, v *Values) []byte {
	b, sample := open(b, sampleFlow)
	b = appendNumbers(b, s.Sequence, s.Source, s.Rate, s.Pool, 0, f.InputInterface, f.OutputInterface, recordCount)
	b = appendRawPacket(b, s, f, v)
	b, record := open(b, recordExtendedSwitch)
	b = appendNumbers(b, uint32(f.VLAN), 0, uint32(f.VLAN), 0)
	closeOpaque(b, record)
	b, record = open(b, recordExtendedRouter)
	b = appendSFlowAddress(b, f.NextHop)
	b = appendNumbers(b, uint32(f.SourcePrefixLength), uint32(f.DestinationPrefixLength))
	closeOpaque(b, record)
	b = appendGateway(b, f)
	closeOpaque(b, sample)
	return b
}

// appendGateway appends the AS numbers: the router's own is the source's, and the way goes straight to
// the destination's.
func appendGateway(b []byte, f *Flow) []byte {
	b, record := open(b, recordExtendedGateway)
	b = appendSFlowAddress(b, f.NextHop)
	b = appendNumbers(b, f.SourceAS, f.SourceAS, f.SourceAS, 1, pathSequence, 1, f.DestinationAS, 0, 0)
	closeOpaque(b, record)
	return b
}

// appendRawPacket appends the beginning of the frame.
func appendRawPacket(b []byte, s *Sample, f *Flow, v *Values) []byte {
	b, record := open(b, recordRawPacket)
	frame := max(uint32(s.Octets)+ethernetLen+checksumLen, minFrame)
	b = appendNumbers(b, protocolEthernet, frame, checksumLen, 0)
	begin := len(b)
	b = appendEthernet(b, f)
	b = appendIP(b, s, f)
	b = appendTransport(b, s, f, v)
	binary.BigEndian.PutUint32(b[begin-4:], uint32(len(b)-begin))
	for (len(b)-begin)%4 != 0 {
		b = append(b, 0)
	}
	closeOpaque(b, record)
	return b
}

// appendEthernet appends locally administered addresses, which end with the interfaces' numbers.
func appendEthernet(b []byte, f *Flow) []byte {
	const local = 0x0200
	b = binary.BigEndian.AppendUint16(b, local)
	b = appendNumbers(b, f.OutputInterface)
	b = binary.BigEndian.AppendUint16(b, local)
	b = appendNumbers(b, f.InputInterface)
	if f.Source.Is4() {
		return binary.BigEndian.AppendUint16(b, etherTypeIPv4)
	}
	return binary.BigEndian.AppendUint16(b, etherTypeIPv6)
}

func appendIP(b []byte, s *Sample, f *Flow) []byte {
	source, destination := f.Source.As16(), f.Destination.As16()
	if f.Source.Is4() {
		at := len(b)
		b = append(b, 0x45, f.TOS, byte(s.Octets>>8), byte(s.Octets), 0, 0, 0, 0, hopLimit, f.Protocol, 0, 0)
		b = append(append(b, source[12:]...), destination[12:]...)
		binary.BigEndian.PutUint16(b[at+10:], checksum(b[at:]))
		return b
	}
	b = appendNumbers(b, 6<<28|uint32(f.TOS)<<20)
	b = binary.BigEndian.AppendUint16(b, s.Octets-ipv6Len)
	b = append(b, f.Protocol, hopLimit)
	return append(append(b, source[:]...), destination[:]...)
}

// checksum is that of an IPv4 header in which it is zero.
func checksum(header []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// appendTransport appends the transport's header, without checksums, which need the payload.
func appendTransport(b []byte, s *Sample, f *Flow, v *Values) []byte {
	at := len(b)
	b = append(b, make([]byte, TransportLen(f.Protocol))...)
	header := b[at:]
	switch f.Protocol {
	case protocolTCP:
		binary.BigEndian.PutUint16(header, uint16(v[MovingSourcePort]))
		binary.BigEndian.PutUint16(header[2:], uint16(v[MovingDestinationPort]))
		header[12] = tcpLen / 4 << 4
		header[13] = byte(v[MovingTCPFlags])
	case protocolUDP:
		binary.BigEndian.PutUint16(header, uint16(v[MovingSourcePort]))
		binary.BigEndian.PutUint16(header[2:], uint16(v[MovingDestinationPort]))
		binary.BigEndian.PutUint16(header[4:], s.Octets-uint16(IPLen(f.Source)))
	case protocolICMP, protocolICMPv6:
		binary.BigEndian.PutUint16(header, f.ICMPTypeCode)
	}
	return b
}

// IPLen is how long the header is of packets from an address.
func IPLen(source netip.Addr) int {
	if source.Is4() {
		return ipv4Len
	}
	return ipv6Len
}

// TransportLen is how much of a packet of a protocol is sampled behind the header of IP.
func TransportLen(protocol uint8) int {
	if protocol == protocolTCP {
		return tcpLen
	}
	return shortLen
}

// open appends the head of a sample or a record; at is what closeOpaque needs.
func open(b []byte, format uint32) (longer []byte, at int) {
	return appendNumbers(b, format, 0), len(b) + 8
}

// closeOpaque fills in the length of what begins at at.
func closeOpaque(b []byte, at int) { binary.BigEndian.PutUint32(b[at-4:], uint32(len(b)-at)) }

func appendNumbers(b []byte, numbers ...uint32) []byte {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func appendSFlowAddress(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		a4 := a.As4()
		return append(appendNumbers(b, sflowIPv4), a4[:]...)
	}
	a16 := a.As16()
	return append(appendNumbers(b, sflowIPv6), a16[:]...)
}
