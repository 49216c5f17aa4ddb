//go:build !portable

package listener

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowpub/flowpub/internal/testwait"
)

// TestDrainUnderLoad drains while senders go on sending: each one's datagrams
// are delivered without a gap up to some point, and that point is not before
// what it had sent when Drain was called. What was refused is not counted as
// dropped.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	const senders = 4
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 3, ReceiveBuffer: 12 << 20})
	window := sendWindow(t, l, senders)
	flows := make([]*flow, senders)
	byPort := map[uint16]*flow{}
	for i := range flows {
		flows[i] = &flow{conn: newSender(t, "udp4")}
		byPort[addrPort(flows[i].conn.LocalAddr()).Port()] = flows[i]
	}
	served := serve(l, func(int) Handler {
		return func(batch []Datagram, _ time.Time) {
			for _, d := range batch {
				byPort[d.From.Port()].take(d.Payload)
			}
		}
	})
	draining := make(chan struct{})
	var sending sync.WaitGroup
	for _, f := range flows {
		sending.Go(func() { f.send(t, loopback(f.conn, l), window, draining) })
	}
	testwait.Until(t, patience, "every sender to be heard", func() bool {
		for _, f := range flows {
			if f.taken.Load() < 1000 {
				return false
			}
		}
		return true
	})
	accepted := make([]uint32, senders)
	for i, f := range flows {
		accepted[i] = f.sent.Load()
	}
	close(draining)
	if err := l.Drain(); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if err := ended(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	sending.Wait()
	for i, f := range flows {
		if taken := f.taken.Load(); taken < accepted[i] || taken > f.sent.Load() {
			t.Errorf("sender %d: %d delivered; %d were sent before Drain, %d in all", i, taken, accepted[i], f.sent.Load())
		}
		if f.gaps.Load() != 0 {
			t.Errorf("sender %d: %d datagrams did not come in their turn", i, f.gaps.Load())
		}
	}
	if dropped := l.Stats().KernelDropped; dropped != 0 {
		t.Errorf("%d datagrams counted as dropped, though there was room for all", dropped)
	}
}

// TestDrainRefuses sends from the handler once Drain has begun: what was queued
// before is delivered, what comes now is not.
func TestDrainRefuses(t *testing.T) {
	t.Parallel()
	const queued = 3 * batchSize
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 1, ReceiveBuffer: 400 << 10})
	sender := newSender(t, "udp4")
	for range queued {
		send(t, sender, l, []byte("queued"))
	}
	var got recorder
	entered, release := make(chan struct{}), make(chan struct{})
	served := serve(l, func(i int) Handler {
		h, first, late := got.handler(i), true, 0
		return func(batch []Datagram, received time.Time) {
			if first {
				first = false
				close(entered)
				<-release
			} else if late++; late < queued {
				send(t, sender, l, []byte("late"))
			}
			h(batch, received)
		}
	})
	<-entered
	l.endReading() // Drain's first step, so that it is done when the handler returns
	close(release)
	if err := l.Drain(); err != nil {
		t.Error(err)
	}
	if err := ended(t, served); err != nil {
		t.Error(err)
	}
	for _, r := range got.all() {
		if r.payload != "queued" {
			t.Errorf("a datagram was accepted after Drain had begun: %q", r.payload)
		}
	}
	if got := got.count(); got != queued {
		t.Errorf("%d datagrams, want %d", got, queued)
	}
	if dropped := l.Stats().KernelDropped; dropped != 0 {
		t.Errorf("%d datagrams counted as dropped, want none", dropped)
	}
}

