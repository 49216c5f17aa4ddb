package template

import (
	"slices"

	"github.com/flowpub/flowpub/decoder"
)

// element is a row of the table: an information element of IANA's registry, or one
// that an enterprise or NetFlow v9's vendors gave a number.
type element struct {
	id   uint16
	name string
	kind dataType
	unit string
	fill fill
}

// dataType is an abstract data type of RFC 7012, section 3.1.
type dataType string

const (
	unsigned8            dataType = "unsigned8"
	unsigned16           dataType = "unsigned16"
	unsigned32           dataType = "unsigned32"
	unsigned64           dataType = "unsigned64"
	float64Type          dataType = "float64"
	macAddress           dataType = "macAddress"
	ipv4Address          dataType = "ipv4Address"
	ipv6Address          dataType = "ipv6Address"
	octetArray           dataType = "octetArray"
	dateTimeSeconds      dataType = "dateTimeSeconds"
	dateTimeMilliseconds dataType = "dateTimeMilliseconds"
	dateTimeMicroseconds dataType = "dateTimeMicroseconds"
	dateTimeNanoseconds  dataType = "dateTimeNanoseconds"
)

// width returns the only length that a value of the type may have, or 0 when it
// may have any, being a number: RFC 7011, section 6.2.
func (t dataType) width() int {
	switch t {
	case ipv4Address:
		return 4
	case ipv6Address:
		return 16
	case macAddress:
		return 6
	case dateTimeMicroseconds, dateTimeNanoseconds:
		return 8
	default:
		return 0
	}
}

// fill says what an element fills: a slot, from which a field of decoder.Record
// or of decoder.Extension is worked out, or a field of decoder.Extension as it is.
type fill struct {
	to place
	// rank orders the elements that fill the same: of those that a template has,
	// the lowest is taken.
	rank uint8
	// clock is how a time is to be read.
	clock clock
}

// or is f for an element that is taken when none of a lower rank is there.
func (f fill) or(rank uint8) fill {
	f.rank = rank
	return f
}

// place is where a value goes: a slot, an address, or a field behind them.
type place uint8

// The slots: values that a record's fields are worked out from.
const (
	nowhere place = iota
	slotPackets
	slotOctets
	slotFirst
	slotLast
	slotStart
	slotEnd
	slotDuration
	slotObservation
	slotInitTime
	slotInput
	slotOutput
	slotSourceAS
	slotDestinationAS
	slotSourcePort
	slotDestinationPort
	slotTCPFlags
	slotProtocol
	slotTOS
	slotSourceLength4
	slotDestinationLength4
	slotSourceLength6
	slotDestinationLength6
	slotIPVersion
	slotICMPType
	slotICMPCode
	slotSamplingInterval
	slotRandomInterval
	slotPacketInterval
	slotPacketSpace
	slotSamplingSize
	slotSamplingPopulation
	slotSamplingProbability

	numSlots
)

// The places of addresses, which are read where they are.
const (
	placeSource4 = numSlots + iota
	placeDestination4
	placeNextHop4
	placeSource6
	placeDestination6
	placeNextHop6
	placeBGPNextHop4
	placeBGPNextHop6
	placeMPLSTop4
	placeMPLSTop6
	placePostNATSource4
	placePostNATSource6
	placePostNATDestination4
	placePostNATDestination6
	placeAgent4
	placeAgent6

	numPlaces
)

// slotRoom is how many slots there may be.
const slotRoom = 64

// This does not compile when there are more, with the addresses' places.
const _ = uint(slotRoom - numPlaces)

// firstField is the place of field 0 of decoder.Extension; the labels have a place each.
const (
	firstField  place = slotRoom
	firstLabel  place = 192
	labelCount        = 10
	bytesPlaces place = 224
)

// into is what an element fills whose value is a field of decoder.Extension as it is.
func into(f decoder.Field) fill { return fill{to: firstField + place(f)} }

// label is what the element of a label fills, 0 the top of the stack.
func label(depth uint8) fill { return fill{to: firstLabel + place(depth)} }

// What more than one element fills, or what has a meaning of its own.
var (
	octets        = fill{to: slotOctets}
	packets       = fill{to: slotPackets}
	start         = fill{to: slotStart}
	end           = fill{to: slotEnd}
	observed      = fill{to: slotObservation}
	applicationID = fill{to: bytesPlaces}
)

// on is f for an element whose time is read off the clock c.
func (f fill) on(c clock, rank uint8) fill {
	f.clock, f.rank = c, rank
	return f
}

