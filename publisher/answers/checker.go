package answers

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// Checker checks the answers of all brokers. It is safe for concurrent use, and its
// fields are not changed once it is used.
type Checker struct {
	// Mechanism is that of SASL by which connections are authenticated; empty without.
	Mechanism string
	// TLS tells that connections are encrypted.
	TLS bool
	// Throttled, when not nil, is told for how long a broker wants to be sent no
	// batches: at most MaxThrottle, or 0 when the connection has ended on which it
	// asked for that.
	Throttled func(address string, pause time.Duration)

	peers peers
}

// Wrap returns a connection to an address whose answers are checked. Where answers
// are encrypted conn has decrypted them.
func (c *Checker) Wrap(conn net.Conn, address string) *Conn {
	return newConn(c, conn, address)
}

// Encrypt begins TLS on a connection to an address, which it closes when that fails.
// A peer that speaks something else is named.
func (c *Checker) Encrypt(ctx context.Context, conn net.Conn, address string, conf *tls.Config) (net.Conn, error) {
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		conf = conf.Clone()
		conf.ServerName = host
	}
	var silent atomic.Pointer[Error]
	watch := time.AfterFunc(patience, func() {
		if e := c.peers.ask(ctx, address, true); e != nil {
			silent.Store(e)
			_ = conn.Close()
		}
	})
	encrypted := tls.Client(conn, conf)
	err := encrypted.HandshakeContext(ctx)
	watch.Stop()
	if err == nil {
		return encrypted, nil
	}
	_ = conn.Close()
	if e := silent.Load(); e != nil {
		return nil, e
	}
	if e := c.unencrypted(ctx, address, err); e != nil {
		return nil, e
	}
	return nil, err
}

// unencrypted says what a peer is with which TLS could not be begun; nil if it speaks
// TLS, or that is not known.
func (c *Checker) unencrypted(ctx context.Context, address string, err error) *Error {
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if e := name(address, record.RecordHeader[:]); e != nil {
			return e
		}
	} else if !isClosed(err) {
		return nil
	}
	return c.peers.ask(ctx, address, true)
}

// throttle tells of a pause that a broker asks for.
func (c *Checker) throttle(conn *Conn, pause time.Duration) {
	if pause > 0 && c.Throttled != nil {
		conn.throttled.Store(true)
		c.Throttled(conn.address, min(pause, MaxThrottle))
	}
}

// forget tells that what was asked for on a connection is void.
func (c *Checker) forget(conn *Conn) {
	if conn.throttled.Swap(false) {
		c.Throttled(conn.address, 0)
	}
}
