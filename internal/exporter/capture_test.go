package exporter

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
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

func TestReadCaptureFormats(t *testing.T) {
	t.Parallel()
	ip := ipv4From192(0, 0, udpTo2055("flows"))
	// Links: 101 is raw IP. Time: 7.000250 s or, in nanoseconds, 7.000000250 s.
	little := func(magic int, extra []byte) []byte {
		return join(le32(magic), le16(2), le16(4), le32(0), le32(0), le32(65535), le32(101),
			le32(7), le32(250), le32(len(ip)), le32(len(ip)), extra, ip)
	}
	big := func(magic int, extra []byte) []byte {
		return join(be32(magic), be16(2), be16(4), be32(0), be32(0), be32(65535), be32(101),
			be32(7), be32(250), be32(len(ip)), be32(len(ip)), extra, ip)
	}
	micro := []found{{"07.00025", from192, "flows", false}}
	nano := []found{{"07.00000025", from192, "flows", false}}
	v5 := join(be16(5), be16(1), make([]byte, 20+48))
	tests := []struct {
		name    string
		capture []byte
		want    []found
	}{
		{"pcap little-endian", little(0xa1b2c3d4, nil), micro},
		{"pcap big-endian", big(0xa1b2c3d4, nil), micro},
		{"pcap little-endian, nanoseconds", little(0xa1b23c4d, nil), nano},
		{"pcap big-endian, nanoseconds", big(0xa1b23c4d, nil), nano},
		{"pcap little-endian, modified", little(0xa1b2cd34, make([]byte, 8)), micro},
		{"pcap big-endian, modified", big(0xa1b2cd34, make([]byte, 8)), micro},
		{"pcap, packed", packed(t, little(0xa1b2c3d4, nil)), micro},
		{"pcap without packets", pcapBig(101), nil},
		{"pcap with the length of a checksum", join(pcapBig(101)[:20], be32(0x5400_0000|101), pcapBig(101, ip)[24:]), []found{{"01", from192, "flows", false}}},
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

func TestReadCapturePcapng(t *testing.T) {
	t.Parallel()
	ip := ipv4From192(0, 0, udpTo2055("flows!"))
	describe := func(link int, options []byte) []byte { return block(1, join(le16(link), le16(0), le32(0), options)) }
	enhanced := func(i, high, low int, frame []byte) []byte {
		return block(6, join(le32(i), le32(high), le32(low), le32(len(frame)), le32(len(frame)), frame))
	}
	raw := describe(101, nil)
	end := join(le16(0), le16(0))
	one := func(time string) []found { return []found{{time, from192, "flows!", false}} }
	// A big-endian section: header, interface, packet at 2 s.
	bigSection := join(be32(0x0a0d0d0a), be32(28), be32(0x1a2b3c4d), be16(1), be16(0), be32(-1), be32(-1), be32(28),
		be32(1), be32(20), be16(101), be16(0), be32(0), be32(20),
		be32(6), be32(32+36), be32(0), be32(0), be32(2_000_000), be32(34), be32(34), ip, 0, 0, be32(32+36))
	tests := []struct {
		name    string
		capture []byte
		want    []found
	}{
		{"microseconds", join(section(), raw, enhanced(0, 0, 1_500_000, ip)), one("01.5")},
		{"upper half of the time", join(section(), raw, enhanced(0, 1, 0, ip)), one("34.967296")}, // 2^32 us are 71 min 34.967296 s
		{"nanoseconds", join(section(), describe(101, join(le16(9), le16(1), 9, 0, 0, 0, end)), enhanced(0, 0, 1_500_000, ip)), one("00.0015")},
		{"powers of two", join(section(), describe(101, join(le16(9), le16(1), 0x80|10, 0, 0, 0, end)), enhanced(0, 0, 1536, ip)), one("01.5")},
		{"the largest power of two", join(section(), describe(101, join(le16(9), le16(1), 0x80|63, 0, 0, 0)), enhanced(0, 0x6000_0000, 0, ip)), one("00.75")},
		{"offset", join(section(), describe(101, join(le16(14), le16(8), le32(30), le32(0), end)), enhanced(0, 0, 1_500_000, ip)), one("31.5")},
		{"option after others", join(section(), describe(101, join(le16(2), le16(5), "eth0 ", 0, 0, 0, le16(9), le16(1), 9, 0, 0, 0)), enhanced(0, 0, 1_500_000, ip)), one("00.0015")},
		{"second interface", join(section(), describe(1, nil), describe(101, nil), enhanced(1, 0, 1_500_000, ip), enhanced(0, 0, 2_500_000, ethernet(0x0800, ip))),
			append(one("01.5"), one("02.5")...)},
		{"second section", join(section(), describe(1, nil), section(), raw, enhanced(0, 0, 1_500_000, ip)), one("01.5")},
		{"section in the other byte order", join(section(), raw, enhanced(0, 0, 1_500_000, ip), bigSection), append(one("01.5"), one("02")...)},
		{"simple packet", join(section(), raw, block(3, join(le32(len(ip)), ip))), one("")},
		{"obsolete packet", join(section(), raw, block(2, join(le16(0), le16(3), le32(0), le32(1_500_000), le32(len(ip)), le32(len(ip)), ip))), one("01.5")},
		{"other blocks", join(section(), block(5, []byte("statistics")), raw, block(0xbad, make([]byte, maxBlock)), enhanced(0, 0, 1_500_000, ip)), one("01.5")},
		{"packed", packed(t, join(section(), raw, enhanced(0, 0, 1_500_000, ip))), one("01.5")},
		{"simple packet, cut", join(section(), block(1, join(le16(101), le16(0), le32(30))), block(3, join(le32(len(ip)), ip[:30]))), []found{{"", from192, "fl", true}}},
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

func TestReadCaptureErrors(t *testing.T) {
	t.Parallel()
	ip := ipv4From192(0, 0, udpTo2055("flows!"))
	whole := pcapBig(101, ip)
	raw := block(1, join(le16(101), le16(0), le32(0)))
	tests := []struct {
		name    string
		capture []byte
		want    string
	}{
		{"pcap cut in its header", whole[:20], "offset 20: unexpected EOF: the file was cut off"},
		{"pcap cut in a record header", whole[:30], "offset 30: unexpected EOF"},
		{"pcap cut in a frame", whole[:50], "offset 50: unexpected EOF"},
		{"pcap with a huge frame", join(pcapBig(101), be32(0), be32(0), be32(-1), be32(-1)), "offset 40: a frame of 4294967295 bytes, more than 262144: the file is damaged"},
		{"pcap of another link type", pcapBig(105, ip), "offset 24: frames of link type 105 cannot be read: capture on"},
		{"gzip that is none", []byte("\x1f\x8bnonsense"), "begins like gzip, but"},
		{"gzip cut", packed(t, whole)[:40], "unexpected EOF"},
		{"empty", nil, "neither pcap nor pcapng, and does not begin like a datagram of NetFlow, IPFIX or sFlow; name a capture"},
		{"text", []byte("root:x:0:0:root:/root:/bin/bash\n"), "neither pcap nor pcapng"},
		{"text, packed", packed(t, []byte("flows")), "neither pcap nor pcapng"},
		{"payload too long", make([]byte, 65508), "more than 65507 bytes; save it as pcap"},
		{"pcapng cut in a block", join(section(), raw)[:40], "offset 40: unexpected EOF"},
		{"pcapng cut in a block's header", join(section(), raw)[:32], "offset 32: unexpected EOF"},
		{"section without byte order", block(0x0a0d0d0a, make([]byte, 16)), "offset 12: a section's byte order mark is 00000000"},
		{"section too short", block(0x0a0d0d0a, le32(0x1a2b3c4d)), "a section header of 16 bytes"},
		{"block too short", join(section(), le32(1), le32(8)), "offset 36: a block of 8 bytes; lengths are multiples of 4 from 12 up"},
		{"block of an odd length", join(section(), le32(5), le32(13)), "a block of 13 bytes"},
		{"block too long", join(section(), raw, le32(6), le32(1<<20)), "a block of 1048576 bytes, more than 327680"},
		{"block with two lengths", join(section(), raw[:16], le32(24)), "a block of 20 bytes ends as one of 24"},
		{"interface too short", join(section(), block(1, le32(101))), "an interface description of 4 bytes"},
		{"packet too short", join(section(), raw, block(6, make([]byte, 16))), "a packet block of 16 bytes"},
		{"obsolete packet too short", join(section(), raw, block(2, make([]byte, 16))), "an obsolete packet block of 16 bytes"},
		{"simple packet too short", join(section(), raw, block(3, nil)), "a simple packet block of 0 bytes"},
		{"packet of no interface", join(section(), block(6, make([]byte, 20))), "a packet of interface 0, of which the section describes 0"},
		{"packet of another link type", join(section(), block(1, join(le16(105), le16(0), le32(0))), block(6, make([]byte, 20))), "frames of link type 105"},
		{"frame longer than its block", join(section(), raw, block(6, join(le32(0), le32(0), le32(0), le32(9), le32(9), make([]byte, 8)))), "a frame of 9 bytes in a block that has 8 left"},
		{"times too fine", join(section(), block(1, join(le16(101), le16(0), le32(0), le16(9), le16(1), 20, 0, 0, 0))), "times in units of 0x14 (if_tsresol)"},
		{"times finer than 64 bits", join(section(), block(1, join(le16(101), le16(0), le32(0), le16(9), le16(1), 0x80|64, 0, 0, 0))), "times in units of 0xc0 (if_tsresol)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := packetsOf(bytes.NewReader(tt.capture))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "exporter: capture: ") {
				t.Errorf("error is %v, want one with %q", err, tt.want)
			}
			if cut := strings.Contains(tt.want, "unexpected EOF"); errors.Is(err, io.ErrUnexpectedEOF) != cut {
				t.Errorf("error %v wraps io.ErrUnexpectedEOF: want %v", err, cut)
			}
		})
	}
}

func TestReadCaptureGivesWhatIsWhole(t *testing.T) {
	t.Parallel()
	ip := ipv4From192(0, 0, udpTo2055("flows"))
	two := pcapBig(101, ip, ip)
	got, err := packetsOf(bytes.NewReader(two[:len(two)-1]))
	if len(got) != 1 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, error %v, want the first of two and io.ErrUnexpectedEOF", got, err)
	}
}

func TestReadCaptureStops(t *testing.T) {
	t.Parallel()
	ip := ipv4From192(0, 0, udpTo2055("flows"))
	stop, calls := errors.New("enough"), 0
	err := ReadCapture(bytes.NewReader(pcapBig(101, ip, ip)), func(Packet) error {
		calls++
		return stop
	})
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, error %v, want 1 and %v", calls, err, stop)
	}
}

func TestReadCaptureReportsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	for name, head := range map[string][]byte{"at once": nil, "in a pcap": pcapBig(101, make([]byte, 9))[:40]} {
		input := io.MultiReader(bytes.NewReader(head), iotest.ErrReader(broken))
		if _, err := packetsOf(input); !errors.Is(err, broken) {
			t.Errorf("%s: error is %v, want %v", name, err, broken)
		}
	}
}
