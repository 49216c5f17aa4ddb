//go:build !linux || portable

package listener

import (
	"errors"
	"syscall"
)

// setReceiveBuffer asks for a receive buffer of size bytes, and halves that
// until it is granted.
func (e *endpoint) setReceiveBuffer(size int) (granted int, err error) {
	for granted = size; granted > 0; granted /= 2 {
		if err = e.conn.SetReadBuffer(granted); err == nil {
			return granted, nil
		}
	}
	return 0, err
}

// receiveBufferCure returns what lets the socket have more.
func receiveBufferCure(int) string {
	return "raise the system's limit on socket buffers (BSD, macOS: sysctl kern.ipc.maxsockbuf)"
}

// kernelDrops has nobody to ask.
func kernelDrops(syscall.RawConn) (uint32, error) { return 0, errors.ErrUnsupported }
