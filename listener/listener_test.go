package listener

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testwait"
)

func TestReceive(t *testing.T) {
	t.Parallel()
	// The largest payloads: 65,535 bytes less the headers of IPv4 and UDP; an
	// IPv6 header is not part of its packet's length.
	largest4 := bytes.Repeat([]byte("0123456789"), 65507/10+1)[:65507]
	largest6 := bytes.Repeat([]byte("0123456789"), 65527/10+1)[:65527]
	cases := []struct {
		name, address, network string
		payload                []byte
		from                   netip.Addr
	}{
		{"IPv4", "127.0.0.1:0", "udp4", []byte("four"), netip.MustParseAddr("127.0.0.1")},
		{"IPv6", "[::1]:0", "udp6", []byte("six"), netip.MustParseAddr("::1")},
		{"all addresses, IPv4 is not given as IPv4-mapped", ":0", "udp4", []byte("mapped"), netip.MustParseAddr("127.0.0.1")},
		{"all addresses, IPv6", ":0", "udp6", []byte("six"), netip.MustParseAddr("::1")},
		{"[::] is all addresses", "[::]:0", "udp4", []byte("mapped"), netip.MustParseAddr("127.0.0.1")},
		{"all IPv4 addresses", "0.0.0.0:0", "udp4", []byte("four"), netip.MustParseAddr("127.0.0.1")},
		{"empty", ":0", "udp4", []byte{}, netip.MustParseAddr("127.0.0.1")},
		{"largest of IPv4", ":0", "udp4", largest4, netip.MustParseAddr("127.0.0.1")},
		{"largest of IPv6", ":0", "udp6", largest6, netip.MustParseAddr("::1")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newListener(t, Config{Address: c.address, Sockets: 2, ReceiveBuffer: 1 << 20})
			var got recorder
			before := time.Now()
			var received time.Time
			served := serve(l, func(i int) Handler {
				h := got.handler(i)
				return func(batch []Datagram, now time.Time) {
					received = now
					h(batch, now)
				}
			})
			sender := newSender(t, c.network)
			send(t, sender, l, c.payload)
			testwait.Until(t, patience, "the datagram", func() bool { return got.count() > 0 })
			if err := l.Drain(); err != nil {
				t.Errorf("Drain: %v", err)
			}
			if err := ended(t, served); err != nil {
				t.Errorf("Serve: %v", err)
			}
			first := got.all()[0]
			if first.payload != string(c.payload) {
				t.Errorf("payload of %d bytes is not what was sent: %d bytes", len(first.payload), len(c.payload))
			}
			if want := netip.AddrPortFrom(c.from, addrPort(sender.LocalAddr()).Port()); first.from != want {
				t.Errorf("from %v, want %v", first.from, want)
			}
			if received.Before(before) || received.After(time.Now()) {
				t.Errorf("received at %v, want between %v and now", received, before)
			}
		})
	}
}

func TestZoneIsRemoved(t *testing.T) {
	t.Parallel()
	from, to := linkLocal(t)
	l := newListener(t, Config{Address: ":0", Sockets: 1, ReceiveBuffer: 1 << 20})
	var got recorder
	serve(l, got.handler)
	sender := newSender(t, "udp6")
	if _, err := sender.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(to, l.Addr().Port())); err != nil {
		t.Fatal(err)
	}
	testwait.Until(t, patience, "the datagram", func() bool { return got.count() > 0 })
	if got := got.all()[0].from.Addr(); got != from {
		t.Errorf("from %v, want %v", got, from)
	}
}

// linkLocal returns an address that belongs to a zone, without and with it; the
// loopback's, which has none, when the machine has no other.
func linkLocal(t *testing.T) (without, with netip.Addr) {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return prefix.Addr(), prefix.Addr().WithZone(i.Name)
			}
		}
	}
	return netip.IPv6Loopback(), netip.IPv6Loopback()
}

// TestOrder sends from several senders at once: whichever sockets they fall on,
// each one's datagrams arrive in order.
func TestOrder(t *testing.T) {
	t.Parallel()
	const senders, each, window = 6, 500, 50
	l := newListener(t, Config{Address: ":0", Sockets: 4, ReceiveBuffer: 4 << 20})
	var got recorder
	served := serve(l, got.handler)
	conns := make([]*net.UDPConn, senders)
	for i := range conns {
		conns[i] = newSender(t, []string{"udp4", "udp6"}[i%2])
	}
	for n := range each {
		for _, conn := range conns {
			send(t, conn, l, binary.BigEndian.AppendUint32(nil, uint32(n)))
		}
		if n%window == 0 {
			testwait.Until(t, patience, "the datagrams", func() bool { return got.count() == (n+1)*senders })
		}
	}
	if err := l.Drain(); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, served); err != nil {
		t.Fatal(err)
	}
	next := map[netip.AddrPort]uint32{}
	for _, r := range got.all() {
		if n := binary.BigEndian.Uint32([]byte(r.payload)); n != next[r.from] {
			t.Fatalf("%v: datagram %d came when %d was next", r.from, n, next[r.from])
		}
		next[r.from]++
	}
	if len(next) != senders {
		t.Errorf("heard %d senders, want %d", len(next), senders)
	}
	for from, n := range next {
		if n != each {
			t.Errorf("%v: %d datagrams, want %d", from, n, each)
		}
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	taken := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 2, ReceiveBuffer: 1 << 20})
	cases := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"no socket", Config{Address: ":0", ReceiveBuffer: 1}, []string{"listener: 0 sockets", "at least 1"}},
		{"no buffer", Config{Address: ":0", Sockets: 1}, []string{"listener: receive buffer of 0 bytes", "at least 1"}},
		{"buffer too large", Config{Address: ":0", Sockets: 1, ReceiveBuffer: 1 << 30}, []string{"listener: receive buffer of 1073741824 bytes", "at most 1073741823"}},
		{"no port", Config{Address: "127.0.0.1", Sockets: 1, ReceiveBuffer: 1}, []string{`listener: cannot listen on "127.0.0.1"`, "not an address with a port"}},
		{"not this machine's", Config{Address: "192.0.2.1:2055", Sockets: 1, ReceiveBuffer: 1}, []string{`"192.0.2.1:2055"`, "leave the host empty"}},
		{
			"taken", Config{Address: taken.Addr().String(), Sockets: 2, ReceiveBuffer: 1},
			[]string{taken.Addr().String(), "another process", "choose another port"},
		},
		{
			"taken on one address of all", Config{Address: fmt.Sprintf(":%d", taken.Addr().Port()), Sockets: 2, ReceiveBuffer: 1},
			[]string{"another process", "choose another port"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := Listen(c.cfg)
			if err == nil {
				l.Close()
				t.Fatalf("Listen(%+v) succeeded", c.cfg)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
}

func TestStatsReceiveBuffer(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	const asked = 100_001 // below every system's limit, and not a multiple of 4
	l := newListener(t, Config{Address: ":0", Sockets: 4, ReceiveBuffer: asked, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	stats := l.Stats()
	if stats.ReceiveBufferAsked != asked {
		t.Errorf("asked %d bytes, want %d", stats.ReceiveBufferAsked, asked)
	}
	if stats.ReceiveBufferGranted < asked || stats.ReceiveBufferGranted >= asked+len(l.sockets) {
		t.Errorf("granted %d bytes, want %d and the rest that makes the shares equal", stats.ReceiveBufferGranted, asked)
	}
	if strings.Contains(log.String(), "receive buffer") {
		t.Errorf("warned without a reason: %s", &log)
	}
}
