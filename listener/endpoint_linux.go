//go:build !portable

package listener

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endpoint is a UDP socket outside the Go runtime's poller.
//
// In the poller, a socket wakes a thread with every datagram that finds the
// queue read, whether anybody waits for one or not. Here the poller watches a
// bell: an epoll instance (epoll(7)) that has the socket in it, and that rings
// once each time it was set.
type endpoint struct {
	file *os.File        // the socket, in blocking mode: the runtime leaves it alone
	raw  syscall.RawConn // file's
	bell *os.File

	// What follows is for await, which one goroutine at a time may call. The
	// functions are made once: made for every call, they would be allocated.
	ring  syscall.RawConn // bell's
	rung  func(bell uintptr) bool
	set   func(socket uintptr)
	isSet bool
	epoll int // the bell's file descriptor, for set
	err   error
}

// newEndpoint takes over a socket in blocking mode, and closes it if that fails.
func newEndpoint(file *os.File) (*endpoint, error) {
	e := &endpoint{file: file}
	if err := e.hang(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return e, nil
}

// hang makes the bell.
func (e *endpoint) hang() error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	// Not to block is what makes the runtime's poller take it.
	if err := unix.SetNonblock(epoll, true); err != nil {
		return errors.Join(os.NewSyscallError("O_NONBLOCK", err), unix.Close(epoll))
	}
	e.bell = os.NewFile(uintptr(epoll), "bell")
	if e.raw, err = e.file.SyscallConn(); err != nil {
		return errors.Join(err, e.bell.Close())
	}
	if e.ring, err = e.bell.SyscallConn(); err != nil {
		return errors.Join(err, e.bell.Close())
	}
	err = control(e.raw, "EPOLL_CTL_ADD", func(fd int) error {
		return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd)})
	})
	if err != nil {
		return errors.Join(err, e.bell.Close())
	}
	e.rung, e.set = e.hasRung, e.setBell
	return nil
}

// await waits until a datagram is queued. After wake it returns
// os.ErrDeadlineExceeded, whether one is or not.
func (e *endpoint) await() error {
	e.isSet, e.err = false, nil
	return errors.Join(e.ring.Read(e.rung), e.err)
}

// hasRung reports whether there is nothing to wait for any more.
func (e *endpoint) hasRung(bell uintptr) bool {
	if !e.isSet {
		e.isSet, e.epoll = true, int(bell)
		if err := e.raw.Control(e.set); err != nil {
			e.err = err
		}
	}
	var events [1]unix.EpollEvent
	n, err := unix.EpollWait(int(bell), events[:], 0)
	if err != nil && e.err == nil {
		e.err = os.NewSyscallError("epoll_wait", err)
	}
	return n > 0 || e.err != nil
}

// setBell makes the bell ring with the next datagram, or at once if one is
// queued, and then not again.
func (e *endpoint) setBell(socket uintptr) {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(socket)}
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_MOD, int(socket), &event); err != nil {
		e.err = os.NewSyscallError("epoll_ctl", err)
	}
}

// wake ends the waiting for a datagram, now and later.
func (e *endpoint) wake() {
	// It fails only when the bell is closed: then nobody waits.
	_ = e.bell.SetReadDeadline(time.Unix(1, 0))
}

// close closes the socket.
func (e *endpoint) close() error { return errors.Join(e.file.Close(), e.bell.Close()) }
