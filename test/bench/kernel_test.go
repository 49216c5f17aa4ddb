package main

import (
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// table is a part of /proc/net/udp: port 2055 is 0807 in hexadecimal.
const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  388: 0100007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23761 2 00000000c3ac5d8d 41
  388: 00000000:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 23762 2 00000000c3ac5d8e 1
  389: 0100007F:0808 0100007F:0807 01 00000000:00000000 00:00000000 00000000     0        0 23763 2 00000000c3ac5d8f 7
`

func TestCountSockets(t *testing.T) {
	t.Parallel()
	sockets, drops, err := countSockets(strings.NewReader(table), 2055)
	if err != nil || sockets != 2 || drops != 42 {
		t.Errorf("%d sockets, %d drops, error %v; want 2, 42", sockets, drops, err)
	}
	if _, _, err := countSockets(strings.NewReader(strings.ReplaceAll(table, " 41\n", " x\n")), 2055); err == nil {
		t.Error("a count that is none is no error")
	}
}

func TestUDPSocketsOfThisMachine(t *testing.T) {
	t.Parallel()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if sockets, _, err := udpSockets(netip.MustParseAddrPort(c.LocalAddr().String()).Port()); err != nil || sockets != 1 {
		t.Errorf("%d sockets, error %v", sockets, err)
	}
}

func TestMetric(t *testing.T) {
	t.Parallel()
	page := "# TYPE a counter\na_b 1\na{c=\"d\"} 2\na 3.5e+06\n"
	if v := metric(page, "a"); v != 3_500_000 {
		t.Errorf("a is %v", v)
	}
	if v := metric(page, "b"); !math.IsNaN(v) {
		t.Errorf("b is %v", v)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	t.Parallel()
	var said tail
	for _, s := range []string{strings.Repeat("x", tailSize), "12345", strings.Repeat("y", tailSize-3)} {
		if n, err := said.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatalf("wrote %d, error %v", n, err)
		}
	}
	if want := "345" + strings.Repeat("y", tailSize-3); said.String() != want {
		t.Errorf("kept %d bytes beginning with %.5s", len(said.String()), said.String())
	}
}
