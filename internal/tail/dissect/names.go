package dissect

import "github.com/flowpub/flowpub/decoder/template"

// element is an information element of IANA's registry that fills nothing in a flow record, but that
// exporters send.
type element struct{ name, kind string }

// others are those of them that are met often, most of all in options.
var others = map[uint16]element{
	3: {"deltaFlowCount", "unsigned64"}, 33: {"igmpType", "unsigned8"}, 36: {"flowActiveTimeout", "unsigned16"},
	37: {"flowIdleTimeout", "unsigned16"}, 38: {"engineType", "unsigned8"}, 39: {"engineId", "unsigned8"},
	40: {"exportedOctetTotalCount", "unsigned64"}, 41: {"exportedMessageTotalCount", "unsigned64"},
	42: {"exportedFlowRecordTotalCount", "unsigned64"}, 44: {"sourceIPv4Prefix", "ipv4Address"},
	45: {"destinationIPv4Prefix", "ipv4Address"}, 46: {"mplsTopLabelType", "unsigned8"}, 82: {"interfaceName", ""},
	83: {"interfaceDescription", ""}, 84: {"samplerName", ""}, 94: {"applicationDescription", ""}, 96: {"applicationName", ""},
	141: {"lineCardId", "unsigned32"}, 142: {"portId", "unsigned32"}, 143: {"meteringProcessId", "unsigned32"},
	144: {"exportingProcessId", "unsigned32"}, 145: {"templateId", "unsigned16"}, 147: {"wlanSSID", ""},
	149: {"observationDomainId", "unsigned32"}, 163: {"observedFlowTotalCount", "unsigned64"},
	201: {"mplsLabelStackLength", "unsigned32"}, 210: {"paddingOctets", ""}, 211: {"collectorIPv4Address", "ipv4Address"},
	217: {"collectorTransportPort", "unsigned16"}, 239: {"biflowDirection", "unsigned8"}, 313: {"ipHeaderPacketSection", ""},
	346: {"privateEnterpriseNumber", "unsigned32"}, 371: {"userName", ""},
}

// describe returns the name and type of an element; empty if it is not known.
func describe(enterprise uint32, id uint16) (name, kind string) {
	if name, kind = template.Describe(enterprise, id); name != "" || enterprise != 0 {
		return name, kind
	}
	return others[id].name, others[id].kind
}
