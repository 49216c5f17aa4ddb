package listener

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// newListener returns a Listener that is closed when the test ends.
func newListener(tb testing.TB, cfg Config) *Listener {
	tb.Helper()
	l, err := Listen(cfg)
	if err != nil {
		tb.Fatalf("Listen: %v", err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return l
}

// serve runs l.Serve and returns what brings its result.
func serve(l *Listener, handler func(int) Handler) <-chan error {
	served := make(chan error, 1)
	go func() { served <- l.Serve(handler) }()
	return served
}

// ended waits for the result of Serve.
func ended(tb testing.TB, served <-chan error) error {
	tb.Helper()
	select {
	case err := <-served:
		return err
	case <-time.After(patience):
		tb.Fatalf("Serve has not returned after %v", patience)
		return nil
	}
}

// newSender returns an unbound socket to send from.
func newSender(tb testing.TB, network string) *net.UDPConn {
	tb.Helper()
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// send sends payload from conn to l on the loopback of conn's family.
func send(tb testing.TB, conn *net.UDPConn, l *Listener, payload []byte) {
	tb.Helper()
	if _, err := conn.WriteToUDPAddrPort(payload, loopback(conn, l)); err != nil {
		tb.Fatal(err)
	}
}

// loopback returns l's port on the loopback of conn's family.
func loopback(conn *net.UDPConn, l *Listener) netip.AddrPort {
	host := netip.IPv6Loopback()
	if addrPort(conn.LocalAddr()).Addr().Is4() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.AddrPortFrom(host, l.Addr().Port())
}

// record is a datagram that a recorder kept.
type record struct {
	socket  int
	from    netip.AddrPort
	payload string
}

// recorder keeps all datagrams.
type recorder struct {
	mu      sync.Mutex
	records []record
}

// handler is for Serve.
func (r *recorder) handler(socket int) Handler {
	return func(batch []Datagram, _ time.Time) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, d := range batch {
			r.records = append(r.records, record{socket, d.From, string(d.Payload)})
		}
	}
}

// all returns a copy of what was kept.
func (r *recorder) all() []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// count returns how many were kept.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.records)
}
