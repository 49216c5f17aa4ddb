package exporter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
)

// maxBatch is the most datagrams that one send carries. A receiver with the
// default buffer of Linux, 208 KiB, has room for about 90 full packets.
const maxBatch = 64

// bufferWait is how long to wait when the system has no buffers left.
const bufferWait = time.Millisecond

// socket sends from one local address to the target. It belongs to one
// goroutine; only interrupt may be called by another.
type socket struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	source netip.AddrPort
	// refused counts the errors that told of a target where nobody listens. It
	// may be read by any goroutine.
	refused atomic.Uint64
	// unheard: nobody listened when it was closed.
	unheard atomic.Bool
}

// openSocket binds a socket to local and port, and connects it with target. A
// local that is not valid leaves the choice to the system, as port 0 does.
func openSocket(local netip.Addr, port uint16, target netip.AddrPort) (*socket, error) {
	from := &net.UDPAddr{IP: local.AsSlice(), Port: int(port)}
	conn, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(target))
	if err != nil {
		return nil, fmt.Errorf("exporter: opening a socket to send to %s: %w", target, openCure(err))
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("exporter: socket to %s: %w", target, err), conn.Close())
	}
	s := &socket{conn: conn, raw: raw}
	if addr, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		s.source = netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
	}
	return s, nil
}

// openCure adds what to do to the errors that have a known cause.
func openCure(err error) error {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w; use fewer exporters, or raise the limit with ulimit -n", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w; this system lacks the source address: leave the choice of sources to the program", err)
	case errors.Is(err, syscall.ENETUNREACH):
		return fmt.Errorf("%w; check that this machine has a route to it", err)
	}
	return err
}

// interrupt ends a send that waits for the socket, and all later ones.
func (s *socket) interrupt() {
	// It fails on a closed socket only, where nothing waits.
	_ = s.conn.SetWriteDeadline(time.Unix(1, 0))
}

// noteRefusal counts a refusal that no send has told of: that of the last datagram.
func (s *socket) noteRefusal() {
	if errors.Is(s.pendingError(), syscall.ECONNREFUSED) {
		s.refused.Add(1)
		s.unheard.Store(true)
	}
}

// refusalWait is how long a refusal of the last datagrams may take to come back
// over the network.
const refusalWait = 100 * time.Millisecond

// awaitRefusals waits until the target had time to refuse the last datagrams. On
// this machine it does so while they are sent.
func awaitRefusals(ctx context.Context, target netip.AddrPort) {
	if !target.Addr().IsLoopback() {
		pause(ctx, refusalWait)
	}
}

func (s *socket) close() error { return s.conn.Close() }

// transmitter sends payloads from a socket. It returns how many were sent,
// which is fewer than all only with an error.
type transmitter interface {
	transmit(ctx context.Context, from *socket, payloads [][]byte) (int, error)
}

// network is the transmitter of real datagrams. It belongs to one goroutine.
type network struct {
	batch *batch
}

// transmit sends all payloads, at most maxBatch at once. Two conditions pass by
// themselves: nobody listens yet (the system says so in the send after the one
// that was refused, and sends nothing then), and no buffers are left.
func (n *network) transmit(ctx context.Context, from *socket, payloads [][]byte) (int, error) {
	sent := 0
	for sent < len(payloads) {
		done, err := n.batch.send(from, payloads[sent:])
		sent += done
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return sent, ctx.Err()
		case errors.Is(err, syscall.ECONNREFUSED):
			from.refused.Add(1)
		case errors.Is(err, syscall.ENOBUFS):
			pause(ctx, bufferWait)
		default:
			return sent, fmt.Errorf("exporter: sending from %s to %v: %w; check the route and the firewall", from.source, from.conn.RemoteAddr(), err)
		}
	}
	return sent, nil
}
