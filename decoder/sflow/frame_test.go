package sflow_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// sampleRow is what a flow sample has without any record.
func sampleRow(more row) row {
	r := row{"sequence": "9", "source": "0:5", "source_id": "5", "rate": "1000", "drops": "2", "input": "11", "output": "12"}
	maps.Copy(r, more)
	return r
}

// with returns the values of both rows.
func with(rows ...row) row {
	all := row{}
	for _, r := range rows {
		maps.Copy(all, r)
	}
	return all
}

var (
	ethernet  = row{"source_mac": "02:00:00:00:00:01", "destination_mac": "02:00:00:00:00:02"}
	v4        = row{"tos": "40", "octets": "40", "ttl": "61", "protocol": "6", "source_address": "10.1.1.1", "destination_address": "198.51.100.9"}
	v6        = row{"tos": "40", "octets": "60", "ttl": "64", "protocol": "6", "flow_label": "74565", "source_address": "2001:db8::1", "destination_address": "2001:db8::2"}
	tcpPorts  = row{"source_port": "40000", "destination_port": "443", "tcp_flags": "24"}
	type4     = row{"ethertype": "2048"}
	type6     = row{"ethertype": "34525"}
	truncated = row{"anomalies": "32768"}
	oddValue  = row{"anomalies": "16384"}
)

