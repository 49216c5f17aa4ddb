//go:build !linux || portable

package listener

import "net"

// bind binds one socket to address: SO_REUSEPORT, where other systems have it,
// does not spread datagrams over sockets.
func bind(address string, _ int) ([]*net.UDPConn, error) {
	conn, err := bindOne(networkOf(address), address, nil)
	if err != nil {
		return nil, err
	}
	return []*net.UDPConn{conn}, nil
}
