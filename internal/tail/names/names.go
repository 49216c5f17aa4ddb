// Package names holds the names of what flow records have as numbers: protocols,
// services, TCP flags, anomalies, export formats.
package names

import (
	"strconv"
	"strings"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// formatNames are those of the export formats in tables.
var formatNames = map[flowv1.ExportFormat]string{
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

// ProtocolName returns the protocol's name, or its number when it has none.
func ProtocolName(number uint32) string {
	if name, ok := protocolNames[number]; ok {
		return name
	}
	return strconv.FormatUint(uint64(number), 10)
}

// ProtocolNumber is the reverse of ProtocolName, whatever the case of letters.
func ProtocolNumber(text string) (number uint8, ok bool) {
	for number, name := range protocolNames {
		if strings.EqualFold(name, text) {
			return uint8(number), true
		}
	}
	n, err := strconv.ParseUint(text, 10, 8)
	return uint8(n), err == nil
}

// TCPFlagLetters are the flags of the TCP header (RFC 9293, section 3.1) from
// the highest bit to the lowest: CWR, ECE, URG, ACK, PSH, RST, SYN, FIN.
const TCPFlagLetters = "CEUAPRSF"

// AppendTCPFlags appends the letter of each flag that is set and a dot for each
// that is not: SYN and ACK are "...A..S.".
func AppendTCPFlags(b []byte, flags uint32) []byte {
	for i := range len(TCPFlagLetters) {
		if flags>>(len(TCPFlagLetters)-1-i)&1 != 0 {
			b = append(b, TCPFlagLetters[i])
		} else {
			b = append(b, '.')
		}
	}
	return b
}

// AppendAnomalies appends the names of the bits that are set, separated by
// commas; a bit without a name as its number.
func AppendAnomalies(b []byte, anomalies uint32) []byte {
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

// AnomalyBit returns the bit of an anomaly by its name, as AppendAnomalies writes it.
func AnomalyBit(name string) (bit uint32, ok bool) {
	number, ok := flowv1.Anomaly_value["ANOMALY_"+strings.ToUpper(name)]
	return uint32(number), ok && number != 0
}

// FormatName returns the name of an export format in tables; empty if it has none.
func FormatName(number uint64) string { return formatNames[flowv1.ExportFormat(number)] }

// FormatNumber is the reverse of FormatName. The longer names of FLOWPUB_FORMATS are
// understood, too.
func FormatNumber(name string) (number uint32, ok bool) {
	for format, short := range formatNames {
		if name == short || name == "netflow_"+short && short[0] == 'v' {
			return uint32(format), true
		}
	}
	return 0, false
}

// TCPFlags is the reverse of AppendTCPFlags: dots and the case of letters do not matter.
func TCPFlags(letters string) (flags uint8, ok bool) {
	for _, letter := range strings.ToUpper(letters) {
		i := strings.IndexRune(TCPFlagLetters, letter)
		if i < 0 && letter != '.' {
			return 0, false
		}
		if i >= 0 {
			flags |= 1 << (len(TCPFlagLetters) - 1 - i)
		}
	}
	return flags, flags != 0
}

// services are the ports that people know by name, by IANA's registry of service
// names; those of TCP and UDP that differ are left out.
var services = map[uint16]string{
	20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 43: "whois", 49: "tacacs", 53: "domain",
	67: "bootps", 68: "bootpc", 69: "tftp", 79: "finger", 80: "http", 88: "kerberos", 110: "pop3", 111: "sunrpc",
	119: "nntp", 123: "ntp", 135: "epmap", 137: "netbios-ns", 138: "netbios-dgm", 139: "netbios-ssn", 143: "imap",
	161: "snmp", 162: "snmptrap", 179: "bgp", 194: "irc", 389: "ldap", 443: "https", 445: "microsoft-ds", 465: "submissions",
	500: "isakmp", 514: "syslog", 515: "printer", 520: "rip", 546: "dhcpv6-client", 547: "dhcpv6-server", 554: "rtsp",
	587: "submission", 631: "ipp", 636: "ldaps", 646: "ldp", 853: "domain-s", 873: "rsync", 989: "ftps-data", 990: "ftps",
	993: "imaps", 995: "pop3s", 1194: "openvpn", 1433: "ms-sql-s", 1701: "l2tp", 1723: "pptp", 1812: "radius",
	1813: "radius-acct", 1883: "mqtt", 1900: "ssdp", 2049: "nfs", 3260: "iscsi-target",
	3306: "mysql", 3389: "ms-wbt-server", 3478: "stun", 3784: "bfd-control", 4500: "ipsec-nat-t", 4739: "ipfix", 4789: "vxlan",
	5060: "sip", 5061: "sips", 5222: "xmpp-client", 5353: "mdns", 5432: "postgresql", 5671: "amqps", 5672: "amqp",
	5900: "rfb", 6343: "sflow", 6379: "redis", 8080: "http-alt", 8443: "pcsync-https", 8883: "secure-mqtt",
	11211: "memcache", 27017: "mongodb",
}

// ServiceName returns the name of a port; empty if it has none here.
func ServiceName(port uint64) string {
	if port > 1<<16-1 {
		return ""
	}
	return services[uint16(port)]
}

// ServicePort is the reverse of ServiceName, whatever the case of letters.
func ServicePort(name string) (port uint16, ok bool) {
	if strings.EqualFold(name, "dns") { // as people say it
		name = "domain"
	}
	for port, service := range services {
		if strings.EqualFold(service, name) {
			return port, true
		}
	}
	return 0, false
}