// Frames, and what their specifications say is in them, worked out by hand.
var frames = []struct {
	name     string
	protocol uint32
	length   uint32
	frame    string
	want     row
}{
	{"IPv4 in Ethernet", 1, 64, macs + "0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts)},
	{"IPv6 in Ethernet", 1, 78, macs + "86dd" + ip6 + tcp, with(ethernet, type6, v6, tcpPorts)},
	{"IPv4", 11, 44, ip4 + tcp, with(v4, tcpPorts)},
	{"IPv6", 12, 64, ip6 + tcp, with(v6, tcpPorts)},
	{"MPLS, two labels", 13, 52, "03e80040 00011140" + ip4 + tcp, with(v4, tcpPorts, row{"labels": "[16000 17]"})},
	{"VLAN", 1, 68, macs + vlan10 + "0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts, row{"vlan": "10"})},
	{"QinQ", 1, 72, macs + "88a8 200a 8100 f014 0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts, row{"vlan": "10", "customer_vlan": "20"})},
	{"three tags", 1, 76, macs + "9100 000a 8100 0014 8100 001e 0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts, row{"vlan": "10", "customer_vlan": "20"})},
	{"priority tag", 1, 68, macs + "8100 6000 0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts)},
	{"VLAN, MPLS, IPv6", 1, 86, macs + vlan10 + "8847 00010140" + ip6 + tcp, with(ethernet, v6, tcpPorts, row{"vlan": "10", "ethertype": "34887", "labels": "[16]"})},
	{"MPLS with a pseudowire", 1, 90, macs + "8847 00010140 00000000" + macs + "0800" + ip4, with(ethernet, row{"ethertype": "34887", "labels": "[16]"})},
	{"MPLS, 12 labels", 13, 100, strings.Repeat("00001040", 11) + "00002140" + ip4 + tcp, with(v4, tcpPorts, row{"labels": "[1 1 1 1 1 1 1 1 1 1]", "anomalies": "4096"})},
	{"ARP", 1, 64, macs + "0806 0001 0800 0604 0001 020000000001 0a010101 000000000000 0a010102", with(ethernet, row{"ethertype": "2054"})},
	{"IPv4 with options", 11, 48, "46 28 002c 1234 0000 3d 06 0000 0a010101 c6336409 01010101" + tcp, with(v4, tcpPorts, row{"octets": "44"})},
	{"do not fragment", 11, 44, "45 28 0028 1234 4000 3d 06 0000 0a010101 c6336409" + tcp, with(v4, tcpPorts, row{"fragment_flags": "64"})},
	{"first fragment", 11, 44, "45 28 0028 1234 2000 3d 06 0000 0a010101 c6336409" + tcp, with(v4, tcpPorts, row{"more_fragments": "true", "fragment_flags": "32", "fragment": "4660"})},
	{"last fragment", 11, 44, "45 28 0028 1234 00b9 3d 06 0000 0a010101 c6336409" + tcp, with(v4, row{"fragment_offset": "185", "fragment": "4660"})},
	{"UDP", 11, 44, "45 00 0028 0000 0000 3d 11 0000 0a010101 c6336409 0035 1f90 0014 0000", with(v4, row{"tos": "", "protocol": "17", "source_port": "53", "destination_port": "8080"})},
	{"UDP-Lite", 11, 44, "45 00 0028 0000 0000 3d 88 0000 0a010101 c6336409 0035 1f90 0014 0000", with(v4, row{"tos": "", "protocol": "136", "source_port": "53", "destination_port": "8080"})},
	{"SCTP", 11, 44, "45 00 0028 0000 0000 3d 84 0000 0a010101 c6336409 0035 1f90 00000000", with(v4, row{"tos": "", "protocol": "132", "source_port": "53", "destination_port": "8080"})},
	{"ICMP", 11, 44, "45 00 0028 0000 0000 3d 01 0000 0a010101 c6336409 0301 0000", with(v4, row{"tos": "", "protocol": "1", "icmp": "769"})},
	{"ICMPv6", 12, 64, "60000000 0014 3a 40 20010db8000000000000000000000001 20010db8000000000000000000000002 8700 0000", with(v6, row{"tos": "", "flow_label": "", "protocol": "58", "icmp": "34560"})},
	{"accurate ECN", 11, 44, ip4 + "9c40 01bb 00000001 00000002 5118 03e8 0000 0000", with(v4, tcpPorts, row{"tcp_flags": "280"})},
	{"IPv6 options, routing, transport", 12, 200, "60000000 0034 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002" +
		"2b00 010400000000 3c01 010c00000000 0000000000000000 0600 010400000000" + tcp,
		with(v6, tcpPorts, row{"tos": "", "flow_label": "", "octets": "92"})},
	{"IPv6 first fragment", 12, 72, "60000000 001c 2c 40 20010db8000000000000000000000001 20010db8000000000000000000000002 0600 0001 0000abcd" + tcp,
		with(v6, tcpPorts, row{"tos": "", "flow_label": "", "octets": "68", "more_fragments": "true", "fragment_flags": "32", "fragment": "43981"})},
	{"IPv6 last fragment", 12, 72, "60000000 001c 2c 40 20010db8000000000000000000000001 20010db8000000000000000000000002 0600 05c8 0000abcd" + tcp,
		with(v6, row{"tos": "", "flow_label": "", "octets": "68", "fragment_offset": "185", "fragment": "43981"})},
	{"IPv6 without a next header", 12, 44, "60000000 0000 3b 40 20010db8000000000000000000000001 20010db8000000000000000000000002",
		with(v6, row{"tos": "", "flow_label": "", "octets": "40", "protocol": "59"})},
	{"VXLAN", 11, 100, "45 00 0060 0000 0000 3d 11 0000 0a010101 c6336409 c000 12b5 004c 0000 08000000 00abcd00" + macs + "0800" + ip4,
		with(v4, row{"tos": "", "octets": "96", "protocol": "17", "source_port": "49152", "destination_port": "4789", "segment": "72057594037971917"})},
	{"NVGRE", 11, 100, "45 00 0060 0000 0000 3d 2f 0000 0a010101 c6336409 2000 6558 00abcd07" + macs + "0800" + ip4,
		with(v4, row{"tos": "", "octets": "96", "protocol": "47", "segment": "144115188075899853"})},
	{"GRE", 11, 100, "45 00 0060 0000 0000 3d 2f 0000 0a010101 c6336409 0000 0800" + ip4, with(v4, row{"tos": "", "octets": "96", "protocol": "47"})},
	{"IP in IP", 11, 100, "45 00 0060 0000 0000 3d 04 0000 0a010101 c6336409" + ip4 + tcp, with(v4, row{"tos": "", "octets": "96", "protocol": "4"})},
	{"IPv6 in IP", 11, 100, "45 00 0060 0000 0000 3d 29 0000 0a010101 c6336409" + ip6 + tcp, with(v4, row{"tos": "", "octets": "96", "protocol": "41"})},
	{"PPP", 7, 60, "ff03 0021" + ip4, row{}},
	{"no byte", 1, 64, "", truncated},
	{"cut in the destination", 1, 64, "02000000", truncated},
	{"cut in the source", 1, 64, "020000000002 0200", with(row{"destination_mac": "02:00:00:00:00:02"}, truncated)},
	{"cut before the EtherType", 1, 64, macs, with(ethernet, truncated)},
	{"cut in a tag", 1, 64, macs + "8100 00", with(ethernet, truncated)},
	{"cut in the labels", 13, 64, "00001040 0000", with(row{"labels": "[1]"}, truncated)},
	{"cut behind the labels", 13, 64, "00001140", with(row{"labels": "[1]"}, truncated)},
	{"cut in IPv4", 1, 64, macs + "0800 4528 0028 1234 0000 3d06 0000 0a010101 c633", with(ethernet, type4, truncated)},
	{"cut in IPv6", 12, 64, "62812345 0014 06 40 20010db8000000000000000000000001", truncated},
	{"cut in options", 11, 48, "46 28 002c 1234 0000 3d 06 0000 0a010101 c6336409 0101", with(v4, row{"octets": "44"}, truncated)},
	{"cut behind IPv4", 11, 44, ip4, with(v4, truncated)},
	{"cut behind the ports", 11, 44, ip4 + "9c40 01bb 00000001", with(v4, row{"source_port": "40000", "destination_port": "443"}, truncated)},
	{"cut in the ports", 11, 44, ip4 + "9c40 01", with(v4, truncated)},
	{"cut in ICMP", 11, 44, "45 00 0028 0000 0000 3d 01 0000 0a010101 c6336409 03", with(v4, row{"tos": "", "protocol": "1"}, truncated)},
	{"cut in IPv6 options", 12, 200, "60000000 0034 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002 2b05 0104",
		with(v6, row{"tos": "", "flow_label": "", "octets": "92", "protocol": ""}, truncated)},
	{"options beyond the cut", 12, 200, "60000000 0034 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002 06ff 010400000000 9c4001bb",
		with(v6, row{"tos": "", "flow_label": "", "octets": "92"}, truncated)},
	{"length 0, segmented later", 1, 9014, macs + "0800 45 28 0000 1234 0000 3d 06 0000 0a010101 c6336409" + tcp, with(ethernet, type4, v4, tcpPorts, row{"octets": ""}, oddValue)},
	{"longer than the frame", 1, 53, macs + "0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts, oddValue)},
	{"as long as the frame", 1, 54, macs + "0800" + ip4 + tcp, with(ethernet, type4, v4, tcpPorts)},
	{"IPv6 of length 0", 12, 9000, "60000000 0000 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002" + tcp,
		with(v6, tcpPorts, row{"tos": "", "flow_label": "", "octets": "40"}, oddValue)},
	{"no IPv4 in spite of the EtherType", 1, 64, macs + "0800" + ip6, with(ethernet, type4, oddValue)},
	{"an IPv4 header of 16 bytes", 11, 64, "44 28 0028 1234 0000 3d 06 0000 0a010101 c6336409" + tcp, oddValue},
	{"no IPv6 in spite of the EtherType", 1, 64, macs + "86dd" + ip4 + tcp, with(ethernet, type6, oddValue)},
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, c := range frames {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := sampleRow(c.want)
			want.set("frame", c.length)
			maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
			var p decoder.ExportPacket
			var s sflow.Samples
			if err := sflow.Decode(datagram(1, sample(header(c.protocol, c.length, unhex(t, c.frame)))), &p, &s); err != nil {
				t.Fatal(err)
			}
			r := got(&p, &s, 0)
			if !maps.Equal(r, want) {
				t.Errorf("%v, want\n%v", r, want)
			}
		})
	}
}

// Of a packet of any length, cut anywhere, what is before the cut is as in the whole one.
func TestFramesCutAnywhere(t *testing.T) {
	t.Parallel()
	for _, c := range frames {
		whole := decodeFrame(t, c.protocol, unhex(t, c.frame))
		for n := range unhex(t, c.frame) {
			cut := decodeFrame(t, c.protocol, unhex(t, c.frame)[:n])
			for name, value := range cut {
				switch name {
				case "anomalies", "protocol", "labels": // of IPv6 the next header that is there; labels one by one
				default:
					if whole[name] != value {
						t.Errorf("%s, cut to %d bytes: %s is %s, uncut %s", c.name, n, name, value, whole[name])
					}
				}
			}
		}
	}
}

// decodeFrame returns the row of a sample with a frame.
func decodeFrame(t *testing.T, protocol uint32, frame []byte) row {
	t.Helper()
	var p decoder.ExportPacket
	var s sflow.Samples
	if err := sflow.Decode(datagram(1, sample(header(protocol, 1500, frame))), &p, &s); err != nil {
		t.Fatal(err)
	}
	return got(&p, &s, 0)
}
