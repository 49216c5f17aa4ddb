package exporter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// loopback4 is where exporters get addresses of their own.
var loopback4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)

// lastLoopback4 is the last of them: 127.255.255.255 is a broadcast address.
const lastLoopback4 = 0x7fff_fffe

// resolveTarget turns the target's host:port into an address.
func resolveTarget(target string) (netip.AddrPort, error) {
	if _, _, err := net.SplitHostPort(target); err != nil {
		return netip.AddrPort{}, &FieldError{"Target", fmt.Sprintf("%q", target), "give host:port, such as " + DefaultTarget + " or [::1]:2055"}
	}
	addr, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("exporter: looking up target %s: %w; check its name and port", target, err)
	}
	a := addr.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

// addressPlan gives each exporter the local address that it sends from.
type addressPlan struct {
	target netip.AddrPort
	// first is the first exporter's address; not valid when exporters share
	// the system's own address.
	first netip.Addr
	// wanted: the caller asked for own addresses, so going without them would
	// be an error.
	wanted bool
}

// isLocal reports whether a target takes datagrams from all of 127.0.0.0/8.
func isLocal(target netip.AddrPort) bool {
	return target.Addr().Is4() && target.Addr().IsLoopback()
}

// planAddresses decides where n exporters send from: from first on, if it is
// valid, else from fallback on, if the target allows it.
func planAddresses(target netip.AddrPort, first, fallback netip.Addr, n int) (addressPlan, error) {
	switch {
	case !first.IsValid() && isLocal(target):
		return addressPlan{target: target, first: fallback}, nil
	case !first.IsValid():
		return addressPlan{target: target}, nil
	case !isLocal(target):
		return addressPlan{}, &FieldError{"FirstSource", first, "leave it out, or give a target such as " + DefaultTarget +
			": only IPv4 loopback targets take datagrams from it"}
	}
	plan := addressPlan{target: target, first: first, wanted: true}
	if !loopback4.Contains(first) || n > plan.room() {
		return addressPlan{}, &FieldError{"FirstSource", first, fmt.Sprintf("give an address of 127.0.0.0/8 with %d more after it", n-1)}
	}
	return plan, nil
}

// room is how many exporters the plan has addresses for.
func (p *addressPlan) room() int {
	return lastLoopback4 - int(number(p.first)) + 1
}

// source returns the local address of exporter i, counted from 0. Port 0 is
// any; so is an address that is not valid.
func (p *addressPlan) source(i int) netip.Addr {
	if !p.first.IsValid() {
		return netip.Addr{}
	}
	return addressOf(number(p.first) + uint32(i))
}

// open opens the socket of exporter i on local port, 0 being any.
func (p *addressPlan) open(i int, port uint16) (*socket, error) {
	s, err := openSocket(p.source(i), port, p.target)
	if p.first.IsValid() && !p.wanted && errors.Is(err, syscall.EADDRNOTAVAIL) {
		p.first = netip.Addr{}
		return openSocket(p.first, port, p.target)
	}
	return s, err
}

// number is an IPv4 address as a number.
func number(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// addressOf is the IPv4 address that is this number.
func addressOf(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