// reversePEN is the enterprise number of the elements that tell the same of the other
// direction of a biflow: RFC 5103, section 6.1.
const reversePEN = 29305

// elements are those that fill something: of IANA's registry as of 2023-10, and below
// what NetFlow v9's vendors have added, which IPFIX cannot express. The type is that
// of the registry; numbers may be exported in any width.
var elements = []element{
	{1, "octetDeltaCount", unsigned64, "octets", octets},
	{2, "packetDeltaCount", unsigned64, "packets", packets},
	{4, "protocolIdentifier", unsigned8, "", fill{to: slotProtocol}},
	{5, "ipClassOfService", unsigned8, "", fill{to: slotTOS}},
	{6, "tcpControlBits", unsigned16, "", fill{to: slotTCPFlags}},
	{7, "sourceTransportPort", unsigned16, "", fill{to: slotSourcePort}},
	{8, "sourceIPv4Address", ipv4Address, "", fill{to: placeSource4}},
	{9, "sourceIPv4PrefixLength", unsigned8, "bits", fill{to: slotSourceLength4}},
	{10, "ingressInterface", unsigned32, "", fill{to: slotInput}},
	{11, "destinationTransportPort", unsigned16, "", fill{to: slotDestinationPort}},
	{12, "destinationIPv4Address", ipv4Address, "", fill{to: placeDestination4}},
	{13, "destinationIPv4PrefixLength", unsigned8, "bits", fill{to: slotDestinationLength4}},
	{14, "egressInterface", unsigned32, "", fill{to: slotOutput}},
	{15, "ipNextHopIPv4Address", ipv4Address, "", fill{to: placeNextHop4}},
	{16, "bgpSourceAsNumber", unsigned32, "", fill{to: slotSourceAS}},
	{17, "bgpDestinationAsNumber", unsigned32, "", fill{to: slotDestinationAS}},
	{18, "bgpNextHopIPv4Address", ipv4Address, "", fill{to: placeBGPNextHop4}},
	{21, "flowEndSysUpTime", unsigned32, "milliseconds", fill{to: slotLast}},
	{22, "flowStartSysUpTime", unsigned32, "milliseconds", fill{to: slotFirst}},
	{23, "postOctetDeltaCount", unsigned64, "octets", into(decoder.FieldPostOctets)},
	{24, "postPacketDeltaCount", unsigned64, "packets", into(decoder.FieldPostPackets)},
	{27, "sourceIPv6Address", ipv6Address, "", fill{to: placeSource6}},
	{28, "destinationIPv6Address", ipv6Address, "", fill{to: placeDestination6}},
	{29, "sourceIPv6PrefixLength", unsigned8, "bits", fill{to: slotSourceLength6}},
	{30, "destinationIPv6PrefixLength", unsigned8, "bits", fill{to: slotDestinationLength6}},
	{31, "flowLabelIPv6", unsigned32, "", into(decoder.FieldIPv6FlowLabel)},
	{32, "icmpTypeCodeIPv4", unsigned16, "", into(decoder.FieldICMPTypeCode)},
	{34, "samplingInterval", unsigned32, "packets", fill{to: slotSamplingInterval}},
	{35, "samplingAlgorithm", unsigned8, "", into(decoder.FieldSamplingAlgorithm)},
	{47, "mplsTopLabelIPv4Address", ipv4Address, "", fill{to: placeMPLSTop4}},
	{48, "samplerId", unsigned8, "", into(decoder.FieldSamplerID).or(1)},
	{49, "samplerMode", unsigned8, "", into(decoder.FieldSamplingAlgorithm).or(1)},
	{50, "samplerRandomInterval", unsigned32, "packets", fill{to: slotRandomInterval}},
	{52, "minimumTTL", unsigned8, "hops", into(decoder.FieldMinimumTTL)},
	{53, "maximumTTL", unsigned8, "hops", into(decoder.FieldMaximumTTL)},
	{54, "fragmentIdentification", unsigned32, "", into(decoder.FieldFragmentIdentification)},
	{55, "postIpClassOfService", unsigned8, "", into(decoder.FieldPostTOS)},
	{56, "sourceMacAddress", macAddress, "", into(decoder.FieldSourceMAC)},
	{57, "postDestinationMacAddress", macAddress, "", into(decoder.FieldPostDestinationMAC)},
	{58, "vlanId", unsigned16, "", into(decoder.FieldVLANID)},
	{59, "postVlanId", unsigned16, "", into(decoder.FieldPostVLANID)},
	{60, "ipVersion", unsigned8, "", fill{to: slotIPVersion}},
	{61, "flowDirection", unsigned8, "", into(decoder.FieldFlowDirection)},
	{62, "ipNextHopIPv6Address", ipv6Address, "", fill{to: placeNextHop6}},
	{63, "bgpNextHopIPv6Address", ipv6Address, "", fill{to: placeBGPNextHop6}},
	{70, "mplsTopLabelStackSection", octetArray, "", label(0)},
	{71, "mplsLabelStackSection2", octetArray, "", label(1)},
	{72, "mplsLabelStackSection3", octetArray, "", label(2)},
	{73, "mplsLabelStackSection4", octetArray, "", label(3)},
	{74, "mplsLabelStackSection5", octetArray, "", label(4)},
	{75, "mplsLabelStackSection6", octetArray, "", label(5)},
	{76, "mplsLabelStackSection7", octetArray, "", label(6)},
	{77, "mplsLabelStackSection8", octetArray, "", label(7)},
	{78, "mplsLabelStackSection9", octetArray, "", label(8)},
	{79, "mplsLabelStackSection10", octetArray, "", label(9)},
	{80, "destinationMacAddress", macAddress, "", into(decoder.FieldDestinationMAC)},
	{81, "postSourceMacAddress", macAddress, "", into(decoder.FieldPostSourceMAC)},
	{85, "octetTotalCount", unsigned64, "octets", octets.or(rankTotal)},
	{86, "packetTotalCount", unsigned64, "packets", packets.or(rankTotal)},
	{88, "fragmentOffset", unsigned16, "", into(decoder.FieldFragmentOffset)},
	{89, "forwardingStatus", unsigned8, "", into(decoder.FieldForwardingStatus)},
	{95, "applicationId", octetArray, "", applicationID},
	{128, "bgpNextAdjacentAsNumber", unsigned32, "", into(decoder.FieldBGPNextAdjacentAS)},
	{129, "bgpPrevAdjacentAsNumber", unsigned32, "", into(decoder.FieldBGPPreviousAdjacentAS)},
	{130, "exporterIPv4Address", ipv4Address, "", fill{to: placeAgent4}},
	{131, "exporterIPv6Address", ipv6Address, "", fill{to: placeAgent6}},
	{132, "droppedOctetDeltaCount", unsigned64, "octets", into(decoder.FieldDroppedOctets)},
	{133, "droppedPacketDeltaCount", unsigned64, "packets", into(decoder.FieldDroppedPackets)},
	{136, "flowEndReason", unsigned8, "", into(decoder.FieldFlowEndReason)},
	{138, "observationPointId", unsigned64, "", into(decoder.FieldObservationPointID)},
	{139, "icmpTypeCodeIPv6", unsigned16, "", into(decoder.FieldICMPTypeCode).or(1)},
	{140, "mplsTopLabelIPv6Address", ipv6Address, "", fill{to: placeMPLSTop6}},
	{148, "flowId", unsigned64, "", into(decoder.FieldFlowID)},
	{150, "flowStartSeconds", dateTimeSeconds, "seconds", start.on(clockSeconds, 3)},
	{151, "flowEndSeconds", dateTimeSeconds, "seconds", end.on(clockSeconds, 3)},
	{152, "flowStartMilliseconds", dateTimeMilliseconds, "milliseconds", start.on(clockMilliseconds, 2)},
	{153, "flowEndMilliseconds", dateTimeMilliseconds, "milliseconds", end.on(clockMilliseconds, 2)},
	{154, "flowStartMicroseconds", dateTimeMicroseconds, "microseconds", start.on(clockNTPMicroseconds, 1)},
	{155, "flowEndMicroseconds", dateTimeMicroseconds, "microseconds", end.on(clockNTPMicroseconds, 1)},
	{156, "flowStartNanoseconds", dateTimeNanoseconds, "nanoseconds", start.on(clockNTP, 0)},
	{157, "flowEndNanoseconds", dateTimeNanoseconds, "nanoseconds", end.on(clockNTP, 0)},
	{158, "flowStartDeltaMicroseconds", unsigned32, "microseconds", start.on(clockBeforeExport, 4)},
	{159, "flowEndDeltaMicroseconds", unsigned32, "microseconds", end.on(clockBeforeExport, 4)},
	{160, "systemInitTimeMilliseconds", dateTimeMilliseconds, "milliseconds", fill{to: slotInitTime}},
	{161, "flowDurationMilliseconds", unsigned32, "milliseconds", fill{to: slotDuration, clock: clockMilliseconds}},
	{162, "flowDurationMicroseconds", unsigned32, "microseconds", fill{to: slotDuration, clock: clockMicroseconds, rank: 1}},
	{176, "icmpTypeIPv4", unsigned8, "", fill{to: slotICMPType}},
	{177, "icmpCodeIPv4", unsigned8, "", fill{to: slotICMPCode}},
	{178, "icmpTypeIPv6", unsigned8, "", fill{to: slotICMPType, rank: 1}},
	{179, "icmpCodeIPv6", unsigned8, "", fill{to: slotICMPCode, rank: 1}},
	{180, "udpSourcePort", unsigned16, "", fill{to: slotSourcePort, rank: 1}},
	{181, "udpDestinationPort", unsigned16, "", fill{to: slotDestinationPort, rank: 1}},
	{182, "tcpSourcePort", unsigned16, "", fill{to: slotSourcePort, rank: 2}},
	{183, "tcpDestinationPort", unsigned16, "", fill{to: slotDestinationPort, rank: 2}},
	{192, "ipTTL", unsigned8, "hops", into(decoder.FieldMinimumTTL).or(1)},
	{197, "fragmentFlags", unsigned8, "", into(decoder.FieldFragmentFlags)},
	{225, "postNATSourceIPv4Address", ipv4Address, "", fill{to: placePostNATSource4}},
	{226, "postNATDestinationIPv4Address", ipv4Address, "", fill{to: placePostNATDestination4}},
	{227, "postNAPTSourceTransportPort", unsigned16, "", into(decoder.FieldPostNAPTSourcePort)},
	{228, "postNAPTDestinationTransportPort", unsigned16, "", into(decoder.FieldPostNAPTDestinationPort)},
	{230, "natEvent", unsigned8, "", into(decoder.FieldNATEvent)},
	{231, "initiatorOctets", unsigned64, "octets", octets.or(rankEvent)},
	{232, "responderOctets", unsigned64, "octets", into(decoder.FieldReverseOctets).or(2)},
	{233, "firewallEvent", unsigned8, "", into(decoder.FieldFirewallEvent)},
	{234, "ingressVRFID", unsigned32, "", into(decoder.FieldIngressVRFID)},
	{235, "egressVRFID", unsigned32, "", into(decoder.FieldEgressVRFID)},
	{243, "dot1qVlanId", unsigned16, "", into(decoder.FieldVLANID).or(1)},
	{245, "dot1qCustomerVlanId", unsigned16, "", into(decoder.FieldCustomerVLANID)},
	{252, "ingressPhysicalInterface", unsigned32, "", into(decoder.FieldIngressPhysicalInterface)},
	{253, "egressPhysicalInterface", unsigned32, "", into(decoder.FieldEgressPhysicalInterface)},
	{254, "postDot1qVlanId", unsigned16, "", into(decoder.FieldPostVLANID).or(1)},
	{256, "ethernetType", unsigned16, "", into(decoder.FieldEthernetType)},
	{281, "postNATSourceIPv6Address", ipv6Address, "", fill{to: placePostNATSource6}},
	{282, "postNATDestinationIPv6Address", ipv6Address, "", fill{to: placePostNATDestination6}},
	{298, "initiatorPackets", unsigned64, "packets", packets.or(rankEvent)},
	{299, "responderPackets", unsigned64, "packets", into(decoder.FieldReversePackets).or(2)},
	{302, "selectorId", unsigned64, "", into(decoder.FieldSamplerID)},
	{304, "selectorAlgorithm", unsigned16, "", into(decoder.FieldSamplingAlgorithm).or(2)},
	{305, "samplingPacketInterval", unsigned32, "packets", fill{to: slotPacketInterval}},
	{306, "samplingPacketSpace", unsigned32, "packets", fill{to: slotPacketSpace}},
	{309, "samplingSize", unsigned32, "packets", fill{to: slotSamplingSize}},
	{310, "samplingPopulation", unsigned32, "packets", fill{to: slotSamplingPopulation}},
	{311, "samplingProbability", float64Type, "", fill{to: slotSamplingProbability}},
	{312, "dataLinkFrameSize", unsigned16, "octets", into(decoder.FieldFrameOctets)},
	{322, "observationTimeSeconds", dateTimeSeconds, "seconds", observed.on(clockSeconds, 3)},
	{323, "observationTimeMilliseconds", dateTimeMilliseconds, "milliseconds", observed.on(clockMilliseconds, 2)},
	{324, "observationTimeMicroseconds", dateTimeMicroseconds, "microseconds", observed.on(clockNTPMicroseconds, 1)},
	{325, "observationTimeNanoseconds", dateTimeNanoseconds, "nanoseconds", observed.on(clockNTP, 0)},
	{351, "layer2SegmentId", unsigned64, "", into(decoder.FieldLayer2SegmentID)},
}

