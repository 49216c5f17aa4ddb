//go:build !linux || portable

package listener

import (
	"net"
	"syscall"
	"time"
)

// endpoint is a UDP socket as the standard library has it.
type endpoint struct {
	conn *net.UDPConn
	raw  syscall.RawConn // conn's
}

// newEndpoint takes conn over.
func newEndpoint(conn *net.UDPConn) (*endpoint, error) {
	raw, err := conn.SyscallConn()
	return &endpoint{conn: conn, raw: raw}, err
}

// wake ends the waiting for a datagram, now and later.
func (e *endpoint) wake() {
	// It fails only when the socket is closed: then nobody waits.
	_ = e.conn.SetReadDeadline(time.Unix(1, 0))
}

// close closes the socket.
func (e *endpoint) close() error { return e.conn.Close() }
