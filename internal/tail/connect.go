package tail

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/flowpub/flowpub/publisher/answers"
)

const (
	// dialTimeout is how long connecting may take.
	dialTimeout = 5 * time.Second
	// answerTimeout is how long a peer has for each first step: the TLS handshake,
	// and the answer to the first request.
	answerTimeout = 1500 * time.Millisecond
	// provokedTimeout is how long a peer has that was silent, once it was sent what
	// ends a line, which servers of text protocols wait for.
	provokedTimeout = 1500 * time.Millisecond
	// maxFirstAnswer is more than a broker's first answer ever has. What other
	// protocols begin with is more, if it is taken for a length.
	maxFirstAnswer = 64 << 20
	// maxFirstID is more than the number of a connection's first request.
	maxFirstID = 1 << 10
	// answerHead is the size of what an answer begins with: its length and its number.
	answerHead = 8
)

// Security is how connections to brokers are encrypted and authenticated.
type Security interface {
	// TLS is nil for connections that are not encrypted.
	TLS() *tls.Config
	// SASL is nil for those that are not authenticated.
	SASL() sasl.Mechanism
	// Explain returns an error of a connection as it may be shown.
	Explain(err error) error
}

// plain is Security without any.
type plain struct{}

// TLS is part of Security.
func (plain) TLS() *tls.Config { return nil }

// SASL is part of Security.
func (plain) SASL() sasl.Mechanism { return nil }

// Explain is part of Security.
func (plain) Explain(err error) error { return err }

// dialing connects to a broker.
type dialing func(ctx context.Context, network, address string) (net.Conn, error)

// dialer connects to brokers, and tells what else answers in their place.
type dialer struct{ security Security }

// dial returns a connection that is encrypted if it is to be. Its errors name the
// address, and the cure.
func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, &peerError{address, unreachable(err), err}
	}
	if d.security.TLS() != nil {
		secured, err := d.handshake(ctx, conn, address)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secured
	}
	return &firstAnswer{Conn: conn, address: address, encrypted: d.security.TLS() != nil}, nil
}

// checked is dial, of whose connections only answers are read that are what was asked for: the client
// believes every number in them.
func checked(dial dialing, security Security) dialing {
	checker := &answers.Checker{TLS: security.TLS() != nil}
	if mechanism := security.SASL(); mechanism != nil {
		checker.Mechanism = mechanism.Name()
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return checker.Wrap(conn, address), nil
	}
}

// handshake encrypts a connection.
func (d dialer) handshake(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config := d.security.TLS()
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config = config.Clone()
		config.ServerName = host
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, &peerError{address, handshakeFailed(err), err}
	}
	return secured, nil
}

// firstAnswer is a connection that has to begin as a broker's does: in time, with
// the length of an answer and the number of its request.
type firstAnswer struct {
	net.Conn
	address   string
	encrypted bool
	begun     atomic.Bool
	head      [32]byte // 8 bytes are needed, more name other protocols
	unread    []byte   // of head
	failed    error    // how beginning ended
}

// SetDeadline leaves reading alone until there was an answer.
func (c *firstAnswer) SetDeadline(t time.Time) error {
	if c.begun.Load() {
		return c.Conn.SetDeadline(t)
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline has no effect until there was an answer.
func (c *firstAnswer) SetReadDeadline(t time.Time) error {
	if c.begun.Load() {
		return c.Conn.SetReadDeadline(t)
	}
	return nil
}

// Read is part of net.Conn.
func (c *firstAnswer) Read(b []byte) (int, error) {
	if !c.begun.Load() && c.failed == nil {
		c.failed = c.begin()
	}
	if c.failed != nil {
		return 0, c.failed
	}
	if len(c.unread) > 0 {
		n := copy(b, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// begin reads how the first answer begins.
func (c *firstAnswer) begin() error {
	n, err := c.readWithin(answerTimeout)
	if n == 0 && isTimeout(err) {
		if _, err := io.WriteString(c.Conn, "\r\n\r\n"); err == nil {
			n, _ = c.readWithin(provokedTimeout)
		}
	}
	if isOther(c.head[:n]) {
		return &peerError{c.address, otherProtocol(c.head[:n], c.encrypted), errNoKafka}
	}
	if err != nil {
		return &peerError{c.address, noAnswer(err, c.encrypted), errNoKafka}
	}
	c.unread = c.head[:n]
	c.begun.Store(true)
	return c.Conn.SetReadDeadline(time.Time{})
}

// readWithin reads the head as far as it comes in time, and looks like a broker's.
func (c *firstAnswer) readWithin(limit time.Duration) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return 0, err
	}
	n := 0
	for n < answerHead && !isOther(c.head[:n]) {
		more, err := c.Conn.Read(c.head[n:])
		n += more
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// isOther reports whether an answer begins as no broker's does.
func isOther(head []byte) bool {
	return len(head) >= 4 && binary.BigEndian.Uint32(head) > maxFirstAnswer ||
		len(head) >= 8 && binary.BigEndian.Uint32(head[4:]) > maxFirstID
}

// errNoKafka: a peer answers, but not as a broker does.
var errNoKafka = errors.New("tail: not Kafka's protocol")

// peerError says what is wrong with an address, and the cure.
type peerError struct {
	address, text string
	err           error
}

// Error is part of error.
func (e *peerError) Error() string { return fmt.Sprintf("%s %s", e.address, e.text) }

// Unwrap returns what the text is made of.
func (e *peerError) Unwrap() error { return e.err }

// isTimeout reports whether something took too long.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
