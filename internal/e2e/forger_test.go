//go:build linux

package e2e

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// forger sends datagrams from any address of 127.0.0.0/8, all from one port.
type forger struct {
	conn   *net.UDPConn
	target netip.AddrPort
}

func openForger(t *testing.T, target string) *forger {
	t.Helper()
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &forger{conn: conn, target: netip.MustParseAddrPort(target)}
}

// send sends a datagram from an address.
func (f *forger) send(t *testing.T, source netip.Addr, payload []byte) {
	t.Helper()
	info := unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: source.As4()})
	if _, _, err := f.conn.WriteMsgUDPAddrPort(payload, info, f.target); err != nil {
		t.Fatalf("sending %d bytes from %v: %v", len(payload), source, err)
	}
}
