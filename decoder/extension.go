package decoder

import "net/netip"

// Extension holds what a flow record carries beside [Record]. What is not in
// Present has no meaning: decoders leave old values behind.
type Extension struct {
	// Present says which fields the record carries.
	Present FieldSet
	// Values holds the numbers, at the index of their field. MAC addresses are in
	// the low 48 bits, times in nanoseconds since 1970-01-01 UTC.
	Values [numValues]uint64
	// Addresses holds the addresses, at the index of their field less
	// FieldBGPNextHop.
	Addresses [numAddresses]netip.Addr
	// MPLSLabels are labels of 20 bits, top of the stack first.
	MPLSLabels []uint32
	// BGPASPath is the path to the destination, nearest first; BGPCommunities
	// are AS and value of 16 bits each.
	BGPASPath, BGPCommunities []uint32
	// ApplicationID is the IPFIX element 95, as exported.
	ApplicationID []byte
	// Elements are the elements that were asked for by number.
	Elements []Element
}

// Element is an information element as it was exported.
type Element struct {
	// Enterprise is the private enterprise number, 0 for IANA's elements.
	Enterprise uint32
	ID         uint16
	Value      []byte
}

// Set sets a number.
func (x *Extension) Set(f Field, v uint64) {
	x.Values[f] = v
	x.Present |= 1 << f
}

// SetAddress sets an address.
func (x *Extension) SetAddress(f Field, a netip.Addr) {
	x.Addresses[f-FieldBGPNextHop] = a
	x.Present |= 1 << f
}

// Address returns the address of a field that is present.
func (x *Extension) Address(f Field) netip.Addr { return x.Addresses[f-FieldBGPNextHop] }

// FieldSet is a set of fields: bit 1<<f stands for the field f.
type FieldSet uint64

// Has reports whether f is in the set.
func (s FieldSet) Has(f Field) bool { return s>>f&1 != 0 }

// Field names a value of an [Extension]. The names are those of
// flow.v1.FlowRecord, whose comments have unit, range and source.
type Field uint8

// The numbers, in the order in which they are published: first what is equal on
// many records of an exporter.
const (
	FieldTemplateID Field = iota
	FieldSamplingInterval
	FieldSamplingSource
	FieldSamplerID
	FieldSamplingAlgorithm
	FieldSamplingPacketInterval
	FieldSamplingPacketSpace
	FieldCounterKind
	FieldFlowDirection
	FieldEthernetType
	FieldObservationPointID
	FieldSourceID
	FieldIngressVRFID
	FieldEgressVRFID
	FieldIngressPhysicalInterface
	FieldEgressPhysicalInterface
	FieldVLANID
	FieldPostVLANID
	FieldCustomerVLANID
	FieldSourceMAC
	FieldDestinationMAC
	FieldPostSourceMAC
	FieldPostDestinationMAC
	FieldFlowEndReason
	FieldForwardingStatus
	FieldPostTOS
	FieldMinimumTTL
	FieldMaximumTTL
	FieldICMPTypeCode
	FieldFragmentIdentification
	FieldFragmentOffset
	FieldFragmentFlags
	FieldIPv6FlowLabel
	FieldBGPNextAdjacentAS
	FieldBGPPreviousAdjacentAS
	FieldPostPackets
	FieldPostOctets
	FieldReversePackets
	FieldReverseOctets
	FieldDroppedPackets
	FieldDroppedOctets
	FieldFrameOctets
	FieldPostNAPTSourcePort
	FieldPostNAPTDestinationPort
	FieldNATEvent
	FieldFirewallEvent
	FieldFirewallExtendedEvent
	FieldFlowID
	FieldObservationTime
	FieldLayer2SegmentID
	FieldSampleSequence

	numValues = iota
)

// The addresses.
const (
	FieldBGPNextHop Field = numValues + iota
	FieldMPLSTopLabelAddress
	FieldPostNATSourceAddress
	FieldPostNATDestinationAddress
	FieldAgentAddress

	endOfAddresses
	numAddresses = endOfAddresses - numValues
)

// The lists and bytes, which have fields of Extension of their own.
const (
	FieldMPLSLabels Field = endOfAddresses + iota
	FieldBGPASPath
	FieldBGPCommunities
	FieldApplicationID
	FieldElements

	numFields
)

// A set has 64 bits: this does not compile when there are more fields.
const _ = uint(64 - numFields)