// vendorElements are field types of NetFlow v9 beyond IANA's, all Cisco's.
var vendorElements = []element{
	{33002, "NF_F_FW_EXT_EVENT", unsigned16, "", into(decoder.FieldFirewallExtendedEvent)},
	{40005, "NF_F_FW_EVENT", unsigned8, "", into(decoder.FieldFirewallEvent).or(1)},
}

// reverseElements are the elements of reversePEN that fill something.
var reverseElements = []element{
	{1, "reverseOctetDeltaCount", unsigned64, "octets", into(decoder.FieldReverseOctets)},
	{2, "reversePacketDeltaCount", unsigned64, "packets", into(decoder.FieldReversePackets)},
	{85, "reverseOctetTotalCount", unsigned64, "octets", into(decoder.FieldReverseOctets).or(1)},
	{86, "reversePacketTotalCount", unsigned64, "packets", into(decoder.FieldReversePackets).or(1)},
}

// Ranks of counters, which tell their kind as well.
const (
	rankDelta = 0
	rankTotal = 1
	rankEvent = 2
)

// clock is how a time is exported.
type clock uint8

const (
	clockNone clock = iota
	clockUptime
	clockSeconds
	clockMilliseconds
	clockMicroseconds
	clockNTP
	clockNTPMicroseconds
	clockBeforeExport
)

