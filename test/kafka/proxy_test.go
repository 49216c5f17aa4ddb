//go:build kafka

package kafka_test

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// segment is what TCP puts into one packet of Ethernet, so that a proxy counts as
// a network would.
const segment = 1448

// proxy stands between a broker and its clients, and does to them what networks
// do. It ends with the test.
type proxy struct {
	address, broker string

	mute  atomic.Bool  // what the broker answers is lost
	delay atomic.Int64 // nanoseconds on the way, in each direction
	// stalls has each hundredth segment of a direction, and all behind it, wait that
	// long: what TCP makes of a packet that is lost.
	stalls atomic.Int64

	accepted atomic.Int32 // connections so far

	mu       sync.Mutex
	listener net.Listener
	cut      chan struct{} // while nothing passes; closed when it does again
}

// startProxy listens on an address for the clients of a broker.
func startProxy(t *testing.T, address, broker string) *proxy {
	t.Helper()
	p := &proxy{address: address, broker: broker}
	p.listen(t)
	t.Cleanup(p.close)
	return p
}

// listen lets clients connect again after close.
func (p *proxy) listen(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp4", p.address)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.accepted.Add(1)
			go p.serve(client)
		}
	}()
}

// close refuses new connections; those there are go on.
func (p *proxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener.Close()
}

// interrupt lets nothing pass, in either direction, until mend is called. As on a
// cable that is cut, connections live on, and what is sent waits.
func (p *proxy) interrupt() (mend func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := make(chan struct{})
	p.cut = cut
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cut = nil
		close(cut)
	}
}

// serve connects a client to the broker until one of them ends.
func (p *proxy) serve(client net.Conn) {
	broker, err := net.Dial("tcp4", p.broker)
	if err != nil {
		client.Close()
		return
	}
	go p.carry(broker, client, func() bool { return true })
	p.carry(client, broker, func() bool { return !p.mute.Load() })
}

// parcel is a segment on its way.
type parcel struct {
	bytes []byte
	due   time.Time
}

// carry moves what arrives from one side to the other, which learns of its end.
func (p *proxy) carry(to, from net.Conn, passes func() bool) {
	way := make(chan parcel, 4096)
	go func() {
		defer close(way)
		var last time.Time
		for n := 1; ; n++ {
			b := make([]byte, segment)
			size, err := from.Read(b)
			if err != nil {
				return
			}
			due := time.Now().Add(time.Duration(p.delay.Load()))
			if n%100 == 0 {
				due = due.Add(time.Duration(p.stalls.Load()))
			}
			if due.Before(last) { // nothing overtakes
				due = last
			}
			last = due
			way <- parcel{b[:size], due}
		}
	}()
	defer to.Close()
	defer from.Close()
	for next := range way {
		p.await(next.due)
		if !passes() {
			continue
		}
		if _, err := to.Write(next.bytes); err != nil {
			break
		}
	}
	for range way { // the reader ends when it finds its connection closed
	}
}

// await returns when a segment may arrive.
func (p *proxy) await(due time.Time) {
	if wait := time.Until(due); wait > 0 {
		<-time.After(wait)
	}
	p.mu.Lock()
	cut := p.cut
	p.mu.Unlock()
	if cut != nil {
		<-cut
	}
}

// startProxied starts brokers with a proxy before each. settings are variables for
// kafka.sh.
func startProxied(t *testing.T, brokers int, settings ...string) *cluster {
	t.Helper()
	ports := freePorts(t, 4*brokers)
	own, behind, before := ports[:2*brokers], ports[2*brokers:3*brokers], ports[3*brokers:]
	c := startOn(t, own, append(settings, "KAFKA_PROXIED="+strings.Join(ports[2*brokers:], ","))...)
	for i := range brokers {
		c.behind = append(c.behind, "127.0.0.1:"+behind[i])
		c.proxied = append(c.proxied, "127.0.0.1:"+before[i])
		c.proxies = append(c.proxies, startProxy(t, c.proxied[i], c.behind[i]))
	}
	return c
}
