//go:build !portable

package listener

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// batchSize is how many datagrams one system call reads at most: 32 to 128
	// cost the same (docs/decisions/0002-batched-receive.md). Its memory, for each
	// socket: batchSize slots of slotStride bytes are 4 MiB of addresses, and a
	// page of them takes memory once a datagram reached into it. That is 256 KiB
	// while no datagram is larger than a page, and all when every slot has held a
	// large one.
	batchSize = 64
	// slotStride is slotSize in whole pages.
	slotStride = 64 << 10
)

// errQueueEmpty is poll's answer when there is nothing to read.
var errQueueEmpty = errors.New("no datagram is queued")

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	header unix.Msghdr
	length uint32
}

// sourceAddress is struct sockaddr_in6, or sockaddr_in in its beginning. Their
// bytes: 0-1 family, in the machine's order; 2-3 port, big-endian; 4-7 IPv4
// address or IPv6 flow label; 8-23 IPv6 address; 24-27 its zone.
type sourceAddress [unix.SizeofSockaddrInet6]byte

// batch reads the datagrams of one socket, many with one system call. Only one
// goroutine may use it.
type batch struct {
	raw       syscall.RawConn
	slab      []byte // the slots; not Go's memory
	messages  []message
	vectors   []unix.Iovec
	sources   []sourceAddress
	datagrams []Datagram

	// What the function for the RawConn shares with its caller. It is made once:
	// made for every read, it would be allocated every time.
	readNow func(fd uintptr)
	count   int
	errno   syscall.Errno
}

// newBatch returns a batch of at most size datagrams of a socket.
func newBatch(raw syscall.RawConn, size int) (*batch, error) {
	slab, err := newSlab(size * slotStride)
	if err != nil {
		return nil, err
	}
	b := &batch{
		raw:       raw,
		slab:      slab,
		messages:  make([]message, size),
		vectors:   make([]unix.Iovec, size),
		sources:   make([]sourceAddress, size),
		datagrams: make([]Datagram, size),
	}
	for i := range b.messages {
		b.vectors[i].Base = &b.slot(i)[0]
		b.vectors[i].SetLen(slotSize)
		b.messages[i].header.Iov = &b.vectors[i]
		b.messages[i].header.SetIovlen(1)
		b.messages[i].header.Name = &b.sources[i][0]
		b.messages[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	b.readNow = b.receive
	return b, nil
}

// newSlab maps memory that takes no room until it is written to, and then by
// the page: not by the 2 MiB of a huge one, and never cleared by the garbage
// collector.
func newSlab(size int) ([]byte, error) {
	slab, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("no memory for a batch of %d bytes: %w", size, err)
	}
	// A kernel without huge pages refuses, and is right.
	_ = unix.Madvise(slab, unix.MADV_NOHUGEPAGE)
	return slab, nil
}

// free gives the memory back. Payloads must not be touched after it.
func (b *batch) free() {
	// It fails only for memory that was not mapped.
	_ = unix.Munmap(b.slab)
}

// slot returns the room for the datagram at index i of the batch.
func (b *batch) slot(i int) []byte {
	return b.slab[i*slotStride:][:slotSize:slotSize]
}

// poll returns what is queued, as much as fits; it is valid until the next call.
// It never waits, and returns errQueueEmpty when there is nothing.
func (b *batch) poll() ([]Datagram, error) {
	if err := b.raw.Control(b.readNow); err != nil {
		return nil, err
	}
	if b.errno == unix.EAGAIN {
		return nil, errQueueEmpty
	}
	return b.received()
}

// receive makes the system call.
func (b *batch) receive(fd uintptr) {
	messages := unsafe.Pointer(&b.messages[0]) //nolint:gosec // as recvmmsg takes it
	count, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(messages), uintptr(len(b.messages)), unix.MSG_DONTWAIT, 0, 0)
	b.count, b.errno = int(count), errno
}

// received returns what the last system call brought. Nothing can have been
// truncated, as no datagram is larger than a slot.
func (b *batch) received() ([]Datagram, error) {
	if b.errno != 0 {
		return nil, os.NewSyscallError("recvmmsg", b.errno)
	}
	for i := range b.count {
		m := &b.messages[i]
		b.datagrams[i] = Datagram{From: b.sources[i].addrPort(), Payload: b.slot(i)[:m.length:m.length]}
		m.header.Namelen = unix.SizeofSockaddrInet6 // the kernel wrote the length it used
	}
	return b.datagrams[:b.count], nil
}

// addrPort returns the address and port in s.
func (s *sourceAddress) addrPort() netip.AddrPort {
	var addr netip.Addr
	if binary.NativeEndian.Uint16(s[0:2]) == unix.AF_INET {
		addr = netip.AddrFrom4([4]byte(s[4:8]))
	} else {
		addr = netip.AddrFrom16([16]byte(s[8:24])).Unmap()
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(s[2:4]))
}
