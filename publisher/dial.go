package publisher

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// dial connects for the client: once for all requests to a certain broker, where
// those have a sole connection.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c, ok := ctx.Value(soleKey{}).(*soleConnections); ok {
		return c.dial(ctx, network, address)
	}
	return dialTimely(ctx, network, address)
}

// dialTimely connects, and has what the client does before the first request end
// in time.
func dialTimely(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &timelyConn{Conn: conn}, nil
}

// timelyConn keeps the time limit that the client sets when it has connected. The
// client takes it away before the broker has taken the password, and a broker that
// says no more would then have that wait for ever. Each request sets its own.
type timelyConn struct {
	net.Conn
	begun atomic.Bool
}

// SetDeadline takes every limit, but not its first removal.
func (c *timelyConn) SetDeadline(t time.Time) error {
	if t.IsZero() && !c.begun.Swap(true) {
		return nil
	}
	return c.Conn.SetDeadline(t)
}
