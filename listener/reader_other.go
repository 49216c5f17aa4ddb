//go:build !linux || portable

package listener

import (
	"errors"
	"net/netip"
	"os"
	"time"
)

// reader reads the datagrams of one socket, one at a time. Only one goroutine
// may use it.
type reader struct {
	socket    *socket
	slot      []byte
	datagrams [1]Datagram
}

// newReader returns a reader of s.
func (s *socket) newReader() (*reader, error) {
	return &reader{socket: s, slot: make([]byte, slotSize)}, nil
}

// free forgets the memory. Payloads must not be touched after it.
func (r *reader) free() { r.slot = nil }

// read waits for a datagram and returns it; it is valid until the next call.
// After stop it returns errStopping.
func (r *reader) read() ([]Datagram, error) {
	n, from, err := r.socket.conn.ReadFromUDPAddrPort(r.slot)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errStopping
	case err != nil:
		return nil, err
	}
	r.datagrams[0] = Datagram{
		From:    netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()),
		Payload: r.slot[:n:n],
	}
	return r.datagrams[:], nil
}

// readUntil is read up to a time; then it returns errStopping.
func (r *reader) readUntil(end time.Time) ([]Datagram, error) {
	if err := r.socket.conn.SetReadDeadline(end); err != nil {
		return nil, err
	}
	return r.read()
}
