//go:build !portable

package listener

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind binds count sockets to address.
//
// The first is bound without SO_REUSEPORT, and so fails when anybody has the
// address. It gets the option afterwards, which is what lets the others join;
// there is no moment at which the port is free again. Port 0 is chosen by the
// first, too: with the option set, the kernel would choose among the ports of
// other groups of the same user as well.
func bind(address string, count int) ([]*net.UDPConn, error) {
	network := networkOf(address)
	first, err := bindOne(network, address, nil)
	if err != nil {
		return nil, err
	}
	conns := []*net.UDPConn{first}
	if count > 1 {
		err = shareFirst(first)
	}
	if addrPort(first).Addr().Is4() {
		network = "udp4"
	}
	for err == nil && len(conns) < count {
		var conn *net.UDPConn
		if conn, err = bindOne(network, first.LocalAddr().String(), sharePort); err == nil {
			conns = append(conns, conn)
		}
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(conns))
	}
	return conns, nil
}

// shareFirst lets other sockets bind to the address of conn.
func shareFirst(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	return sharePort(raw)
}

// sharePort sets SO_REUSEPORT.
func sharePort(raw syscall.RawConn) error {
	return control(raw, "SO_REUSEPORT", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
}
