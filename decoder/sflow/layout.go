package sflow

// version5 is the version in an sFlow version 5 datagram.
const version5 = 5

// Lengths in bytes.
const (
	// minHeaderLen is the header's with an agent that has no address.
	minHeaderLen = 24
	// headLen is that of a sample's or record's head: format and length.
	headLen = 8

	flowSampleLen     = 32
	expandedSampleLen = 44
	discardedLen      = 32
)

// Limits of a datagram. All lengths and counts are also held against the bytes that
// are there.
const (
	// MaxRecords is how many flow samples are taken of a datagram. Real ones have
	// up to about 20.
	MaxRecords = 256
	// maxParts is how many records of a flow sample are looked at.
	maxParts = 64
	// maxFrame is how many bytes of a sampled packet are looked at.
	maxFrame = 1024
	// maxPath is how many entries of an AS path, and how many communities, are taken.
	maxPath = 255
	// maxLabels is how many MPLS labels are taken.
	maxLabels = 10
)

// Formats of samples: a vendor's private enterprise number in the upper 20 bits, 0 is
// sflow.org; the format in the lower 12.
const (
	sampleFlow             = 1
	sampleCounters         = 2
	sampleExpandedFlow     = 3
	sampleExpandedCounters = 4
	sampleDiscarded        = 5
)

// Formats of flow records, as those of samples.
const (
	recordHeader      = 1
	recordEthernet    = 2
	recordIPv4        = 3
	recordIPv6        = 4
	recordSwitch      = 1001
	recordRouter      = 1002
	recordGateway     = 1003
	recordMPLS        = 1006
	recordNAT         = 1007
	recordNATPort     = 1020
	recordVNIEgress   = 1029
	recordVNIIngress  = 1030
	sampledHeaderLen  = 16
	sampledIPv4Len    = 32
	sampledIPv6Len    = 56
	sampledEtherLen   = 24
	extendedSwitchLen = 16
)

// Types of addresses.
const (
	addressUnknown = 0
	addressIPv4    = 1
	addressIPv6    = 2
)

// What an interface is, and the value of one that is none: the agent itself sent
// or received the packet.
const (
	interfaceSingle    = 0
	interfaceDiscarded = 1
	interfaceMultiple  = 2

	interfaceLocal         = 1<<30 - 1
	interfaceLocalExpanded = 1<<32 - 1
	interfaceFormatShift   = 30
)

// forwardingDropped is the IPFIX element 89 of a packet that was dropped for a
// reason which that element cannot tell.
const forwardingDropped = 0x80

// samplingSourceSample is flow.v1's SAMPLING_SOURCE_SFLOW_SAMPLE.
const samplingSourceSample = 6

// vlanUnknown is that of a packet in no VLAN, or one that the agent does not know.
const vlanUnknown = 1<<32 - 1
