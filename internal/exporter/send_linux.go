package exporter

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is the struct of sendmmsg(2): a message, and the bytes sent of it.
type mmsghdr struct {
	header unix.Msghdr
	sent   uint32
}

// batch sends several datagrams in one system call. It belongs to one goroutine
// and is used for all its sockets.
type batch struct {
	messages [maxBatch]mmsghdr
	vectors  [maxBatch]unix.Iovec
	// attempt is b.call, made once so that a send does not allocate it.
	attempt func(fd uintptr) bool
	// waiting is how many messages call shall send; sent and err its answer.
	waiting int
	sent    int
	err     error
}

func newBatch() *batch {
	b := new(batch)
	b.attempt = b.call
	for i := range b.messages {
		b.messages[i].header.Iov = &b.vectors[i]
		b.messages[i].header.SetIovlen(1)
	}
	return b
}

// send sends the first payloads, at most maxBatch, and returns how many were
// sent: at least one when there is no error. It waits while the socket is full.
func (b *batch) send(from *socket, payloads [][]byte) (int, error) {
	b.waiting = min(len(payloads), maxBatch)
	for i, p := range payloads[:b.waiting] {
		b.vectors[i].Base = unsafe.SliceData(p) //nolint:gosec // the kernel reads the payload there
		b.vectors[i].SetLen(len(p))
	}
	if err := from.raw.Write(b.attempt); err != nil {
		return 0, err
	}
	if b.err != nil {
		return 0, os.NewSyscallError("sendmmsg", b.err)
	}
	return b.sent, nil
}

// call is one system call. False asks to be called again when the socket takes
// more.
func (b *batch) call(fd uintptr) bool {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])), //nolint:gosec // the kernel reads the messages there
			uintptr(b.waiting), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		b.sent, b.err = int(n), nil
		if errno == 0 {
			return true
		}
		b.sent, b.err = 0, errno
		if !errors.Is(errno, unix.EINTR) {
			return !errors.Is(errno, unix.EAGAIN)
		}
	}
}

// pendingError takes the error that the next send would report, nil if none.
func (s *socket) pendingError() error {
	var pending int
	err := s.raw.Control(func(fd uintptr) {
		pending, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	})
	if err == nil && pending != 0 {
		err = unix.Errno(pending)
	}
	return err
}
