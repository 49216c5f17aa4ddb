package listener

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
)

// MaxReceiveBuffer is the most one socket can ask for, in bytes: the kernel
// doubles it and keeps it in 32 bits, one of them a sign.
const MaxReceiveBuffer = 1<<30 - 1

const (
	// slotSize is the room for one datagram. No UDP payload is larger: the
	// header's 16-bit length includes its own 8 bytes (RFC 768).
	slotSize = 65535
	// maxFaults is how many passing errors in a row, faultPause apart, make a
	// socket a failed one: about a second without a datagram.
	maxFaults  = 1000
	faultPause = time.Millisecond
	// unfilteredDrain is how long a socket that cannot refuse new datagrams is
	// read on when it is to be drained: long enough for a full receive buffer.
	unfilteredDrain = 250 * time.Millisecond
)

// errStopping is what a reader's read returns when it is to make an end.
var errStopping = errors.New("listener: no more is to be read")

// socket is one bound socket. Its reader is the goroutine that calls serve;
// the other methods may be called by others at any time.
type socket struct {
	name string
	*endpoint
	granted int           // bytes of receive buffer
	delay   time.Duration // longest pause between reads
	drops   dropCounter

	stopping atomic.Bool // the reader is to make an end
	closed   atomic.Bool

	// handling is when the running handler was called, in nanoseconds since
	// started and at least 1; 0 when none runs.
	handling atomic.Int64
	started  time.Time

	refuseErr error // written by the reader, read when it has ended
}

// serve reads until the socket is drained or closed, and then returns nil.
func (s *socket) serve(h Handler) error {
	r, err := s.newReader()
	if err != nil {
		return fmt.Errorf("listener: %s: %w", s.name, err)
	}
	err = s.readUntilError(r.read, h)
	if errors.Is(err, errStopping) {
		err = s.drain(r, h)
	}
	r.free() // not deferred: a handler's panic may want to print a payload
	if err != nil && !s.closed.Load() {
		return fmt.Errorf("listener: %s failed: %w", s.name, err)
	}
	return nil
}

// readUntilError hands what read returns to h, until read returns an error that
// does not pass.
func (s *socket) readUntilError(read func() ([]Datagram, error), h Handler) error {
	faults := 0
	for {
		datagrams, err := read()
		switch {
		case err == nil:
			faults = 0
			s.handle(h, datagrams)
		case faults < maxFaults && passing(err):
			faults++
			<-time.After(faultPause)
		default:
			return err
		}
	}
}

// handle calls h with one batch.
func (s *socket) handle(h Handler, datagrams []Datagram) {
	received := time.Now()
	s.handling.Store(max(1, int64(received.Sub(s.started))))
	h(datagrams, received)
	s.handling.Store(0)
}

// handlerRunning returns for how long the handler has been running, 0 when it
// is not.
func (s *socket) handlerRunning() time.Duration {
	since := s.handling.Load()
	if since == 0 {
		return 0
	}
	return time.Since(s.started) - time.Duration(since)
}

// readOn reads what arrives for as long as unfilteredDrain.
func (s *socket) readOn(r *reader, h Handler) error {
	until := time.Now().Add(unfilteredDrain)
	err := s.readUntilError(func() ([]Datagram, error) { return r.readUntil(until) }, h)
	if errors.Is(err, errStopping) {
		return nil
	}
	return err
}

// stop makes the reader find errStopping, now or when its handler returned.
func (s *socket) stop() {
	s.stopping.Store(true)
	s.wake()
}

// close closes the socket unless it is closed; its drops are counted before.
func (s *socket) close() error {
	s.drops.finish(s.kernelDrops)
	if s.closed.Swap(true) {
		return nil
	}
	if err := s.endpoint.close(); err != nil {
		return fmt.Errorf("listener: closing %s: %w", s.name, err)
	}
	return nil
}

// kernelDrops returns the kernel's count of the socket's dropped datagrams.
func (s *socket) kernelDrops() (uint32, error) { return kernelDrops(s.raw) }

// passing reports whether err says nothing about the next read: an interrupted
// call, memory the kernel lacked for a moment, or word of a datagram that
// somebody sent, by ICMP.
func passing(err error) bool {
	for _, passes := range []error{
		syscall.EINTR,
		syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return false
}
