//go:build linux

package e2e

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
)

const topic = "flows"

// readLimit bounds the reading of a topic.
const readLimit = 2 * time.Minute

// kafka is an embedded broker with the topic, behind a gate.
type kafka struct {
	*kfake.Cluster
	gate *gate
}

// startKafka runs a broker behind an open gate. It is the second of two; the
// first one is gone, so that there is an id of a broker that is not there.
func startKafka(t *testing.T, partitions int32) *kafka {
	t.Helper()
	k := &kafka{gate: newGate(t)}
	gates := []*gate{newGate(t), k.gate}
	var err error
	k.Cluster, err = kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(partitions, topic),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			next := gates[0]
			gates = gates[1:]
			return next, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	if err := k.RemoveNode(absentBroker); err != nil {
		t.Fatal(err)
	}
	return k
}

// absentBroker is also what kfake calls the leader of a partition when the
// answer is an error.
const absentBroker = 0

// loseLeader makes a partition have no leader until the faults are removed: the
// former one says that it is none, and metadata names one that is not there.
func (k *kafka) loseLeader(partition int32) *kfake.FaultHandle {
	return k.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{partition}, Err: kerr.NotLeaderForPartition, Count: -1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Partitions: []int32{partition}, Err: kerr.LeaderNotAvailable, Count: -1},
	)
}

// flows is how many records the topic has.
func (k *kafka) flows() uint64 { return k.size(topic) }

func (k *kafka) size(name string) (n uint64) {
	for _, p := range k.PartitionInfos(name) {
		n += uint64(p.HighWatermark)
	}
	return n
}

// read calls see with every record of the topic, which nobody writes to any
// more; those of a partition come in their order.
func (k *kafka) read(t *testing.T, see func(*kgo.Record)) {
	t.Helper()
	k.readTopic(t, topic, see)
}

func (k *kafka) readTopic(t *testing.T, name string, see func(*kgo.Record)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.ConsumeTopics(name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), readLimit)
	defer cancel()
	for left := k.size(name); left > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading the topic, %d records are left: %v", left, err)
		}
		fetches.EachRecord(see)
		left -= uint64(fetches.NumRecords())
	}
}

// gate is the listener of a broker. While it is shut, connections are cut and
// new ones refused, as when the broker's machine has just been restarted.
type gate struct {
	address string

	mu       sync.Mutex
	changed  *sync.Cond
	listener net.Listener // nil while the gate is shut
	conns    []net.Conn
	closed   bool
}

func newGate(t *testing.T) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: l.Addr().String(), listener: l}
	g.changed = sync.NewCond(&g.mu)
	return g
}

// shut cuts the broker off.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		g.listener.Close()
	}
	g.listener = nil
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

// open ends shut.
func (g *gate) open(t *testing.T) {
	t.Helper()
	var l net.Listener
	// Another program's connection may have the port meanwhile.
	testwait.Until(t, 10*time.Second, g.address+" is free again", func() (free bool) {
		var err error
		l, err = net.Listen("tcp", g.address)
		return err == nil
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener = l
	g.changed.Broadcast()
}

// Accept is part of net.Listener. It waits while the gate is shut.
func (g *gate) Accept() (net.Conn, error) {
	for {
		l := g.current()
		if l == nil {
			return nil, net.ErrClosed
		}
		if conn, err := l.Accept(); err == nil && g.admit(l, conn) {
			return conn, nil
		}
	}
}

// current waits for an open gate. It returns nil when the gate was closed.
func (g *gate) current() net.Listener {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.listener == nil && !g.closed {
		g.changed.Wait()
	}
	return g.listener
}

// admit notes a connection, unless the gate was shut since.
func (g *gate) admit(l net.Listener, conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != l {
		conn.Close()
		return false
	}
	g.conns = append(g.conns, conn)
	return true
}

// Close is part of net.Listener.
func (g *gate) Close() error {
	g.shut()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.changed.Broadcast()
	return nil
}

// Addr is part of net.Listener.
func (g *gate) Addr() net.Addr {
	addr, _ := net.ResolveTCPAddr("tcp", g.address) // it was an address before
	return addr
}
