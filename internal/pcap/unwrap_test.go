package pcap

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

func TestUnwrapLinks(t *testing.T) {
	t.Parallel()
	v4, v6 := pcaptest.IPv4(0, 0, pcaptest.UDP("flows")), pcaptest.IPv6(17, pcaptest.UDP("flows"))
	is4 := []found{{"01", pcaptest.Source4, "flows", false}}
	is6 := []found{{"01", pcaptest.Source6, "flows", false}}
	vlan := pcaptest.BE16(100)
	sll := make([]byte, 14)
	tests := []struct {
		name  string
		link  int
		frame []byte
		want  []found
	}{
		{"Ethernet", 1, pcaptest.Ethernet(0x0800, v4), is4},
		{"Ethernet, IPv6", 1, pcaptest.Ethernet(0x86dd, v6), is6},
		{"Ethernet, padded", 1, pcaptest.Join(pcaptest.Ethernet(0x0800, v4), make([]byte, 9)), is4},
		{"VLAN", 1, pcaptest.Ethernet(0x8100, pcaptest.Join(vlan, pcaptest.BE16(0x0800), v4)), is4},
		{"QinQ", 1, pcaptest.Ethernet(0x88a8, pcaptest.Join(vlan, pcaptest.BE16(0x8100), vlan, pcaptest.BE16(0x86dd), v6)), is6},
		{"QinQ, old", 1, pcaptest.Ethernet(0x9100, pcaptest.Join(vlan, pcaptest.BE16(0x8100), vlan, pcaptest.BE16(0x0800), v4)), is4},
		{"PPPoE", 1, pcaptest.Ethernet(0x8864, pcaptest.Join(0x11, 0, pcaptest.BE16(1), pcaptest.BE16(len(v4)+2), pcaptest.BE16(0x21), v4)), is4},
		{"PPPoE in a VLAN, IPv6", 1, pcaptest.Ethernet(0x8100, pcaptest.Join(vlan, pcaptest.BE16(0x8864), 0x11, 0, pcaptest.BE16(1), pcaptest.BE16(len(v6)+2), pcaptest.BE16(0x57), v6)), is6},
		{"PPPoE, link control", 1, pcaptest.Ethernet(0x8864, pcaptest.Join(0x11, 0, pcaptest.BE16(1), pcaptest.BE16(4), pcaptest.BE16(0xc021), v4)), nil},
		{"MPLS, two labels", 1, pcaptest.Ethernet(0x8847, pcaptest.Join(0, 1, 0, 64, 0, 2, 1, 64, v4)), is4},
		{"MPLS, IPv6", 1, pcaptest.Ethernet(0x8848, pcaptest.Join(0, 2, 1, 64, v6)), is6},
		{"MPLS without an end", 1, pcaptest.Ethernet(0x8847, pcaptest.Join(0, 1, 0, 64)), nil},
		{"ARP", 1, pcaptest.Ethernet(0x0806, make([]byte, 28)), nil},
		{"Ethernet, short", 1, make([]byte, 13), nil},
		{"Ethernet, empty", 1, nil, nil},
		{"VLAN, short", 1, pcaptest.Ethernet(0x8100, vlan), nil},
		{"PPPoE, short", 1, pcaptest.Ethernet(0x8864, make([]byte, 7)), nil},
		{"BSD loopback", 0, pcaptest.Join(2, 0, 0, 0, v4), is4},
		{"OpenBSD loopback, IPv6", 108, pcaptest.Join(0, 0, 0, 24, v6), is6},
		{"BSD loopback, short", 0, pcaptest.Join(2, 0, 0), nil},
		{"raw", 101, v4, is4},
		{"raw, IPv6", 101, v6, is6},
		{"raw, BSD", 12, v4, is4},
		{"raw, old", 14, v4, is4},
		{"IPv4", 228, v4, is4},
		{"IPv6", 229, v6, is6},
		{"Linux cooked", 113, pcaptest.Join(sll, pcaptest.BE16(0x0800), v4), is4},
		{"Linux cooked, VLAN", 113, pcaptest.Join(sll, pcaptest.BE16(0x8100), vlan, pcaptest.BE16(0x86dd), v6), is6},
		{"Linux cooked 2", 276, pcaptest.Join(pcaptest.BE16(0x0800), make([]byte, 18), v4), is4},
		{"Linux cooked 2, short", 276, pcaptest.Join(pcaptest.BE16(0x0800), make([]byte, 17)), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustPackets(t, pcaptest.Pcap(tt.link, tt.frame)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestUnwrapPackets(t *testing.T) {
	t.Parallel()
	udp := pcaptest.UDP("flows")
	v4 := pcaptest.IPv4(0, 0, udp)
	at := func(b []byte, offset, value int) []byte {
		b = bytes.Clone(b)
		b[offset] = byte(value)
		return b
	}
	extension := func(next, length int) []byte { return pcaptest.Join(next, length/8-1, make([]byte, length-2)) }
	is4 := []found{{"01", pcaptest.Source4, "flows", false}}
	is6 := []found{{"01", pcaptest.Source6, "flows", false}}
	tests := []struct {
		name  string
		frame []byte
		want  []found
	}{
		{"options", pcaptest.Join(0x46, 0, pcaptest.BE16(24+len(udp)), v4[4:20], 1, 1, 1, 1, udp), is4},
		{"segmented after capture", at(v4, 3, 0), is4},
		{"bytes after the packet", pcaptest.Join(v4, "trailer"), is4},
		{"cut by the snap length", v4[:30], []found{{"01", pcaptest.Source4, "fl", true}}},
		{"TCP", at(v4, 9, 6), nil},
		{"header of 16 bytes", at(v4, 0, 0x44), nil},
		{"header longer than the packet", at(v4, 0, 0x4f), nil},
		{"shorter than its header", v4[:19], nil},
		{"no UDP header", pcaptest.IPv4(0, 0, udp[:7]), nil},
		{"UDP length of 0", pcaptest.IPv4(0, 0, at(udp, 5, 0)), is4},
		{"UDP length below its header", pcaptest.IPv4(0, 0, at(udp, 5, 7)), nil},
		{"UDP length below the packet", pcaptest.IPv4(0, 0, at(udp, 5, 10)), []found{{"01", pcaptest.Source4, "fl", false}}},
		{"no IP version", at(v4, 0, 0x55), nil},
		{"IPv6 extensions", pcaptest.IPv6(0, pcaptest.Join(extension(60, 8), extension(43, 16), extension(17, 24), udp)), is6},
		{"IPv6 extension cut", pcaptest.IPv6(0, extension(17, 24)[:20]), nil},
		{"IPv6 extensions without end", pcaptest.IPv6(0, extension(0, 8)), nil},
		{"IPv6, TCP", pcaptest.IPv6(6, udp), nil},
		{"IPv6, short", pcaptest.IPv6(17, udp)[:39], nil},
		{"IPv6, bytes after the packet", pcaptest.Join(pcaptest.IPv6(17, udp), "trailer"), is6},
		{"IPv6, a single fragment", pcaptest.IPv6(44, pcaptest.Join(17, 0, pcaptest.BE16(0), pcaptest.BE32(9), udp)), is6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustPackets(t, pcaptest.Pcap(101, tt.frame)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
