package exporter

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// sentDatagram is what a recorder was given.
type sentDatagram struct {
	source  netip.AddrPort
	at      time.Time
	payload []byte
}

// recorder is a transmitter that keeps what it is given.
type recorder struct{ sent []sentDatagram }

func (r *recorder) transmit(_ context.Context, from *socket, payloads [][]byte) (int, error) {
	for _, p := range payloads {
		r.sent = append(r.sent, sentDatagram{from.source, time.Now(), slices.Clone(p)})
	}
	return len(payloads), nil
}

// noon is the time of the exporters' clocks in tests.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 159_000_000, time.UTC)

// record runs a generator until it ends by itself and returns what it sent. Its
// clock stands still unless c has one.
func record(t *testing.T, c Config) ([]sentDatagram, Stats) {
	t.Helper()
	if c.Now == nil {
		c.Now = func() time.Time { return noon }
	}
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r := new(recorder)
	g.out = r
	if err := g.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r.sent, g.Stats()
}

// decode decodes a datagram that must be well formed.
func decode(t *testing.T, payload []byte) *decoder.ExportPacket {
	t.Helper()
	p := new(decoder.ExportPacket)
	if err := netflow5.Decode(payload, p); err != nil {
		t.Fatal(err)
	}
	if p.Anomalies != 0 {
		t.Fatalf("the packet has anomalies %v: %x", p.Anomalies, payload)
	}
	return p
}

// listen opens a receiver on a loopback address.
func listen(tb testing.TB, host string) *net.UDPConn {
	tb.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// receive reads n datagrams that were sent or are being sent.
func receive(t *testing.T, c *net.UDPConn, n int) []sentDatagram {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var all []sentDatagram
	b := make([]byte, 1<<16)
	for range n {
		size, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		all = append(all, sentDatagram{source: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), payload: slices.Clone(b[:size])})
	}
	return all
}

// portOf is the local port of a socket.
func portOf(t *testing.T, c *net.UDPConn) uint16 {
	t.Helper()
	return netip.MustParseAddrPort(c.LocalAddr().String()).Port()
}
