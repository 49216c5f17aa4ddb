package pcap

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

func TestFragments(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789abcdef", 4)
	udp := pcaptest.UDP(text) // 72 bytes: fragments of 32, 24 and 16
	const more = 0x2000
	first := pcaptest.IPv4(9, more, udp[:32])
	second := pcaptest.IPv4(9, more|4, udp[32:56])
	third := pcaptest.IPv4(9, 7, udp[56:])
	other := pcaptest.IPv4(10, more, udp[:32])
	v6 := func(offset, more int, body []byte) []byte {
		return pcaptest.IPv6(44, pcaptest.Join(17, 0, pcaptest.BE16(offset|more), pcaptest.BE32(9), body))
	}
	whole := func(at, source string) []found { return []found{{at, source, text, false}} }
	tests := []struct {
		name   string
		frames [][]byte
		want   []found
	}{
		{"in order", [][]byte{first, second, third}, whole("03", pcaptest.Source4)},
		{"backwards", [][]byte{third, second, first}, whole("03", pcaptest.Source4)},
		{"one twice", [][]byte{first, third, first, second}, whole("04", pcaptest.Source4)},
		{"two datagrams at once", [][]byte{first, other, second, third}, whole("04", pcaptest.Source4)},
		{"twice the same datagram", [][]byte{first, second, third, first, second, third},
			append(whole("03", pcaptest.Source4), whole("06", pcaptest.Source4)...)},
		{"one missing", [][]byte{first, third}, nil},
		{"the last missing", [][]byte{first, second}, nil},
		{"overlapping", [][]byte{first, pcaptest.IPv4(9, more|3, udp[24:56]), third}, nil},
		{"beyond the end of a packet", [][]byte{pcaptest.IPv4(9, more|0x1fff, udp)}, nil},
		{"padded", [][]byte{pcaptest.Join(first, "pad"), second, third}, whole("03", pcaptest.Source4)},
		{"IPv6, padded", [][]byte{pcaptest.Join(v6(0, 1, udp[:32]), "pad"), v6(32, 0, udp[32:])}, whole("02", pcaptest.Source6)},
		{"IPv6", [][]byte{v6(32, 1, udp[32:56]), v6(0, 1, udp[:32]), v6(56, 0, udp[56:])}, whole("03", pcaptest.Source6)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustPackets(t, pcaptest.Pcap(101, tt.frames...)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestFragmentsOfOldDatagram uses an id again after more than 30 s: a fragment
// left from its first use must not get into the datagram of the second.
func TestFragmentsOfOldDatagram(t *testing.T) {
	t.Parallel()
	var f fragments
	key := fragmentKey{id: 1}
	begun := time.Unix(1000, 0)
	f.add(key, begun, fragment{0, true, []byte("old 8 by")})
	f.add(key, begun.Add(31*time.Second), fragment{8, false, []byte("end")})
	if got := f.add(key, begun.Add(32*time.Second), fragment{0, true, []byte("new 8 by")}); string(got) != "new 8 byend" {
		t.Errorf("got %q, want that of the second use", got)
	}
}

func TestFragmentsAreBounded(t *testing.T) {
	t.Parallel()
	var f fragments
	at := time.Unix(1000, 0)
	source := netip.MustParseAddr("192.0.2.1")
	for id := range uint32(1000) {
		for offset := range 300 {
			f.add(fragmentKey{source, source, id}, at, fragment{8 + 16*offset, true, make([]byte, 8)})
		}
	}
	if len(f.waiting) != maxPending {
		t.Errorf("%d datagrams are kept, want %d", len(f.waiting), maxPending)
	}
	if !slices.ContainsFunc(f.waiting, func(p pending) bool { return p.key.id == 999 }) {
		t.Error("the newest datagram was not kept")
	}
	for _, p := range f.waiting {
		if len(p.parts) > maxFragments {
			t.Fatalf("%d fragments of a datagram are kept, want at most %d", len(p.parts), maxFragments)
		}
	}
}
