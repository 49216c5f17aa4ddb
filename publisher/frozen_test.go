package publisher

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/testwait"
)

// A broker stands still: its connections live, more can be made, and nothing is
// answered. Once another broker leads its partition, that is found out from the
// others: when it is the controller, which is asked first, and when no other was
// named in the configuration.
func TestBrokerStandsStill(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for name, named := range map[string]int{"all are named": 3, "the only one named": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ice := new(freezer)
			broker := startBroker(t, 1, kfake.NumBrokers(3), kfake.ListenFn(ice.listen))
			if err := broker.MoveTopicPartition(testTopic, 0, 0); err != nil {
				t.Fatal(err)
			}
			p := startPublisher(t, broker.ListenAddrs()[:named], func(c *Config) { c.RequestTimeout = time.Second })
			n := publish(t, p, 0, 10, 30)
			eventually(t, patience, "the first records are delivered", func() bool { return p.Stats().Delivered == n })

			ice.freeze(broker.ListenAddrs()[0])
			if err := broker.MoveTopicPartition(testTopic, 0, 1); err != nil {
				t.Fatal(err)
			}
			n += publish(t, p, 10, 20, 30)
			// A second for the attempt, one until the cluster is asked, two until the
			// broker that stands still is asked no more.
			eventually(t, 8*time.Second, "the new leader has all", func() bool { return p.Stats().Delivered == n })
			closeWithin(t, p, patience)
			wantDelivered(t, p, n)
			if s := p.Stats(); s.PossiblyDuplicated != 0 {
				t.Errorf("%d possibly duplicated", s.PossiblyDuplicated)
			}
		})
	}
}

// freezer makes brokers stand still, for ever.
type freezer struct {
	mu     sync.Mutex
	frozen []string
}

func (f *freezer) freeze(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frozen = append(f.frozen, address)
}

func (f *freezer) isFrozen(address string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.frozen, address)
}

func (f *freezer) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	return freezingListener{inner, f}, err
}

type freezingListener struct {
	net.Listener
	freezer *freezer
}

func (l freezingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &freezingConn{Conn: conn, freezer: l.freezer, closed: make(chan struct{})}, err
}

// freezingConn keeps what it has read to itself once its broker is frozen.
type freezingConn struct {
	net.Conn
	freezer *freezer
	once    sync.Once
	closed  chan struct{}
}

func (c *freezingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.freezer.isFrozen(c.LocalAddr().String()) {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *freezingConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
