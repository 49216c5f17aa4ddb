package decoder_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/flowpub/flowpub/decoder"
)

func TestPutMapped(t *testing.T) {
	t.Parallel()
	for _, a := range []netip.Addr{
		{},
		netip.MustParseAddr("192.0.2.1"),
		netip.MustParseAddr("0.0.0.0"),
		netip.MustParseAddr("::ffff:192.0.2.1"),
		netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("fe80::1%eth0"),
		netip.MustParseAddr("::"),
	} {
		got := [16]byte(bytes.Repeat([]byte{0xee}, 16))
		if decoder.PutMapped(&got, a); got != a.As16() {
			t.Errorf("%v: % x, want % x", a, got, a.As16())
		}
	}
}
