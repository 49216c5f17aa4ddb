package encoder

// Element is an information element: its number, of the IANA registry or, with an
// enterprise number, of that enterprise. NetFlow version 9 has no enterprises.
type Element struct {
	Enterprise uint32
	ID         uint16
}

// The elements that a Flow has values for.
const (
	OctetDeltaCount             = 1
	PacketDeltaCount            = 2
	ProtocolIdentifier          = 4
	IPClassOfService            = 5
	TCPControlBits              = 6
	SourceTransportPort         = 7
	SourceIPv4Address           = 8
	SourceIPv4PrefixLength      = 9
	IngressInterface            = 10
	DestinationTransportPort    = 11
	DestinationIPv4Address      = 12
	DestinationIPv4PrefixLength = 13
	EgressInterface             = 14
	IPNextHopIPv4Address        = 15
	BGPSourceASNumber           = 16
	BGPDestinationASNumber      = 17
	FlowEndSysUpTime            = 21
	FlowStartSysUpTime          = 22
	SourceIPv6Address           = 27
	DestinationIPv6Address      = 28
	SourceIPv6PrefixLength      = 29
	DestinationIPv6PrefixLength = 30
	ICMPTypeCodeIPv4            = 32
	SamplerID                   = 48
	SamplerMode                 = 49
	SamplerRandomInterval       = 50
	VLANID                      = 58
	FlowDirection               = 61
	IPNextHopIPv6Address        = 62
	InterfaceName               = 82
	ForwardingStatus            = 89
	ApplicationName             = 96
	FlowEndReason               = 136
	ICMPTypeCodeIPv6            = 139
	FlowStartMilliseconds       = 152
	FlowEndMilliseconds         = 153
	SelectorID                  = 302
	SelectorAlgorithm           = 304
	SamplingPacketInterval      = 305
	SamplingPacketSpace         = 306
	SamplingSize                = 309
	SamplingPopulation          = 310
	ScopeSystem                 = 1     // of options templates of version 9, whose scopes have numbers of their own
	exampleEnterprise           = 32473 // RFC 5612 keeps it for examples
	exampleElement              = 1
)

// ExampleElement is an element of an enterprise that there is in examples only. Its
// value is the flow's ApplicationID.
var ExampleElement = Element{exampleEnterprise, exampleElement}

// Variable is the length, in an IPFIX template, of values that tell their own.
const Variable = 65535

// put writes the value of an element into all of b, big-endian, with zeros in front
// or without its upper bytes, where b is longer or shorter than the value.
func (f *Flow) put(b []byte, e Element) {
	switch e {
	case Element{0, SourceIPv4Address}, Element{0, SourceIPv6Address}:
		copy(b, f.Source.AsSlice())
	case Element{0, DestinationIPv4Address}, Element{0, DestinationIPv6Address}:
		copy(b, f.Destination.AsSlice())
	case Element{0, IPNextHopIPv4Address}, Element{0, IPNextHopIPv6Address}:
		copy(b, f.NextHop.AsSlice())
	default:
		putNumber(b, f.number(e))
	}
}

// number is the value of an element that is a number. What moves is 0.
func (f *Flow) number(e Element) uint64 {
	if e == ExampleElement {
		return uint64(f.ApplicationID)
	}
	switch e.ID {
	case ProtocolIdentifier:
		return uint64(f.Protocol)
	case IPClassOfService:
		return uint64(f.TOS)
	case SourceIPv4PrefixLength, SourceIPv6PrefixLength:
		return uint64(f.SourcePrefixLength)
	case DestinationIPv4PrefixLength, DestinationIPv6PrefixLength:
		return uint64(f.DestinationPrefixLength)
	case IngressInterface:
		return uint64(f.InputInterface)
	case EgressInterface:
		return uint64(f.OutputInterface)
	case BGPSourceASNumber:
		return uint64(f.SourceAS)
	case BGPDestinationASNumber:
		return uint64(f.DestinationAS)
	case ICMPTypeCodeIPv4, ICMPTypeCodeIPv6:
		return uint64(f.ICMPTypeCode)
	case SamplerID, SelectorID:
		return uint64(f.Sampler)
	case VLANID:
		return uint64(f.VLAN)
	case FlowDirection:
		return uint64(f.Direction)
	case ForwardingStatus:
		return uint64(f.ForwardingStatus)
	case FlowEndReason:
		return uint64(f.EndReason)
	}
	return 0
}

// putNumber writes n into all of b, big-endian.
func putNumber(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(n)
		n >>= 8
	}
}
