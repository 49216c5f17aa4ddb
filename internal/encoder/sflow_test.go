package encoder

import (
	"bytes"
	"net/netip"
	"testing"
)

// The bytes are those of the sFlow version 5 specification, put together by hand. The checksum was
// worked out with RFC 1071: the header's words add up to 0x274d0.
func TestSFlow(t *testing.T) {
	t.Parallel()
	b := AppendSFlowHeader([]byte("before"), &SFlowHeader{Agent: netip.MustParseAddr("192.0.2.9"), SubAgent: 3, Sequence: 17, Uptime: 3000}, 1)
	b = AppendFlowSample(b, &Sample{Sequence: 5, Source: 66051, Rate: 100, Pool: 600, Octets: 1500}, &flow, &flowValues)
	want := append([]byte("before"), unhex(t, `
		00000005 00000001 c0000209 00000003 00000011 00000bb8 00000001
		00000001 000000d4                          # flow sample, 212 bytes
		00000005 00010203 00000064 00000258 00000000 00010203 00000005 00000004
		00000001 00000048                          # raw packet
		00000001 000005ee 00000004 00000036        # Ethernet, 1518 bytes, 4 stripped, 54 sampled
		020000000005 020000010203 0800
		45 b8 05dc 0000 0000 3d 06 8b2d c0000201 c6336402
		c350 01bb 00000000 00000000 50 1b 0000 0000 0000
		0000                                       # padding
		000003e9 00000010 00000064 00000000 00000064 00000000
		000003ea 00000010 00000001 cb007103 00000018 00000019
		000003eb 0000002c 00000001 cb007103 0001000e 0001000e 0001000e 00000001 00000002 00000001 0000fc00 00000000 00000000
	`)...)
	if !bytes.Equal(b, want) {
		t.Errorf("wrote\n%x, want\n%x", b, want)
	}
}

func TestSFlowIPv6(t *testing.T) {
	t.Parallel()
	f := flow
	f.Source, f.Destination, f.NextHop = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")
	f.Protocol = 17
	b := AppendFlowSample(nil, &Sample{Octets: 100}, &f, &flowValues)
	want := unhex(t, `
		00000001 00000076 00000004 0000003e        # a frame of 100 + 14 + 4 bytes, 62 sampled
		020000000005 020000010203 86dd
		6b800000 003c 11 3d  20010db8000000000000000000000001 20010db8000000000000000000000002
		c350 01bb 003c 0000  0000
		000003e9
	`)
	if at := 8 + 32 + 8; !bytes.Equal(b[at:at+len(want)], want) {
		t.Errorf("wrote\n%x, want\n%x", b[at:at+len(want)], want)
	}
	if len(b) > SFlowSampleLen {
		t.Errorf("a sample of %d bytes", len(b))
	}
	f.Protocol = 6
	if b := AppendFlowSample(nil, &Sample{Octets: 100}, &f, &flowValues); len(b) > SFlowSampleLen {
		t.Errorf("a sample of %d bytes", len(b))
	}
}
