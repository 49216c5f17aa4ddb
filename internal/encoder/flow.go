package encoder

import "net/netip"

// Flow is what the flows of a conversation have in common.
type Flow struct {
	// Source, Destination and NextHop are of the same family.
	Source, Destination, NextHop netip.Addr

	SourcePrefixLength, DestinationPrefixLength uint8
	InputInterface, OutputInterface             uint32
	SourceAS, DestinationAS                     uint32
	Protocol, TOS                               uint8
	// ICMPTypeCode is type*256 + code.
	ICMPTypeCode     uint16
	VLAN             uint16
	Direction        uint8
	ForwardingStatus uint8
	EndReason        uint8
	// Sampler is the id of what chose the packets.
	Sampler uint32
	// ApplicationID is the value of ExampleElement.
	ApplicationID uint32
}

// A Moving value differs from flow to flow.
type Moving uint8

// The moving values. Times are in milliseconds, of the exporter's uptime and of Unix.
const (
	MovingPackets Moving = iota
	MovingOctets
	MovingSourcePort
	MovingDestinationPort
	MovingTCPFlags
	MovingFirstUptime
	MovingLastUptime
	MovingStart
	MovingEnd

	movingCount
)

// Values are the moving values of a flow.
type Values [movingCount]uint64

// moving are the elements whose value moves.
var moving = map[uint16]Moving{
	PacketDeltaCount:         MovingPackets,
	OctetDeltaCount:          MovingOctets,
	SourceTransportPort:      MovingSourcePort,
	DestinationTransportPort: MovingDestinationPort,
	TCPControlBits:           MovingTCPFlags,
	FlowStartSysUpTime:       MovingFirstUptime,
	FlowEndSysUpTime:         MovingLastUptime,
	FlowStartMilliseconds:    MovingStart,
	FlowEndMilliseconds:      MovingEnd,
}

// Names are the values of variable length.
type Names struct{ Interface, Application []byte }

// of is the value of an element.
func (n *Names) of(id uint16) []byte {
	if id == InterfaceName {
		return n.Interface
	}
	return n.Application
}
