package tail

import (
	"strconv"
	"strings"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// exportFormatNames are those of the export formats in tables.
var exportFormatNames = map[flowv1.ExportFormat]string{
	flowv1.ExportFormat_EXPORT_FORMAT_NETFLOW_V5: "v5",
	flowv1.ExportFormat_EXPORT_FORMAT_NETFLOW_V9: "v9",
	flowv1.ExportFormat_EXPORT_FORMAT_IPFIX:      "ipfix",
	flowv1.ExportFormat_EXPORT_FORMAT_SFLOW_V5:   "sflow",
}

// protocolNames are the protocols seen in flows, after the keywords of IANA's
// registry "Assigned Internet Protocol Numbers"; where operators say otherwise,
// as they say it (registry: IPv6-ICMP, OSPFIGP).
var protocolNames = map[uint32]string{
	1:   "ICMP",
	2:   "IGMP",
	4:   "IPv4",
	6:   "TCP",
	8:   "EGP",
	17:  "UDP",
	33:  "DCCP",
	41:  "IPv6",
	46:  "RSVP",
	47:  "GRE",
	50:  "ESP",
	51:  "AH",
	58:  "ICMPv6",
	88:  "EIGRP",
	89:  "OSPF",
	94:  "IPIP",
	103: "PIM",
	112: "VRRP",
	115: "L2TP",
	132: "SCTP",
	136: "UDPLite",
	137: "MPLS-in-IP",
}

// protocolName returns the protocol's name, or its number when it has none.
func protocolName(number uint32) string {
	if name, ok := protocolNames[number]; ok {
		return name
	}
	return strconv.FormatUint(uint64(number), 10)
}

// protocolNumber is the reverse of protocolName, whatever the case of letters.
func protocolNumber(text string) (number uint8, ok bool) {
	for number, name := range protocolNames {
		if strings.EqualFold(name, text) {
			return uint8(number), true
		}
	}
	n, err := strconv.ParseUint(text, 10, 8)
	return uint8(n), err == nil
}

// tcpFlagLetters are the flags of the TCP header (RFC 9293, section 3.1) from
// the highest bit to the lowest: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN.
const tcpFlagLetters = "CEUAPRSF"

// appendTCPFlags appends the letter of each flag that is set and a dot for each
// that is not: SYN and ACK are "...A..S.".
func appendTCPFlags(b []byte, flags uint32) []byte {
	for i := range len(tcpFlagLetters) {
		if flags>>(len(tcpFlagLetters)-1-i)&1 != 0 {
			b = append(b, tcpFlagLetters[i])
		} else {
			b = append(b, '.')
		}
	}
	return b
}

// appendAnomalies appends the names of the bits that are set, separated by
// commas; a bit without a name as its number.
func appendAnomalies(b []byte, anomalies uint32) []byte {
	separator := ""
	for bit := uint32(1); bit != 0 && bit <= anomalies; bit <<= 1 {
		if anomalies&bit == 0 {
			continue
		}
		b = append(b, separator...)
		if name, ok := flowv1.Anomaly_name[int32(bit)]; ok {
			b = append(b, strings.ToLower(strings.TrimPrefix(name, "ANOMALY_"))...)
		} else {
			b = strconv.AppendUint(b, uint64(bit), 10)
		}
		separator = ","
	}
	return b
}
