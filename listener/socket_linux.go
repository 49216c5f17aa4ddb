//go:build !portable

package listener

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setReceiveBuffer asks for a receive buffer of size bytes, and returns what was
// granted.
//
// SO_RCVBUFFORCE goes beyond net.core.rmem_max, but needs CAP_NET_ADMIN: that it
// is refused is usual and says nothing. SO_RCVBUF is cut to the limit silently.
func (e *endpoint) setReceiveBuffer(size int) (granted int, err error) {
	err = control(e.raw, "SO_RCVBUF", func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
				return err
			}
		}
		var err error
		granted, err = receiveBuffer(fd)
		return err
	})
	return granted, err
}

// receiveBuffer returns the size of fd's receive buffer as it would have been
// asked for. The kernel doubles that, for its own overhead (socket(7)).
func receiveBuffer(fd int) (int, error) {
	doubled, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return doubled / 2, err
}

// receiveBufferCure returns what lets every socket have size bytes.
func receiveBufferCure(size int) string {
	return fmt.Sprintf("sysctl -w net.core.rmem_max=%d", size)
}

// memory is what SO_MEMINFO tells about a socket.
type memory struct {
	used  uint32 // bytes that the queued datagrams take, overhead included
	limit uint32 // what they may take: twice the receive buffer
	drops uint32 // datagrams dropped since the socket was made, mod 2^32
}

// socketMemory asks the kernel (4.12 or newer). The answer is the state of now,
// unlike SO_RXQ_OVFL's, which waits for the next datagram.
func socketMemory(raw syscall.RawConn) (memory, error) {
	var info [unix.SK_MEMINFO_DROPS + 1]uint32
	err := control(raw, "SO_MEMINFO", func(fd int) error {
		size := uint32(unsafe.Sizeof(info))
		value, length := unsafe.Pointer(&info), unsafe.Pointer(&size) //nolint:gosec // as getsockopt takes them
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(value), uintptr(length), 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
	return memory{
		used:  info[unix.SK_MEMINFO_RMEM_ALLOC],
		limit: info[unix.SK_MEMINFO_RCVBUF],
		drops: info[unix.SK_MEMINFO_DROPS],
	}, err
}

// kernelDrops returns how many datagrams of the socket were dropped, mod 2^32.
func kernelDrops(raw syscall.RawConn) (uint32, error) {
	info, err := socketMemory(raw)
	return info.drops, err
}

// control runs do with the socket's file descriptor. A failure is named after
// the socket option.
func control(raw syscall.RawConn, option string, do func(fd int) error) error {
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return os.NewSyscallError(option, failed)
}
