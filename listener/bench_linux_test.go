//go:build !portable

package listener

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// prefill is how many datagrams wait in the socket when the clock starts.
	prefill = 1024
	// benchmarkPayload is an export packet of 30 records.
	benchmarkPayload = 24 + 30*48
)

// BenchmarkReceive tells what a datagram costs the collector's processor when
// they come fast: read from a socket in which they wait, the kernel's part
// included. All ways of reading take turns, so that whatever else the machine
// does weighs on all of them; the time is the thread's own.
func BenchmarkReceive(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	q := newQueue(b)
	type way struct {
		name string
		read func() (int, error)
		took time.Duration
	}
	ways := []*way{{name: "plain", read: q.plain()}}
	for _, size := range []int{8, 16, 32, 64, 128, 256} {
		ways = append(ways, &way{name: fmt.Sprintf("recvmmsg-%d", size), read: q.batched(b, size)})
	}
	var chosen *way
	rounds := 0
	for b.Loop() {
		rounds++
		for _, w := range ways {
			q.fill(b)
			w.took += q.empty(b, w.read)
			if w.name == fmt.Sprintf("recvmmsg-%d", batchSize) {
				chosen = w
			}
		}
	}
	for _, w := range ways {
		b.ReportMetric(float64(w.took.Nanoseconds())/float64(rounds*prefill), w.name+"-ns/datagram")
	}
	b.ReportMetric(float64(ways[0].took)/float64(chosen.took), "plain/chosen")
	b.ReportMetric(0, "ns/op") // a round of all ways, sending included: says nothing
}

// queue is a socket and somebody who sends to it.
type queue struct {
	socket, sender *net.UDPConn
	to             netip.AddrPort
	payload        []byte
}

// newQueue returns a queue that holds prefill datagrams.
func newQueue(b *testing.B) *queue {
	b.Helper()
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(prefill << 12); err != nil {
		b.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addrPort(conn.LocalAddr()).Port())
	return &queue{socket: conn, sender: newSender(b, "udp4"), to: to, payload: make([]byte, benchmarkPayload)}
}

// batched returns a function that reads up to size datagrams and returns how
// many it read.
func (q *queue) batched(b *testing.B, size int) func() (int, error) {
	b.Helper()
	raw, err := q.socket.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	batch, err := newBatch(raw, size)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(batch.free)
	return func() (int, error) {
		datagrams, err := batch.poll()
		return len(datagrams), err
	}
}

// plain returns a function that reads one datagram.
func (q *queue) plain() func() (int, error) {
	slot := make([]byte, slotSize)
	return func() (int, error) {
		_, _, err := q.socket.ReadFromUDPAddrPort(slot)
		return 1, err
	}
}

// fill sends prefill datagrams.
func (q *queue) fill(b *testing.B) {
	b.Helper()
	for range prefill {
		if _, err := q.sender.WriteToUDPAddrPort(q.payload, q.to); err != nil {
			b.Fatal(err)
		}
	}
}

// empty reads prefill datagrams and returns what that cost.
func (*queue) empty(b *testing.B, read func() (int, error)) time.Duration {
	b.Helper()
	started := threadTime(b)
	for n := 0; n < prefill; {
		count, err := read()
		if err != nil {
			b.Fatal(err)
		}
		n += count
	}
	return threadTime(b) - started
}

// threadTime returns the processor time this thread has used.
func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		b.Fatal(err)
	}
	return time.Duration(now.Nano())
}
