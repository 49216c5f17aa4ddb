//go:build !portable

package listener

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awaiting runs s.await and returns what brings its result.
func awaiting(s *socket) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.await() }()
	return done
}

// rings reports whether the bell of s rings now.
func rings(t *testing.T, s *socket) bool {
	t.Helper()
	var n int
	err := control(s.ring, "epoll_wait", func(fd int) (err error) {
		n, err = unix.EpollWait(fd, make([]unix.EpollEvent, 1), 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func TestAwait(t *testing.T) {
	t.Parallel()
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 1, ReceiveBuffer: 1 << 20})
	s, sender := l.sockets[0], newSender(t, "udp4")

	send(t, sender, l, nil)
	if rings(t, s) {
		t.Error("the bell rings though it was not set")
	}
	if err := ended(t, awaiting(s)); err != nil {
		t.Errorf("await with a datagram in the queue: %v", err)
	}
	send(t, sender, l, nil)
	if rings(t, s) {
		t.Error("the bell rings again though it was set once")
	}
	b := polled(t, s)
	if datagrams, err := b.poll(); err != nil || len(datagrams) != 2 {
		t.Fatalf("%d datagrams (%v), want 2", len(datagrams), err)
	}

	done := awaiting(s)
	select {
	case err := <-done:
		t.Fatalf("await returned though nothing is queued: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	send(t, sender, l, nil)
	if err := ended(t, done); err != nil {
		t.Errorf("await when a datagram came: %v", err)
	}
}

func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 2, ReceiveBuffer: 1 << 20})
	woken, closed := awaiting(l.sockets[0]), awaiting(l.sockets[1])
	l.sockets[0].wake()
	if err := ended(t, woken); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after wake: %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if err := ended(t, awaiting(l.sockets[0])); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("long after wake: %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if err := l.sockets[1].close(); err != nil {
		t.Error(err)
	}
	if err := ended(t, closed); err == nil {
		t.Error("after close: no error")
	}
}
