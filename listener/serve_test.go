package listener

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/testwait"
)

// small is a Listener's configuration that suits most tests.
var small = Config{Address: "127.0.0.1:0", Sockets: 2, ReceiveBuffer: 1 << 20}

// noHandler fails when it is asked for or called.
func noHandler(t *testing.T) func(int) Handler {
	t.Helper()
	return func(int) Handler {
		t.Error("a handler was asked for")
		return nil
	}
}

func TestEndBeforeServe(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Listener) error{"Close": (*Listener).Close, "Drain": (*Listener).Drain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newListener(t, small)
			for range 2 {
				if err := end(l); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := ended(t, serve(l, noHandler(t))); err != nil {
				t.Errorf("Serve after %s: %v", name, err)
			}
			rebind(t, l)
		})
	}
}

func TestEndWhileServing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Listener) error{"Close": (*Listener).Close, "Drain": (*Listener).Drain} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newListener(t, small)
			var got recorder
			served := serve(l, got.handler)
			send(t, newSender(t, "udp4"), l, []byte("x"))
			testwait.Until(t, patience, "the datagram", func() bool { return got.count() == 1 })
			for range 2 {
				if err := end(l); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if err := ended(t, served); err != nil {
				t.Errorf("Serve: %v", err)
			}
			if err := l.Drain(); err != nil {
				t.Errorf("Drain at the end: %v", err)
			}
			rebind(t, l)
		})
	}
}

// rebind finds l's address free.
func rebind(t *testing.T, l *Listener) {
	t.Helper()
	again, err := Listen(Config{Address: l.Addr().String(), Sockets: 1, ReceiveBuffer: 1 << 20})
	if err != nil {
		t.Fatalf("the address is not free: %v", err)
	}
	again.Close()
}

