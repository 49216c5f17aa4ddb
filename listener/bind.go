package listener

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// bindOne binds a socket; prepare, if any, sets its options before.
func bindOne(network, address string, prepare func(syscall.RawConn) error) (*net.UDPConn, error) {
	var config net.ListenConfig
	if prepare != nil {
		config.Control = func(_, _ string, raw syscall.RawConn) error { return prepare(raw) }
	}
	// The context bounds the look-up of a host's name; there is none to give.
	packetConn, err := config.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("listener: cannot listen on %q: %w%s", address, err, bindCure(err))
	}
	conn, ok := packetConn.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listener: %q is not UDP: %T", address, packetConn), packetConn.Close())
	}
	return conn, nil
}

// networkOf returns Go's network for address: "udp" takes a host that is not
// given, and 0.0.0.0 too, for all IPv4 and IPv6 addresses.
func networkOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "udp" // the error is for ListenPacket to name
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return "udp4"
	}
	return "udp"
}

// bindCure returns what to do about err, to be added to its text.
func bindCure(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another process, or another address of this one, has the port: stop it or choose another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": this machine does not have the address: leave the host empty to listen on all it has"
	case errors.Is(err, syscall.EACCES):
		return ": a port below 1024 needs a privilege (Linux: CAP_NET_BIND_SERVICE): choose a higher one"
	default:
		return ""
	}
}
