package encoder

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// flow and its values are what the tests write.
var (
	flow = Flow{
		Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("198.51.100.2"), NextHop: netip.MustParseAddr("203.0.113.3"),
		SourcePrefixLength: 24, DestinationPrefixLength: 25, InputInterface: 0x10203, OutputInterface: 5, SourceAS: 65550, DestinationAS: 64512,
		Protocol: 6, TOS: 0xb8, VLAN: 100, Direction: 1, ForwardingStatus: 0x40, EndReason: 3, Sampler: 7, ApplicationID: 443,
	}
	flowValues = Values{
		MovingPackets: 3, MovingOctets: 4500, MovingSourcePort: 50000, MovingDestinationPort: 443, MovingTCPFlags: 0x1b,
		MovingFirstUptime: 1000, MovingLastUptime: 2500, MovingStart: 1_700_000_000_000, MovingEnd: 1_700_000_001_500,
	}
	header = Header{Uptime: 3000, Export: time.Unix(1_700_000_002, 999), Sequence: 17, Domain: 9}
)

// unhex reads bytes written with spaces and comments: what is behind # in a line.
func unhex(t *testing.T, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func elements(lengths ...uint16) (fields []Field) {
	for i := 0; i < len(lengths); i += 2 {
		fields = append(fields, Field{Element{ID: lengths[i]}, lengths[i+1]})
	}
	return fields
}

// write writes a packet with a template, that of options, and a record of each.
func write(v Version, flows, options Template, numbers ...uint64) []byte {
	l := NewLayout(flows)
	p := v.NewPacket([]byte("before"), &header)
	p.Templates(flows)
	p.Templates(options)
	p.OpenData(options.ID)
	p.Numbers(&options, numbers...)
	p.CloseData()
	p.OpenData(flows.ID)
	p.Record(l, l.AppendPrototype(nil, &flow), &flowValues, &Names{Interface: []byte("eth0"), Application: bytes.Repeat([]byte("x"), 300)})
	p.CloseData()
	return p.End()
}

// The bytes are those of RFC 3954, sections 5 and 6, put together by hand.
func TestNetFlow9(t *testing.T) {
	t.Parallel()
	got := write(NetFlow9,
		Template{ID: 256, Fields: elements(SourceIPv4Address, 4, IngressInterface, 2, OctetDeltaCount, 8, FlowStartSysUpTime, 4,
			SourceTransportPort, 2, TCPControlBits, 1)},
		Template{ID: 257, Scopes: 1, Fields: elements(ScopeSystem, 4, SamplerID, 1, SamplerRandomInterval, 4)}, 0xc0000201, 7, 100)
	want := append([]byte("before"), unhex(t, `
		0009 0004  00000bb8  6553f102  00000011  00000009  # version, records of all kinds, uptime, seconds, sequence, source ID
		0000 0020  0100 0006  0008 0004  000a 0002  0001 0008  0016 0004  0007 0002  0006 0001
		0001 0018  0101 0004 0008  0001 0004  0030 0001  0032 0004  0000 # lengths in bytes; padding
		0101 0010  c0000201 07 00000064 000000                           # padding
		0100 001c  c0000201 0203 0000000000001194 000003e8 c350 1b 000000 # the interface's lower 16 bits
	`)...)
	if !bytes.Equal(got, want) {
		t.Errorf("wrote\n%x, want\n%x", got, want)
	}
}

// The bytes are those of RFC 7011, sections 3 and 7, put together by hand.
func TestIPFIX(t *testing.T) {
	t.Parallel()
	fields := elements(DestinationIPv4Address, 4, InterfaceName, Variable, FlowEndMilliseconds, 8, PacketDeltaCount, 3)
	fields = append(fields, Field{ExampleElement, 4}, Field{Element{ID: ApplicationName}, Variable})
	got := write(IPFIX, Template{ID: 300, Fields: fields},
		Template{ID: 301, Scopes: 1, Fields: elements(SelectorID, 4, SamplingPacketSpace, 2)}, 7, 99)
	want := append([]byte("before"), unhex(t, `
		000a 019b  6553f102  00000011  00000009                # version, bytes, seconds, sequence, domain
		0002 0024  012c 0006  000c 0004  0052 ffff  0099 0008  0002 0003  8001 0004 00007ed9  0060 ffff
		0003 0012  012d 0002 0001  012e 0004  0132 0002        # fields, of which scopes
		012d 000a  00000007 0063
		012c 014b  c6336402  04 65746830  0000018bcfe56ddc 000003 000001bb  ff 012c
	`)...)
	want = append(want, bytes.Repeat([]byte("x"), 300)...)
	if !bytes.Equal(got, want) {
		t.Errorf("wrote\n%x, want\n%x", got, want)
	}
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	f := flow
	f.Source, f.Destination, f.NextHop = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")
	f.ICMPTypeCode = 128 << 8
	l := NewLayout(Template{ID: 256, Fields: elements(SourceIPv6Address, 16, IPNextHopIPv6Address, 16, DestinationIPv6Address, 16,
		DestinationIPv6PrefixLength, 1, ICMPTypeCodeIPv6, 2)})
	const zeros = "0000000000000000"
	want := unhex(t, "20010db800000000"+zeros[:15]+"1 20010db800000000"+zeros[:15]+"3 20010db800000000"+zeros[:15]+"2 19 8000")
	if got := l.AppendRecord(nil, l.AppendPrototype(nil, &f), &flowValues, nil); !bytes.Equal(got, want) {
		t.Errorf("wrote\n%x, want\n%x", got, want)
	}
}

// TestRecordLen: lengths are told as records turn out.
func TestRecordLen(t *testing.T) {
	t.Parallel()
	l := NewLayout(Template{ID: 256, Fields: elements(ApplicationName, Variable, PacketDeltaCount, 8, InterfaceName, Variable)})
	for _, n := range []int{0, 1, 254, 255, 300} {
		name := make([]byte, n)
		record := l.AppendRecord(nil, l.AppendPrototype(nil, &flow), &flowValues, &Names{name, name})
		if len(record) != l.RecordLen(n) {
			t.Errorf("names of %d bytes: a record of %d, told %d", n, len(record), l.RecordLen(n))
		}
	}
}