func TestServeTwice(t *testing.T) {
	t.Parallel()
	l := newListener(t, small)
	begun := make(chan struct{}, 2)
	served := serve(l, func(int) Handler {
		begun <- struct{}{}
		return func([]Datagram, time.Time) {}
	})
	<-begun
	err := l.Serve(noHandler(t))
	if err == nil || !strings.Contains(err.Error(), "once") {
		t.Errorf("second Serve returned %v, want an error that says to call it once", err)
	}
	l.Close()
	if err := ended(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestDrainDeliversQueued has a handler wait while more datagrams arrive: Drain
// returns only when it had all of them.
func TestDrainDeliversQueued(t *testing.T) {
	t.Parallel()
	const queued = 100
	l := newListener(t, small)
	var got recorder
	entered, release := make(chan struct{}, queued+1), make(chan struct{})
	served := serve(l, func(i int) Handler {
		h := got.handler(i)
		return func(batch []Datagram, received time.Time) {
			entered <- struct{}{}
			<-release
			h(batch, received)
		}
	})
	sender := newSender(t, "udp4")
	send(t, sender, l, []byte("first"))
	<-entered
	for range queued {
		send(t, sender, l, []byte("queued"))
	}
	drained := make(chan error, 2)
	for range cap(drained) {
		go func() { drained <- l.Drain() }()
	}
	testwait.Until(t, patience, "Drain to begin", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stopped
	})
	select {
	case err := <-drained:
		t.Fatalf("Drain returned while a handler was running: %v", err)
	default:
	}
	close(release)
	for range cap(drained) {
		if err := <-drained; err != nil {
			t.Errorf("Drain: %v", err)
		}
		if got := got.count(); got != queued+1 {
			t.Errorf("Drain returned after %d datagrams, want %d", got, queued+1)
		}
	}
	if err := ended(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestCloseInHandler closes while a handler runs: Close does not wait, Serve
// does.
func TestCloseInHandler(t *testing.T) {
	t.Parallel()
	l := newListener(t, small)
	closed, release := make(chan error, 1), make(chan struct{})
	served := serve(l, func(int) Handler {
		return func([]Datagram, time.Time) {
			closed <- l.Close()
			<-release
		}
	})
	send(t, newSender(t, "udp4"), l, []byte("x"))
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case err := <-served:
		t.Errorf("Serve returned while a handler was running: %v", err)
	default:
	}
	close(release)
	if err := ended(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestStalled(t *testing.T) {
	t.Parallel()
	l := newListener(t, small)
	entered, release := make(chan int), make(chan struct{})
	served := serve(l, func(i int) Handler {
		return func([]Datagram, time.Time) {
			entered <- i
			<-release
		}
	})
	if stalled := l.Stalled(0); len(stalled) != 0 {
		t.Errorf("no handler runs, yet stalled are %q", stalled)
	}
	send(t, newSender(t, "udp4"), l, []byte("x"))
	i := <-entered
	if stalled := l.Stalled(time.Hour); len(stalled) != 0 {
		t.Errorf("stalled for an hour are %q", stalled)
	}
	testwait.Until(t, patience, "the socket to be stalled", func() bool { return len(l.Stalled(5*time.Millisecond)) > 0 })
	stalled := l.Stalled(5 * time.Millisecond)
	if len(stalled) != 1 || !strings.HasPrefix(stalled[0], l.sockets[i].name+":") {
		t.Errorf("stalled are %q, want only %s", stalled, l.sockets[i].name)
	}
	close(release)
	testwait.Until(t, patience, "the handler to return", func() bool { return len(l.Stalled(0)) == 0 })
	l.Close()
	if err := ended(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestNothingIsLeft is not parallel: it counts goroutines.
func TestNothingIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, end := range []func(*Listener) error{(*Listener).Close, (*Listener).Drain} {
		l, err := Listen(small)
		if err != nil {
			t.Fatal(err)
		}
		var got recorder
		served := serve(l, got.handler)
		send(t, newSender(t, "udp4"), l, []byte("x"))
		testwait.Until(t, patience, "the datagram", func() bool { return got.count() == 1 })
		if err := end(l); err != nil {
			t.Error(err)
		}
		if err := ended(t, served); err != nil {
			t.Error(err)
		}
	}
	testwait.Until(t, patience, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
}

// panicking makes TestPanicEndsTheProcess panic instead of running itself.
const panicking = "LISTENER_TEST_PANIC"

func TestPanicEndsTheProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(panicking) != "" {
		l := newListener(t, small)
		served := serve(l, func(int) Handler {
			return func(batch []Datagram, _ time.Time) { panic(string(batch[0].Payload)) }
		})
		send(t, newSender(t, "udp4"), l, []byte("spoiled milk"))
		t.Fatalf("Serve returned %v", ended(t, served))
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program, "-test.run", "^TestPanicEndsTheProcess$")
	child.Env = append(os.Environ(), panicking+"=1")
	output, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(output), "panic: spoiled milk") {
		t.Errorf("process ended with %v, want status 2 and the panic:\n%s", err, output)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	dead := os.NewSyscallError("recvmmsg", syscall.EBADF)
	passes := os.NewSyscallError("recvmmsg", syscall.ENOBUFS)
	cases := []struct {
		name    string
		errs    []error // in order; nil is a batch
		want    error
		batches int
	}{
		{"fatal at once", []error{dead}, dead, 0},
		{"fatal after a batch", []error{nil, dead}, dead, 1},
		{"interrupted", []error{syscall.EINTR, nil, dead}, dead, 1},
		{"no memory", []error{passes, passes, nil, dead}, dead, 1},
		{"refused", []error{syscall.ECONNREFUSED, nil, dead}, dead, 1},
		{"as often as allowed, twice", append(append(repeat(passes, maxFaults), nil), append(repeat(passes, maxFaults), nil, dead)...), dead, 2},
		{"once too often", append(repeat(passes, maxFaults+1), nil), passes, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &socket{started: time.Now()}
				read := func() ([]Datagram, error) {
					err := c.errs[0]
					c.errs = c.errs[1:]
					return nil, err
				}
				batches := 0
				err := s.readUntilError(read, func([]Datagram, time.Time) { batches++ })
				if !errors.Is(err, c.want) {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
				if batches != c.batches {
					t.Errorf("%d batches, want %d", batches, c.batches)
				}
			})
		})
	}
}

// repeat returns err n times.
func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
