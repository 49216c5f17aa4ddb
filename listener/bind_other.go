//go:build !linux || portable

package listener

import (
	"errors"
	"net"
	"net/netip"
)

// bind binds one socket to t: SO_REUSEPORT, where other systems have it, does not
// spread datagrams over sockets. What only Linux can do here is refused.
func bind(t target, _ int) ([]*endpoint, netip.AddrPort, error) {
	switch {
	case t.ip.IsMulticast():
		return nil, netip.AddrPort{}, t.failed(errors.New("multicast groups are joined on Linux only: " +
			"have exporters send to an address of this machine"))
	case t.device != nil && !belongsToInterface(t.ip):
		return nil, netip.AddrPort{}, t.failed(errors.New("sockets are bound to an interface on Linux only: leave it out"))
	}
	network, addr := t.udp()
	conn, err := net.ListenUDP(network, addr)
	if err != nil {
		return nil, netip.AddrPort{}, t.failed(err)
	}
	bound := addrPort(conn.LocalAddr())
	e, err := newEndpoint(conn)
	if err == nil {
		err = t.check(bound, bound.Addr().Zone())
	}
	if err != nil {
		return nil, bound, errors.Join(err, conn.Close())
	}
	return []*endpoint{e}, bound, nil
}

// udp returns t as package net takes it.
func (t target) udp() (network string, addr *net.UDPAddr) {
	addr = &net.UDPAddr{Port: int(t.port)}
	if !t.ip.IsValid() {
		return "udp", addr
	}
	addr.IP = t.ip.AsSlice()
	if t.device != nil {
		addr.Zone = t.device.Name
	}
	if t.ip.Is4() {
		return "udp4", addr
	}
	return "udp6", addr
}
