package publisher

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
)

// A broker tells an address from which no answer comes, as behind a firewall that
// throws away what it does not let through.
func TestAdvertisedListenerSilent(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	listener := &misleadingListener{told: deafAddress(t)}
	startBroker(t, 1, kfake.ListenFn(listener.listen))
	var log testlog.Book
	p := startPublisher(t, []string{listener.address()}, func(c *Config) { c.Logger = log.Logger() })
	publish(t, p, 0, 10, 30)
	eventually(t, 30*time.Second, "the address and the cure are told", func() bool {
		return log.Has("broker=0 address="+listener.told+" ") && log.Has("advertised.listeners: if the broker runs")
	})
	if errors := p.Stats().ProduceErrors; errors["timeout"] == 0 {
		t.Errorf("errors %v, want a time-out", errors)
	}
}

// deafAddress returns a TCP address that does not answer who wants to connect. The
// kernel throws requests away once connections wait that nobody accepts.
func deafAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	bound, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("bound to a %T", name)
	}
	address := netip.AddrPortFrom(netip.AddrFrom4(bound.Addr), uint16(bound.Port)).String()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
		cancel()
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}
