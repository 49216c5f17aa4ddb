package publisher

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/publisher/failure"
)

// A broker tells an address that nobody can reach from here, as one in a container
// or behind NAT does that was not told otherwise. The log has that address and
// where it comes from; once it leads to the broker all is delivered.
func TestAdvertisedListenerUnreachable(t *testing.T) {
	t.Parallel()
	told, _ := reserveAddress(t)
	listener := &misleadingListener{told: told}
	startBroker(t, 1, kfake.ListenFn(listener.listen))
	var log testlog.Book
	p := startPublisher(t, []string{listener.address()}, func(c *Config) { c.Logger = log.Logger() })
	n := publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the address and the cure are told", func() bool {
		return log.Has("broker=0 address="+told+" ") && log.Has("advertised.listeners: if the broker runs")
	})
	if errors := p.Stats().ProduceErrors; errors["connection_refused"] == 0 {
		t.Errorf("errors %v, want connections refused", errors)
	}
	forward(t, told, listener.address())
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// The same with a name that means nothing here, as those of containers do.
func TestAdvertisedNameUnknown(t *testing.T) {
	t.Parallel()
	listener := &misleadingListener{told: "broker.invalid:9092"}
	startBroker(t, 1, kfake.ListenFn(listener.listen))
	var log testlog.Book
	p := startPublisher(t, []string{listener.address()}, func(c *Config) { c.Logger = log.Logger() })
	publish(t, p, 0, 10, 30)
	eventually(t, 20*time.Second, "the name and the cure are told", func() bool {
		return log.Has("broker=0 address=broker.invalid:9092 ") && log.Has("advertised.listeners: if the broker runs")
	})
	if errors := p.Stats().ProduceErrors; errors["dns"] == 0 {
		t.Errorf("errors %v, want a name that does not resolve", errors)
	}
}

// Only an address that the broker told, and at which nobody was reached, is
// called wrong.
func TestCureAt(t *testing.T) {
	t.Parallel()
	const configured, learned = "127.0.0.1:1", "127.0.0.1:2"
	for _, f := range []failure.Kind{failure.Refused, failure.Unreachable, failure.DNS, failure.DialTimeout} {
		if got := failure.CureAt([]string{configured}, learned, f); !strings.Contains(got, "advertised.listeners") || got == f.Cure {
			t.Errorf("%s at a learned address: %q", f.Name, got)
		}
		if got := failure.CureAt([]string{configured}, configured, f); got != f.Cure {
			t.Errorf("%s at a configured address: %q", f.Name, got)
		}
		if got := failure.CureAt([]string{configured}, "", f); got != f.Cure {
			t.Errorf("%s at no address: %q", f.Name, got)
		}
	}
	for _, f := range []failure.Kind{failure.Timeout, failure.Lost, failure.TLS, failure.Auth} {
		if got := failure.CureAt([]string{configured}, learned, f); got != f.Cure {
			t.Errorf("%s at a learned address: %q", f.Name, got)
		}
	}
}

// misleadingListener listens somewhere else than it tells.
type misleadingListener struct {
	net.Listener
	told string
}

func (l *misleadingListener) listen(network, address string) (net.Listener, error) {
	var err error
	l.Listener, err = net.Listen(network, address)
	return l, err
}

// address is where it does listen.
func (l *misleadingListener) address() string { return l.Listener.Addr().String() }

func (l *misleadingListener) Addr() net.Addr { return toldAddr(l.told) }

type toldAddr string

func (toldAddr) Network() string  { return "tcp" }
func (a toldAddr) String() string { return string(a) }

// forward passes on connections to an address until the test ends.
func forward(t *testing.T, from, to string) {
	t.Helper()
	l, err := net.Listen("tcp4", from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go join(client, to)
		}
	}()
}

// join connects a client to an address until one of them ends.
func join(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp4", to)
	if err != nil {
		return
	}
	go func() {
		defer server.Close()
		io.Copy(server, client)
	}()
	io.Copy(client, server)
}
