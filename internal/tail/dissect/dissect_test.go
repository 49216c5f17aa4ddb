package dissect

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/corpus"
	"github.com/flowpub/flowpub/internal/pcap"
	"github.com/flowpub/flowpub/internal/testwait"
)

var exporter = netip.MustParseAddrPort("192.0.2.1:50000")

// received is 2023-11-14 22:13:20.5 UTC, as are 0x6553f100 seconds.
var received = time.Unix(1_700_000_000, 500_000_000)

// bytes are those of hexadecimal digits, in any number of pieces.
func bytes(t *testing.T, pieces ...string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(pieces, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The datagrams are put together by the specifications, field by field.
func TestAppend(t *testing.T) {
	t.Parallel()
	const template9 = "0000 0014 0100 0003 0008 0004 0001 0004 fde8 0002" // sourceIPv4Address, octetDeltaCount, 65000
	for _, tt := range []struct {
		name string
		sent [][]byte // of which the last is compared
		want string
	}{
		{"NetFlow v5", [][]byte{bytes(t, "0005 0001 000003e8 6553f100 00000007 00000064 01 02 4064",
			"c0000211 c6336404 cb007101 0003 0007 000000b4 0003d090 000001f4 000003e8 c000 01bb 00 1b 06 08 fbf0 fbff 18 13 0000")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 72 bytes: NetFlow v5
  header: count=1 sys_uptime=1000ms time=1700000000+7ns (2023-11-14 22:13:20.000000007) flow_sequence=100
    engine_type=1 engine_id=2 sampling_mode=1 sampling_interval=100
  record 1: srcaddr=192.0.2.17 dstaddr=198.51.100.4 nexthop=203.0.113.1 input=3 output=7
    dPkts=180 dOctets=250000 first=500ms last=1000ms srcport=49152 dstport=443
    pad1=0 tcp_flags=0x1b prot=6 tos=8 src_as=64496 dst_as=64511 src_mask=24 dst_mask=19 pad2=0
`},
		{"NetFlow v5 cut off", [][]byte{bytes(t, "0005 0002 000003e8 6553f100 00000000 00000064 00 00 0000", "c0000211")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 28 bytes: NetFlow v5
  header: count=2 sys_uptime=1000ms time=1700000000 (2023-11-14 22:13:20) flow_sequence=100
    engine_type=0 engine_id=0 sampling_mode=0 sampling_interval=0
  ! a record is cut off or has an impossible length
  rest: 4 bytes c0000211
`},
		{"a template, and data by it", [][]byte{bytes(t, "0009 0002 000003e8 6553f100 00000001 00000009", template9,
			"0100 0010 c0000211 0000012c 4f4b 0000")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 56 bytes: NetFlow v9
  header: count=2 sys_uptime=1000ms time=1700000000 (2023-11-14 22:13:20) sequence=1 source_id=9
  set 0: templates, 20 bytes
    template 256: 3 fields
      sourceIPv4Address(8)[4] octetDeltaCount(1)[4] element 65000(65000)[2]
  set 256: data, 16 bytes
    record 1: sourceIPv4Address=192.0.2.17 octetDeltaCount=300 element 65000=0x4f4b
    padding: 2 bytes 0000
`},
		{"data by a template before, and of another domain", [][]byte{
			bytes(t, "0009 0001 000003e8 6553f100 00000001 00000009", template9),
			bytes(t, "0009 0001 000003e8 6553f100 00000002 00000008", "0100 0006 c000"),
		}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 26 bytes: NetFlow v9
  header: count=1 sys_uptime=1000ms time=1700000000 (2023-11-14 22:13:20) sequence=2 source_id=8
  set 256: data, whose template has not come: 2 bytes c000
`},
		{"IPFIX with options of variable length", [][]byte{bytes(t, "000a 0038 6553f100 00000005 00000002",
			"0003 001c 0101 0003 0001 0095 0004 0030 0001 8001 ffff 00007279 0000", "0101 000c 00000007 02 02 6162")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 56 bytes: IPFIX
  header: length=56 time=1700000000 (2023-11-14 22:13:20) sequence=5 observation_domain=2
  set 3: options templates, 28 bytes
    template 257: 3 fields
      scope observationDomainId(149)[4] samplerId(48)[1] reverseOctetDeltaCount(1)[variable]
    padding: 2 bytes 0000
  set 257: data, 12 bytes
    record 1: observationDomainId=7 samplerId=2 reverseOctetDeltaCount=24930
`},
		{"times after NTP's seconds have begun anew, and none", [][]byte{bytes(t, "000a 0030 6553f100 00000005 00000002",
			"0002 000c 0101 0001 009c 0008", "0101 0014 0000000080000000 0000000000000000")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 48 bytes: IPFIX
  header: length=48 time=1700000000 (2023-11-14 22:13:20) sequence=5 observation_domain=2
  set 2: templates, 12 bytes
    template 257: 1 fields
      flowStartNanoseconds(156)[8]
  set 257: data, 20 bytes
    record 1: flowStartNanoseconds=2147483648 (2036-02-07 06:28:16.5)
    record 2: flowStartNanoseconds=0
`},
		{"IPFIX whose length is wrong", [][]byte{bytes(t, "000a 00ff 6553f100 00000005 00000002", "0002 0003")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 20 bytes: IPFIX
  header: length=255 time=1700000000 (2023-11-14 22:13:20) sequence=5 observation_domain=2
  ! set 2 is cut off or has an impossible length
  rest: 4 bytes 00020003
  ! the length in the header does not fit 20 bytes
`},
		{"sFlow", [][]byte{bytes(t, "00000005 00000001 0a000001 00000000 00000009 000003e8 00000001",
			"00000001 00000048 00000005 00000003 00000064 000001f4 00000000 00000003 00000007 00000001",
			"00000001 00000020 00000001 0000004a 00000004 0000000e 001122334455 66778899aabb 0800 0000",
		)}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 108 bytes: sFlow v5
  header: agent=10.0.0.1 sub_agent=0 sequence=9 uptime=1000ms samples=1
  sample 1: flow sample sequence=5 source_id=3 sampling_rate=100 sample_pool=500 drops=0 input=3 output=7 records=1
    raw packet header: protocol=1 frame_length=74 stripped=4 header_length=14
      ethernet: dst=00:11:22:33:44:55 src=66:77:88:99:aa:bb type=0x0800
      frame: 14 bytes 00112233445566778899aabb0800
`},
		{"something else", [][]byte{[]byte("hello")}, `
2023-11-14 22:13:20.500000 192.0.2.1:50000 5 bytes: not of NetFlow, IPFIX or sFlow
  payload: 5 bytes 68656c6c6f
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := New()
			var got string
			for _, payload := range tt.sent {
				got = string(d.Append(nil, payload, exporter, received, false))
			}
			if want := tt.want[1:] + "\n"; got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

// What exporters send over years is not kept without bound.
func TestTemplatesAreBounded(t *testing.T) {
	t.Parallel()
	d := New()
	template := bytes(t, "0009 0001 000003e8 6553f100 00000001 00000000 0000 0fa8 0100 03e8")
	template = append(template, make([]byte, 4*1000)...)
	for domain := range testwait.Fewer(1100, 2000) {
		template[18], template[19] = byte(domain>>8), byte(domain)
		d.Append(nil, template, exporter, received, false)
	}
	if d.fields > maxFields || len(d.templates) > maxFields/1000 || len(d.templates) == 0 {
		t.Errorf("%d templates with %d fields are kept", len(d.templates), d.fields)
	}
}

// A template of many fields without bytes makes no datagram endless.
func TestTextIsBounded(t *testing.T) {
	t.Parallel()
	const fields = 10_000
	packet := bytes(t, "0009 0001 000003e8 6553f100 00000001 00000000", "0000 9c4c 0100 2711 0004 0001")
	for range fields {
		packet = append(packet, 0, 82, 0, 0)
	}
	packet = append(packet, bytes(t, "0100 4e24")...)
	packet = append(packet, make([]byte, 20_000)...)
	text := string(New().Append(nil, packet, exporter, received, false))
	if len(text) < maxText || len(text) > 2*maxText || !strings.Contains(text, "bytes more are not shown") {
		t.Errorf("%d bytes are shown: %s", len(text), text[:200])
	}
}

// FuzzAppend: whatever comes, it is shown, in lines and without end.
func FuzzAppend(f *testing.F) {
	for _, file := range corpus.Find(f, 2, "../../../decoder/netflow5/testdata/crafted_edges.pcap", "../../../decoder/sflow/testdata/crafted/*.pcap.gz",
		"../../../decoder/template/testdata/*/crafted/*.pcap.gz") {
		payloads := 0
		corpusFile(f, file, func(p pcap.Packet) {
			if payloads++; payloads < 20 {
				f.Add(p.Payload)
			}
		})
	}
	// An options template of version 9 that ends behind the length of its scopes.
	f.Add([]byte("\x00\x09\x00\x01\x00\x0fB@fZd\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x08\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := New()
		for range 2 {
			text := string(d.Append(nil, payload, exporter, received, true))
			if !strings.HasSuffix(text, "\n\n") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r == '\u007f' }) {
				t.Errorf("%q", text)
			}
		}
	})
}
