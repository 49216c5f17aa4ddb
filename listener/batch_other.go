//go:build !linux || portable

package listener

import (
	"net"
	"net/netip"
)

// batchSize is how many datagrams one read brings.
const batchSize = 1

// batch reads the datagrams of one socket, one at a time. Only one goroutine
// may use it.
type batch struct {
	conn      *net.UDPConn
	slot      []byte
	datagrams [batchSize]Datagram

	waited bool // not known: with one datagram a read there are no pauses
}

// newBatch returns a batch for conn.
func newBatch(conn *net.UDPConn, _ int) (*batch, error) {
	return &batch{conn: conn, slot: make([]byte, slotSize)}, nil
}

// free forgets the memory. Payloads must not be touched after it.
func (b *batch) free() { b.slot = nil }

// read waits for a datagram and returns it; it is valid until the next call.
func (b *batch) read() ([]Datagram, error) {
	n, from, err := b.conn.ReadFromUDPAddrPort(b.slot)
	if err != nil {
		return nil, err
	}
	b.datagrams[0] = Datagram{
		From:    netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()),
		Payload: b.slot[:n:n],
	}
	return b.datagrams[:], nil
}
