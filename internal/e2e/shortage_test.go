//go:build linux

package e2e

import (
	"fmt"
	"maps"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/internal/exporter"
)

// smallBudget is in MiB.
const smallBudget = 16

// The broker is away for longer than the budget lasts: flowpub takes no more
// memory, and what it drops is counted.
func TestBudgetUsedUp(t *testing.T) {
	const rate = 100_000
	shareMachine(t, rate)
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address, fmt.Sprintf("FLOWPUB_KAFKA_BUFFER_BYTES=%dMiB", smallBudget))
	p.awaitReady(t)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: rate})
	p.during(t, time.Second)
	k.gate.shut()
	p.untilUsedUp(t)
	p.during(t, 3*time.Second)
	p.until(t, "the outage is told", func(metrics) bool { return p.says("Kafka takes no flows") })
	logBuffer(t, p, "broker away")
	k.gate.open(t)
	p.until(t, "the end of the outage is told", func(metrics) bool { return p.says("Kafka is back") })
	sent := l.stop(t)

	p.awaitDatagrams(t, sent.Datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	checkPeakMemory(t, p, m)
	last := p.terminate(t)
	for _, message := range []string{
		"Kafka takes no flows: they wait in the buffer, and none is lost while it has room",
		"the buffer is filling: Kafka takes less than arrives", "flows are dropped", "Kafka is back: it takes flows again",
	} {
		if !p.says(message) {
			t.Errorf("the log does not tell %q", message)
		}
	}
	dropped := last.FlowsDropped["buffer_full"]
	if sum(last.FlowsDropped) != dropped || last.FlowsDelivered+dropped+last.KernelDropped*perDatagram != sent.Flows {
		t.Errorf("sent %d flows, delivered %d, dropped %v, in datagrams that the kernel dropped %d",
			sent.Flows, last.FlowsDelivered, last.FlowsDropped, last.KernelDropped*perDatagram)
	}
	if read := readSequences(t, k, sent); read.flows() != last.FlowsDelivered {
		t.Errorf("the topic has %d flows, %d are called delivered", read.flows(), last.FlowsDelivered)
	}
	t.Logf("dropped %d flows", dropped)
}

// untilUsedUp lets the load go on until flows are dropped since the budget is used up.
func (p *process) untilUsedUp(t *testing.T) {
	t.Helper()
	p.until(t, "the budget is used up", func(m metrics) bool { return m.ledger().FlowsDropped["buffer_full"] > 0 })
}

// checkPeakMemory fails the test if flowpub ever took more memory than its
// budget and what all else may take.
func checkPeakMemory(t *testing.T, p *process, m metrics) {
	t.Helper()
	const overhead = 64 << 20
	peak, most := p.peakMemory(t), m.count("buffer_limit_bytes")+overhead
	t.Logf("peak memory %d MiB of %d", peak>>20, most>>20)
	if peak > most {
		t.Errorf("peak memory is %d bytes, want at most %d", peak, most)
	}
}

// One partition has no leader for longer than what it may hold of the budget lasts:
// the flows of exporters in all others are delivered. Most flows are for that one,
// and what it leaves of the budget lasts the others for many seconds, in which a
// broker may find no processor.
func TestPartitionWithoutLeader(t *testing.T) {
	const (
		partitions = 16
		few, many  = 20_000, 60_000 // flows a second
	)
	shareMachine(t, few+many)
	k := startKafka(t, partitions)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_KAFKA_BUFFER_BYTES=64MiB", "FLOWPUB_KAFKA_COMPRESSION=none")
	p.awaitReady(t)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: few})
	p.during(t, time.Second)
	dead := partitionOf(l.generator.Stats().Exporters[0].Address.Addr(), partitions)
	leaderless := k.loseLeader(dead)
	heavy := netip.MustParseAddr("127.2.0.1")
	for partitionOf(heavy, partitions) != dead {
		heavy = heavy.Next()
	}
	flood := startLoad(t, exporter.Config{Target: p.UDP, FirstSource: heavy, Rate: many})
	p.untilUsedUp(t)
	p.during(t, 3*time.Second)
	logBuffer(t, p, "one partition without a leader")
	sent := flood.stop(t)
	leaderless.Remove()
	p.untilWorkedOff(t)
	others := l.stop(t)
	sent.Flows, sent.Datagrams = sent.Flows+others.Flows, sent.Datagrams+others.Datagrams
	sent.Exporters = append(sent.Exporters, others.Exporters...)

	p.awaitDatagrams(t, sent.Datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	last := p.terminate(t)
	logProduceErrors(t, m)
	t.Logf("dropped %v", last.FlowsDropped)
	read := readSequences(t, k, sent)
	lost := make(map[int32]uint64)
	for _, e := range sent.Exporters {
		s := read[e.Address.Addr().String()]
		lost[partitionOf(e.Address.Addr(), partitions)] += e.Flows - s.flows
	}
	t.Logf("flows lost by partition: %v", lost)
	atKernel, dropped := last.KernelDropped*perDatagram, sum(last.FlowsDropped)
	maps.DeleteFunc(lost, func(number int32, flows uint64) bool { return number == dead || flows <= atKernel })
	if len(lost) > 0 {
		t.Errorf("flows lost in partitions that have a leader: %v", lost)
	}
	if read.flows()+dropped+atKernel != sent.Flows || read.flows() != last.FlowsDelivered {
		t.Errorf("sent %d flows, the topic has %d; delivered %d, dropped %v, in datagrams that the kernel dropped %d",
			sent.Flows, read.flows(), last.FlowsDelivered, last.FlowsDropped, atKernel)
	}
}

// partitionOf is where the flows of an exporter go, as other producers have it.
func partitionOf(from netip.Addr, partitions int) int32 {
	key := []byte(from.String())
	return int32(kgo.StickyKeyPartitioner(nil).ForTopic(topic).Partition(&kgo.Record{Key: key}, partitions))
}

// A burst finds a receive buffer that is too small, and then there is silence:
// what the kernel dropped is seen without another datagram.
func TestBurstIntoSmallBuffer(t *testing.T) {
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address, "FLOWPUB_SOCKETS=1", "FLOWPUB_RECEIVE_BUFFER=64KiB")
	p.awaitReady(t)
	p.signal(t, syscall.SIGSTOP) // it could be too fast otherwise
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Flows: 60_000}).result(t)
	p.signal(t, syscall.SIGCONT)

	m := p.awaitDatagrams(t, sent.Datagrams).ledger()
	if m.KernelDropped == 0 || m.DatagramsReceived == 0 {
		t.Errorf("received %d datagrams, the kernel dropped %d, want some of each", m.DatagramsReceived, m.KernelDropped)
	}
	t.Logf("sent %d datagrams, received %d, the kernel dropped %d", sent.Datagrams, m.DatagramsReceived, m.KernelDropped)
	checkDelivered(t, k, sent, p.terminate(t))
}