// byID finds the elements without an enterprise number: index 0 is none.
var byID = func() (index [1 << 16]uint8) {
	for i, e := range elements {
		index[e.id] = uint8(i + 1)
	}
	return index
}()

// Describe returns the name of an element and its type, as IANA's registry has them: empty
// for one that fills nothing here.
func Describe(enterprise uint32, id uint16) (name, kind string) {
	e := lookUp(fieldSpec{enterprise: enterprise, id: id})
	if e == nil {
		return "", ""
	}
	return e.name, string(e.kind)
}

// lookUp returns the element that a field carries, or nil when it fills nothing.
func lookUp(f fieldSpec) *element {
	if f.enterprise == 0 {
		if i := byID[f.id]; i != 0 {
			return &elements[i-1]
		}
		return find(vendorElements, f.id)
	}
	if f.enterprise == reversePEN {
		return find(reverseElements, f.id)
	}
	return nil
}

func find(table []element, id uint16) *element {
	if i := slices.IndexFunc(table, func(e element) bool { return e.id == id }); i >= 0 {
		return &table[i]
	}
	return nil
}

// bitsOf returns how many bits the value at a place can have.
func bitsOf(to place) int {
	if to >= firstField && to < firstLabel {
		return fieldBits(decoder.Field(to - firstField))
	}
	switch to {
	case slotInput, slotOutput, slotSourceAS, slotDestinationAS, slotFirst, slotLast:
		return 32
	case slotSourcePort, slotDestinationPort, slotTCPFlags:
		return 16
	case slotProtocol, slotTOS, slotSourceLength4, slotDestinationLength4, slotSourceLength6,
		slotDestinationLength6, slotIPVersion, slotICMPType, slotICMPCode:
		return 8
	case slotSamplingInterval, slotRandomInterval, slotPacketInterval, slotPacketSpace,
		slotSamplingSize, slotSamplingPopulation:
		return 32
	default:
		return 64
	}
}

// fieldBits returns how many bits a field of decoder.Extension can have.
func fieldBits(f decoder.Field) int {
	switch f {
	case decoder.FieldSamplerID, decoder.FieldObservationPointID, decoder.FieldFlowID, decoder.FieldLayer2SegmentID,
		decoder.FieldPostPackets, decoder.FieldPostOctets, decoder.FieldReversePackets, decoder.FieldReverseOctets,
		decoder.FieldDroppedPackets, decoder.FieldDroppedOctets:
		return 64
	case decoder.FieldSourceMAC, decoder.FieldDestinationMAC, decoder.FieldPostSourceMAC, decoder.FieldPostDestinationMAC:
		return 48
	default:
		return 32
	}
}
