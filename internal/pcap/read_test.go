package pcap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flowpub/flowpub/internal/pcap/pcaptest"
)

// packed packs a file with gzip.
func packed(t *testing.T, file []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(file); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadFormats(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("flows"))
	// Links: 101 is raw IP. Time: 7.000250 s or, in nanoseconds, 7.000000250 s.
	little := func(magic int) []byte {
		return pcaptest.Join(le32(magic), le16(2), le16(4), le32(0), le32(0), le32(65535), le32(101),
			le32(7), le32(250), le32(len(ip)), le32(len(ip)), ip)
	}
	big := func(magic int) []byte {
		return pcaptest.Join(pcaptest.BE32(magic), pcaptest.BE16(2), pcaptest.BE16(4), pcaptest.BE32(0), pcaptest.BE32(0), pcaptest.BE32(65535), pcaptest.BE32(101),
			pcaptest.BE32(7), pcaptest.BE32(250), pcaptest.BE32(len(ip)), pcaptest.BE32(len(ip)), ip)
	}
	micro := []found{{"07.00025", pcaptest.Source4, "flows", false}}
	nano := []found{{"07.00000025", pcaptest.Source4, "flows", false}}
	v5 := pcaptest.Join(pcaptest.BE16(5), pcaptest.BE16(1), make([]byte, 20+48))
	tests := []struct {
		name    string
		capture []byte
		want    []found
	}{
		{"pcap little-endian", little(0xa1b2c3d4), micro},
		{"pcap big-endian", big(0xa1b2c3d4), micro},
		{"pcap little-endian, nanoseconds", little(0xa1b23c4d), nano},
		{"pcap big-endian, nanoseconds", big(0xa1b23c4d), nano},
		{"pcap, packed", packed(t, little(0xa1b2c3d4)), micro},
		{"pcap without packets", pcaptest.Pcap(101), nil},
		{"pcap with the length of a checksum", pcaptest.Join(pcaptest.Pcap(101)[:20], pcaptest.BE32(0x5400_0000|101), pcaptest.Pcap(101, ip)[24:]), []found{{"01", pcaptest.Source4, "flows", false}}},
		{"payload", v5, []found{{payload: string(v5)}}},
		{"payload, packed", packed(t, v5), []found{{payload: string(v5)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustPackets(t, tt.capture); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestReadPcapng(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("flows!"))
	describe := func(link int, options []byte) []byte {
		return block(1, pcaptest.Join(le16(link), le16(0), le32(0), options))
	}
	enhanced := func(i, high, low int, frame []byte) []byte {
		return block(6, pcaptest.Join(le32(i), le32(high), le32(low), le32(len(frame)), le32(len(frame)), frame))
	}
	raw := describe(101, nil)
	end := pcaptest.Join(le16(0), le16(0))
	one := func(time string) []found { return []found{{time, pcaptest.Source4, "flows!", false}} }
	// A big-endian section: header, interface, packet at 2 s.
	bigSection := pcaptest.Join(pcaptest.BE32(0x0a0d0d0a), pcaptest.BE32(28), pcaptest.BE32(0x1a2b3c4d), pcaptest.BE16(1), pcaptest.BE16(0), pcaptest.BE32(-1), pcaptest.BE32(-1), pcaptest.BE32(28),
		pcaptest.BE32(1), pcaptest.BE32(20), pcaptest.BE16(101), pcaptest.BE16(0), pcaptest.BE32(0), pcaptest.BE32(20),
		pcaptest.BE32(6), pcaptest.BE32(32+36), pcaptest.BE32(0), pcaptest.BE32(0), pcaptest.BE32(2_000_000), pcaptest.BE32(34), pcaptest.BE32(34), ip, 0, 0, pcaptest.BE32(32+36))
	tests := []struct {
		name    string
		capture []byte
		want    []found
	}{
		{"microseconds", pcaptest.Join(section(), raw, enhanced(0, 0, 1_500_000, ip)), one("01.5")},
		{"upper half of the time", pcaptest.Join(section(), raw, enhanced(0, 1, 0, ip)), one("34.967296")}, // 2^32 us are 71 min 34.967296 s
		{"nanoseconds", pcaptest.Join(section(), describe(101, pcaptest.Join(le16(9), le16(1), 9, 0, 0, 0, end)), enhanced(0, 0, 1_500_000, ip)), one("00.0015")},
		{"powers of two", pcaptest.Join(section(), describe(101, pcaptest.Join(le16(9), le16(1), 0x80|10, 0, 0, 0, end)), enhanced(0, 0, 2048, ip)), one("02")},
		{"the largest power of two", pcaptest.Join(section(), describe(101, pcaptest.Join(le16(9), le16(1), 0x80|63, 0, 0, 0)), enhanced(0, 0x6000_0000, 0, ip)), one("00.75")},
		{"offset", pcaptest.Join(section(), describe(101, pcaptest.Join(le16(14), le16(8), le32(30), le32(0), end)), enhanced(0, 0, 1_500_000, ip)), one("31.5")},
		{"option after others", pcaptest.Join(section(), describe(101, pcaptest.Join(le16(2), le16(5), "eth0 ", 0, 0, 0, le16(9), le16(1), 9, 0, 0, 0)), enhanced(0, 0, 1_500_000, ip)), one("00.0015")},
		{"second interface", pcaptest.Join(section(), describe(1, nil), describe(101, nil), enhanced(1, 0, 1_500_000, ip), enhanced(0, 0, 2_500_000, pcaptest.Ethernet(0x0800, ip))),
			append(one("01.5"), one("02.5")...)},
		{"second section", pcaptest.Join(section(), describe(1, nil), section(), raw, enhanced(0, 0, 1_500_000, ip)), one("01.5")},
		{"section in the other byte order", pcaptest.Join(section(), raw, enhanced(0, 0, 1_500_000, ip), bigSection), append(one("01.5"), one("02")...)},
		{"simple packet", pcaptest.Join(section(), raw, block(3, pcaptest.Join(le32(len(ip)), ip))), one("")},
		{"obsolete packet", pcaptest.Join(section(), raw, block(2, pcaptest.Join(le16(0), le16(3), le32(0), le32(1_500_000), le32(len(ip)), le32(len(ip)), ip))), one("01.5")},
		{"other blocks", pcaptest.Join(section(), block(4, []byte("names")), raw, block(0xbad, make([]byte, 1<<20)), enhanced(0, 0, 1_500_000, ip)), one("01.5")},
		{"packed", packed(t, pcaptest.Join(section(), raw, enhanced(0, 0, 1_500_000, ip))), one("01.5")},
		{"simple packet, cut", pcaptest.Join(section(), block(1, pcaptest.Join(le16(101), le16(0), le32(30))), block(3, pcaptest.Join(le32(len(ip)), ip[:30]))), []found{{"", pcaptest.Source4, "fl", true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustPackets(t, tt.capture); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("flows!"))
	whole := pcaptest.Pcap(101, ip)
	raw := block(1, pcaptest.Join(le16(101), le16(0), le32(0)))
	tests := []struct {
		name    string
		capture []byte
		want    string
	}{
		{"pcap cut in its header", whole[:20], "after 0 packets: unexpected EOF: the file was cut off"},
		{"pcap cut in a record header", whole[:30], "after 0 packets: unexpected EOF"},
		{"pcap cut in a frame", whole[:50], "after 0 packets: unexpected EOF"},
		{"pcap with a huge frame", pcaptest.Join(pcaptest.Pcap(101, ip), pcaptest.BE32(0), pcaptest.BE32(0), pcaptest.BE32(-1), pcaptest.BE32(-1)), "after 1 packets: capture length exceeds snap length: 4294967295 > 262144: the file is damaged"},
		{"pcap of another link type", pcaptest.Pcap(105, ip), "frames of link type 105 cannot be read: capture on"},
		{"gzip that is none", []byte("\x1f\x8bnonsense"), "begins like gzip, but"},
		{"gzip cut", packed(t, whole)[:40], "unexpected EOF"},
		{"empty", nil, "neither pcap nor pcapng, and does not begin like a datagram of NetFlow, IPFIX or sFlow; name a capture"},
		{"text", []byte("root:x:0:0:root:/root:/bin/bash\n"), "neither pcap nor pcapng"},
		{"text, packed", packed(t, []byte("flows")), "neither pcap nor pcapng"},
		{"payload too long", make([]byte, 65508), "more than 65507 bytes; save it as pcap"},
		{"pcapng cut in a block", pcaptest.Join(section(), raw)[:40], "after 0 packets: unexpected EOF"},
		{"pcapng cut in a block's header", pcaptest.Join(section(), raw)[:32], "unexpected EOF"},
		{"section without byte order", block(0x0a0d0d0a, make([]byte, 16)), "Wrong byte order value in Section Header: the file is damaged"},
		{"packet of no interface", pcaptest.Join(section(), block(6, make([]byte, 20))), "Interface id 0 not present in section"},
		{"packet of another link type", pcaptest.Join(section(), block(1, pcaptest.Join(le16(105), le16(0), le32(0))), block(6, make([]byte, 20))), "frames of link type 105"},
		{"a frame longer than the file", pcaptest.Join(section(), raw, block(6, pcaptest.Join(le32(0), le32(0), le32(0), le32(1<<30), le32(1<<30), make([]byte, 8)))), "unexpected EOF"},
		{"times finer than 64 bits", pcaptest.Join(section(), block(1, pcaptest.Join(le16(101), le16(0), le32(0), le16(9), le16(1), 0x80|64, 0, 0, 0))), "Timestamp resolution 2^-64 is too high"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := packetsOf(bytes.NewReader(tt.capture))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "pcap: ") {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
			if cut := strings.Contains(tt.want, "unexpected EOF"); errors.Is(err, io.ErrUnexpectedEOF) != cut {
				t.Errorf("error %v wraps io.ErrUnexpectedEOF: want %v", err, cut)
			}
		})
	}
}

func TestReadGivesWhatIsWhole(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("flows"))
	two := pcaptest.Pcap(101, ip, ip)
	got, err := packetsOf(bytes.NewReader(two[:len(two)-1]))
	if len(got) != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, error %v, want the first of two and io.ErrUnexpectedEOF", got, err)
	}
}

func TestReadStops(t *testing.T) {
	t.Parallel()
	ip := pcaptest.IPv4(0, 0, pcaptest.UDP("flows"))
	stop, calls := errors.New("enough"), 0
	err := Read(bytes.NewReader(pcaptest.Pcap(101, ip, ip)), anyPayload, func(Packet) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, error %v, want 1 and %v", calls, err, stop)
	}
}

func TestReadReportsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	for name, head := range map[string][]byte{"at once": nil, "in a pcap": pcaptest.Pcap(101, make([]byte, 9))[:40]} {
		input := io.MultiReader(bytes.NewReader(head), iotest.ErrReader(broken))
		if _, err := packetsOf(input); !errors.Is(err, broken) {
			t.Errorf("%s: error is %v, want %v", name, err, broken)
		}
	}
}
