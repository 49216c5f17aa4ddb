//go:build !portable

package listener

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flowpub/flowpub/internal/testwait"
)

// TestSocketsShareLoad finds every socket of the group, the first too, hearing
// some of many senders, and every sender heard by one socket.
func TestSocketsShareLoad(t *testing.T) {
	t.Parallel()
	const sockets, senders = 4, 200 // a socket without a sender: 4 * 0.75^200, about 1e-24
	l := newListener(t, Config{Address: ":0", Sockets: sockets, ReceiveBuffer: 4 << 20})
	var got recorder
	served := serve(l, got.handler)
	for range senders {
		sender := newSender(t, "udp4")
		send(t, sender, l, nil)
		send(t, sender, l, nil)
	}
	testwait.Until(t, patience, "the datagrams", func() bool { return got.count() == 2*senders })
	if err := l.Drain(); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, served); err != nil {
		t.Fatal(err)
	}
	heard := make(map[int]int)
	by := make(map[netip.AddrPort]int)
	for _, r := range got.all() {
		heard[r.socket]++
		if socket, again := by[r.from]; again && socket != r.socket {
			t.Errorf("%v was heard by sockets %d and %d", r.from, socket, r.socket)
		}
		by[r.from] = r.socket
	}
	if len(heard) != sockets {
		t.Errorf("datagrams by socket: %v, want some on each of %d", heard, sockets)
	}
}

// TestForeignGroup finds the address taken although who has it would share it.
func TestForeignGroup(t *testing.T) {
	t.Parallel()
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return sharePort(raw) }}
	other, err := config.ListenPacket(t.Context(), "udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l, err := Listen(Config{Address: other.LocalAddr().String(), Sockets: 2, ReceiveBuffer: 1 << 20})
	if err == nil {
		l.Close()
		t.Fatal("Listen joined a group of sockets that is not its own")
	}
}

func TestReceiveBufferCure(t *testing.T) {
	t.Parallel()
	if got, want := receiveBufferCure(33554432), "sysctl -w net.core.rmem_max=33554432"; got != want {
		t.Errorf("cure %q, want %q", got, want)
	}
}

// TestReceiveBuffer asks for twice the system's limit, with and without the
// privilege to go beyond it.
func TestReceiveBuffer(t *testing.T) {
	t.Parallel()
	limit := receiveBufferLimit(t)
	t.Run("as this process may", func(t *testing.T) {
		t.Parallel()
		granted := limit
		if netAdmin(t, false) {
			granted = 2 * limit
		}
		receiveBufferIs(t, limit, granted)
	})
	t.Run("without CAP_NET_ADMIN", func(t *testing.T) {
		t.Parallel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // for ever: the thread ends with the goroutine
			netAdmin(t, true)
			receiveBufferIs(t, limit, limit)
		}()
		<-done
	})
}

// receiveBufferIs asks for two sockets of twice limit, and wants each to be
// granted what is given, and one warning if that is less.
func receiveBufferIs(t *testing.T, limit, granted int) {
	t.Helper()
	var log bytes.Buffer
	l, err := Listen(Config{
		Address: "127.0.0.1:0", Sockets: 2, ReceiveBuffer: 4 * limit,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	if got := l.Stats(); got.ReceiveBufferAsked != 4*limit || got.ReceiveBufferGranted != 2*granted {
		t.Errorf("%+v, want %d asked and %d granted", got, 4*limit, 2*granted)
	}
	warnings := strings.Count(log.String(), "level=WARN")
	named := strings.Contains(log.String(), `cure="sysctl -w net.core.rmem_max=`+strconv.Itoa(2*limit)+`"`)
	if capped := granted < 2*limit; capped != named || capped != (warnings == 1) {
		t.Errorf("capped: %v, yet the log is: %s", capped, &log)
	}
}

// receiveBufferLimit returns what an ordinary process is granted at most.
func receiveBufferLimit(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/core/rmem_max")
	if err != nil {
		t.Fatal(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return limit
}

// netAdmin reports whether the calling thread has CAP_NET_ADMIN, and gives it up
// if asked to.
func netAdmin(t *testing.T, giveUp bool) bool {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Error(err)
	}
	had := data[0].Effective&(1<<unix.CAP_NET_ADMIN) != 0
	if giveUp {
		data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Error(err)
		}
	}
	return had
}

// TestKernelDrops sends a burst that no buffer of this size holds, and then
// nothing: every datagram is received or counted.
func TestKernelDrops(t *testing.T) {
	t.Parallel()
	const sent = 3000
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 2, ReceiveBuffer: 64 << 10})
	for range 4 { // several senders, so that both sockets overflow
		sender := newSender(t, "udp4")
		for range sent / 4 {
			send(t, sender, l, make([]byte, 1000))
		}
	}
	before := l.Stats().KernelDropped
	if before == 0 || before >= sent {
		t.Fatalf("%d of %d datagrams were dropped before anything was read", before, sent)
	}
	var got recorder
	served := serve(l, got.handler)
	testwait.Until(t, patience, "received + dropped == sent", func() bool {
		return uint64(got.count())+l.Stats().KernelDropped == sent
	})
	if err := l.Drain(); err != nil {
		t.Error(err)
	}
	if err := ended(t, served); err != nil {
		t.Error(err)
	}
	if after := l.Stats().KernelDropped; after != before {
		t.Errorf("%d dropped when all is closed, want %d", after, before)
	}
}

