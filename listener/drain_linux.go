//go:build !portable

package listener

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// largestCharge bounds what the kernel charges a socket for one datagram: the
// buffers of 64 KiB in fragments, with their overhead.
const largestCharge = 256 << 10

// drain makes the socket refuse new datagrams and hands what it had accepted
// to h.
func (s *socket) drain(r *reader, h Handler) error {
	if err := s.refuse(); err != nil {
		s.refuseErr = fmt.Errorf("listener: %s cannot refuse new datagrams, and some may be lost: %w", s.name, err)
		return s.readOn(r, h)
	}
	err := s.readUntilError(r.poll, h)
	if errors.Is(err, errQueueEmpty) {
		return nil
	}
	return err
}

// refuse attaches a filter that lets no datagram pass, and waits until none is
// on its way into the queue any more. Only the reader may call it.
//
// The kernel counts what a filter refuses like what a full buffer drops, so the
// count of drops ends here. It is exact unless the buffer is full just now: then
// a datagram that arrives between two adjacent system calls may be counted that
// was refused, rather than one left out that was dropped.
func (s *socket) refuse() error {
	var failed error
	s.drops.finish(func() (uint32, error) {
		before, beforeErr := socketMemory(s.raw)
		if err := attachRefuseAll(s.raw); err != nil {
			failed = err
			return 0, err
		}
		after, afterErr := socketMemory(s.raw)
		awaitReceivePath()
		settled, settledErr := socketMemory(s.raw)
		return lastDrops(before, after, settled), errors.Join(beforeErr, afterErr, settledErr)
	})
	return failed
}

// lastDrops returns the drops that were no refusals, given the socket's memory
// right before the filter was attached, right after, and when nothing could be
// added to the queue any more. Nobody read meanwhile, so the queue only grew:
// is there room at the end, there was all the time, and nothing was dropped.
func lastDrops(before, after, settled memory) uint32 {
	if settled.used == 0 || int64(settled.limit)-int64(settled.used) >= largestCharge {
		return before.drops
	}
	return after.drops
}

// attachRefuseAll attaches a classic BPF program to the socket that keeps 0
// bytes of every datagram, which drops it. What is queued already stays.
func attachRefuseAll(raw syscall.RawConn) error {
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	return control(raw, "SO_ATTACH_FILTER", func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL (membarrier(2)).
const membarrierGlobal = 1

// awaitReceivePath waits until the kernel has queued or dropped every datagram
// that had passed a socket's filter before the call: another processor may be
// between the two. That part of the kernel is an RCU reader, and membarrier
// waits for all of those, some milliseconds. Kernels that refuse it (old ones,
// those with nohz_full, some seccomp profiles) leave that gap open: it is
// shorter than a microsecond, usually.
func awaitReceivePath() {
	_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0)
}
