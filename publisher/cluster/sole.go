package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// A request waits so long for its broker's sole connection before it looks for
// it again, twice as long each time.
const (
	minSoleWait = time.Millisecond
	maxSoleWait = 100 * time.Millisecond
)

// errSoleInUse ends the client's attempt to open a second connection where only
// one may be. Nothing of the request has been sent then.
var errSoleInUse = errors.New("the broker's sole connection is in use")

// soleConnections keeps all requests that are meant for a certain broker on one
// connection to it. Where brokers acknowledge nothing, only that keeps batches in
// order, but the client opens a second connection when it looks for the first
// while that is on its way back to the idle ones. It cannot be told not to, so
// its attempt to dial fails, and the request is made again. Requests that any
// broker may answer have connections of their own. It is safe for concurrent use.
type soleConnections struct {
	mu   sync.Mutex
	open map[string]struct{} // by the brokers' addresses
}

func newSoleConnections() *soleConnections {
	return &soleConnections{open: make(map[string]struct{})}
}

// soleKey marks the context of a request for a certain broker, with which the
// client dials.
type soleKey struct{}

// soleTransport sends requests over sole connections.
type soleTransport struct {
	inner       kafka.RoundTripper
	connections *soleConnections
}

// RoundTrip waits for the sole connection until ctx ends.
func (t *soleTransport) RoundTrip(ctx context.Context, addr net.Addr, r kafka.Request) (kafka.Response, error) {
	if _, certain := r.(protocol.BrokerMessage); !certain {
		return t.inner.RoundTrip(ctx, addr, r)
	}
	ctx = context.WithValue(ctx, soleKey{}, t.connections)
	for wait := minSoleWait; ; wait = min(2*wait, maxSoleWait) {
		response, err := t.inner.RoundTrip(ctx, addr, r)
		if !errors.Is(err, errSoleInUse) {
			return response, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the broker's sole connection: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}

// dial connects if there is no connection to that address yet.
func (c *soleConnections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !c.begin(address) {
		return nil, errSoleInUse
	}
	conn, err := dialTimely(ctx, network, address)
	if err != nil {
		c.end(address)
		return nil, err
	}
	return &soleConn{Conn: conn, closed: sync.OnceFunc(func() { c.end(address) })}, nil
}

func (c *soleConnections) begin(address string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, open := c.open[address]; open {
		return false
	}
	c.open[address] = struct{}{}
	return true
}

func (c *soleConnections) end(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, address)
}

// soleConn makes room for the next when it is closed.
type soleConn struct {
	net.Conn
	closed func()
}

func (c *soleConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