// TestKernelDropsAtClose asks for no Stats between the burst and the end.
func TestKernelDropsAtClose(t *testing.T) {
	t.Parallel()
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 1, ReceiveBuffer: 4 << 10})
	sender := newSender(t, "udp4")
	const sent = 100
	for range sent {
		send(t, sender, l, make([]byte, 1000))
	}
	queued := 0
	for b := polled(t, l.sockets[0]); ; {
		datagrams, err := b.poll()
		if err != nil {
			break
		}
		queued += len(datagrams)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := l.Stats().KernelDropped; queued == 0 || got != uint64(sent-queued) {
		t.Errorf("%d queued and %d dropped of %d", queued, got, sent)
	}
}

// polled returns a batch of s to read from in the test's goroutine.
func polled(t *testing.T, s *socket) *batch {
	t.Helper()
	b, err := newBatch(s.raw, batchSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.free)
	return b
}

// TestDeadSocket replaces a socket by something that is none, behind the
// listener's back: Serve ends with an error that names it, and the other socket
// delivers what it had.
func TestDeadSocket(t *testing.T) {
	t.Parallel()
	l := newListener(t, Config{Address: "127.0.0.1:0", Sockets: 4, ReceiveBuffer: 4 << 20})
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	died, all := make(chan int, 1), make(chan struct{})
	var got recorder
	served := serve(l, func(i int) Handler {
		h := got.handler(i)
		return func(batch []Datagram, received time.Time) {
			h(batch, received)
			select {
			case died <- i:
				<-all
				replace(t, l.sockets[i], file)
			default:
			}
		}
	})
	const senders = 100
	for range senders {
		send(t, newSender(t, "udp4"), l, nil)
	}
	close(all)
	err = ended(t, served)
	dead := l.sockets[<-died]
	if err == nil || !strings.Contains(err.Error(), "listener: "+dead.name+" failed: recvmmsg: socket operation on non-socket") {
		t.Errorf("Serve returned %v, want an error that names %s", err, dead.name)
	}
	lost := senders - got.count()
	if lost > senders/2 { // 25 on each socket, give or take 4 a standard deviation
		t.Errorf("%d of %d datagrams did not reach a handler: the sockets that lived were not drained", lost, senders)
	}
	if err := l.Drain(); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// replace makes the file descriptor of s one of file.
func replace(t *testing.T, s *socket, file *os.File) {
	t.Helper()
	err := control(s.raw, "dup3", func(fd int) error { return unix.Dup3(int(file.Fd()), fd, unix.O_CLOEXEC) })
	if err != nil {
		t.Error(err)
	}
}

// TestNoAllocation reads full batches and hands them on.
func TestNoAllocation(t *testing.T) {
	l := newListener(t, Config{Address: ":0", Sockets: 1, ReceiveBuffer: 4 << 20})
	s := l.sockets[0]
	b := polled(t, s)
	sender := newSender(t, "udp4")
	to, payload := loopback(sender, l), make([]byte, 1464)
	h := func([]Datagram, time.Time) {}
	full := 0
	allocations := testing.AllocsPerRun(100, func() {
		for range batchSize {
			if _, err := sender.WriteToUDPAddrPort(payload, to); err != nil {
				t.Fatal(err)
			}
		}
		datagrams, err := b.poll()
		if err != nil {
			t.Fatal(err)
		}
		if len(datagrams) == batchSize {
			full++
		}
		s.handle(h, datagrams)
	})
	if allocations != 0 {
		t.Errorf("%v allocations a batch, want none", allocations)
	}
	if full == 0 {
		t.Error("no read brought a full batch")
	}
}

func TestSourceAddress(t *testing.T) {
	t.Parallel()
	// struct sockaddr_in and sockaddr_in6 as ip(7) and ipv6(7) give them. The
	// family is in the machine's order; both numbers fit one byte.
	family := func(n byte) []byte {
		if runtime.GOARCH == "s390x" || strings.HasPrefix(runtime.GOARCH, "ppc64") && !strings.HasSuffix(runtime.GOARCH, "le") {
			return []byte{0, n}
		}
		return []byte{n, 0}
	}
	port := []byte{0x08, 0x07} // 2055
	v6 := netip.MustParseAddr("fe80::1").As16()
	mapped := netip.MustParseAddr("::ffff:192.0.2.7").As16()
	cases := []struct {
		name  string
		bytes [][]byte
		want  string
	}{
		{"IPv4", [][]byte{family(2), port, {192, 0, 2, 7}}, "192.0.2.7:2055"},
		{"IPv4, leftover of a longer address behind", [][]byte{family(2), port, {192, 0, 2, 7}, v6[:]}, "192.0.2.7:2055"},
		{"IPv6 with flow label and zone", [][]byte{family(10), port, {1, 2, 3, 4}, v6[:], {2, 0, 0, 0}}, "[fe80::1]:2055"},
		{"IPv4-mapped", [][]byte{family(10), port, {0, 0, 0, 0}, mapped[:]}, "192.0.2.7:2055"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s sourceAddress
			copy(s[:], bytes.Join(c.bytes, nil))
			if got := s.addrPort(); got != netip.MustParseAddrPort(c.want) {
				t.Errorf("%v, want %s", got, c.want)
			}
		})
	}
}