// TestDrainCannotRefuse locks one socket's filter, so that none can be attached:
// Drain says so, and delivers what was queued all the same.
func TestDrainCannotRefuse(t *testing.T) {
	t.Parallel()
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 2, ReceiveBuffer: 1 << 20})
	err := control(l.sockets[1].raw, "SO_LOCK_FILTER", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_LOCK_FILTER, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	const queued = 50
	for range queued {
		send(t, newSender(t, "udp4"), l, nil)
	}
	var got recorder
	drained := make(chan error)
	served := serve(l, func(i int) Handler {
		if i == 0 {
			go func() { drained <- l.Drain() }()
		}
		return got.handler(i)
	})
	err = <-drained
	if err == nil || !strings.Contains(err.Error(), "listener: "+l.sockets[1].name+" cannot refuse") || strings.Contains(err.Error(), l.sockets[0].name) {
		t.Errorf("Drain returned %v, want an error that names only %s", err, l.sockets[1].name)
	}
	if err := ended(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if got.count() != queued {
		t.Errorf("%d datagrams delivered, want %d", got.count(), queued)
	}
}

// sendWindow returns how many datagrams each of some senders may have on their
// way so that their receive buffer certainly has room left at the end, if each
// sends as many again while it is drained.
func sendWindow(t *testing.T, l *Listener, senders int) uint32 {
	t.Helper()
	const charge = 1024 // bytes for a small datagram, rounded up
	limit := 2 * l.sockets[0].granted
	window := (limit - largestCharge) / charge / senders / 2
	if window < 4 {
		t.Fatalf("a receive buffer of %d bytes is too small for this test", limit/2)
	}
	return uint32(window)
}

// flow is the numbered datagrams of one sender.
type flow struct {
	conn *net.UDPConn
	// sent counts what the kernel took, taken what came in turn, gaps the rest.
	sent, taken, gaps atomic.Uint32
}

// send sends numbered datagrams, at most window of them not taken yet, until
// draining begins; and then window more, as fast as it can.
func (f *flow) send(t *testing.T, to netip.AddrPort, window uint32, draining <-chan struct{}) {
	t.Helper()
	one := func() {
		if _, err := f.conn.WriteToUDPAddrPort(binary.BigEndian.AppendUint32(nil, f.sent.Load()), to); err != nil {
			t.Error(err)
		}
		f.sent.Add(1)
	}
	for {
		select {
		case <-draining:
			for range window {
				one()
			}
			return
		default:
			if f.sent.Load()-f.taken.Load() < window {
				one()
			} else {
				runtime.Gosched()
			}
		}
	}
}

// take counts one that was received.
func (f *flow) take(payload []byte) {
	if binary.BigEndian.Uint32(payload) == f.taken.Load() {
		f.taken.Add(1)
	} else {
		f.gaps.Add(1)
	}
}

// TestRefuse has datagrams arrive before and after the filter: the first are
// read, the others are in the kernel's count and not in ours.
func TestRefuse(t *testing.T) {
	t.Parallel()
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 1, ReceiveBuffer: 200 << 10})
	s, sender := l.sockets[0], newSender(t, "udp4")
	for range 10 {
		send(t, sender, l, []byte("accepted"))
	}
	if err := s.refuse(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		send(t, sender, l, []byte("refused"))
	}
	if raw, err := s.kernelDrops(); err != nil || raw != 5 {
		t.Errorf("the kernel counts %d refused datagrams (%v), want 5", raw, err)
	}
	if got := l.Stats().KernelDropped; got != 0 {
		t.Errorf("%d datagrams counted as dropped, want none", got)
	}
	b := polled(t, s)
	datagrams, err := b.poll()
	if err != nil || len(datagrams) != 10 {
		t.Errorf("%d datagrams read (%v), want 10", len(datagrams), err)
	}
	if _, err := b.poll(); !errors.Is(err, errQueueEmpty) {
		t.Errorf("reading on: %v, want %v", err, errQueueEmpty)
	}
}

// TestRefuseWhenFull counts all drops of a full buffer.
func TestRefuseWhenFull(t *testing.T) {
	t.Parallel()
	const sent = 100
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 1, ReceiveBuffer: 4 << 10})
	sender := newSender(t, "udp4")
	for range sent {
		send(t, sender, l, make([]byte, 1000))
	}
	var got recorder
	drained := make(chan error)
	served := serve(l, func(i int) Handler {
		go func() { drained <- l.Drain() }()
		return got.handler(i)
	})
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if err := ended(t, served); err != nil {
		t.Error(err)
	}
	if dropped := l.Stats().KernelDropped; dropped == 0 || uint64(got.count())+dropped != sent {
		t.Errorf("%d received and %d dropped of %d", got.count(), dropped, sent)
	}
}

func TestLastDrops(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	before := memory{limit: limit, drops: 3}
	after := memory{limit: limit, drops: 5}
	cases := []struct {
		name string
		used uint32 // at the end
		want uint32
	}{
		{"empty", 0, 3},
		{"room for one more", limit - largestCharge, 3},
		{"hardly room", limit - largestCharge + 1, 5},
		{"full", limit, 5},
		{"one too large was accepted last", limit + 1000, 5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			settled := memory{used: c.used, limit: limit, drops: 5000}
			if got := lastDrops(before, after, settled); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
	if got := lastDrops(before, after, memory{used: 0, limit: 4096}); got != before.drops {
		t.Errorf("empty small buffer: %d, want %d", got, before.drops)
	}
}
