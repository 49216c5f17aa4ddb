//go:build linux

package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testproc"
	"github.com/flowpub/flowpub/internal/testwait"
)

// noise is a datagram that is logged.
var noise = []byte("\x00\x01noise")

// sendNoise sends it from so many sources, of which each may have a line of the log.
func sendNoise(t *testing.T, p *process, sources int) {
	t.Helper()
	from := openForger(t, p.UDP)
	for n := range sources {
		from.send(t, netip.AddrFrom4([4]byte{127, 99, byte(n >> 8), byte(n)}), noise)
	}
}

// awaitStatus waits for the end of the process and checks its status.
func (p *process) awaitStatus(t *testing.T, want int) {
	t.Helper()
	select {
	case <-p.Exited:
	case <-time.After(30 * time.Second):
		t.Fatal("flowpub has not ended within 30 s")
	}
	if status := p.Command.ProcessState.ExitCode(); status != want {
		t.Errorf("ended with %v, want exit status %d", p.Command.ProcessState, want)
	}
}

// isGone returns a function that reports whether the process has ended, though its log is not read.
func (p *process) isGone(t *testing.T) func() bool {
	t.Helper()
	return func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Command.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, fields, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(fields, "Z")
	}
}

// Whoever read standard error has gone, and there is something to log while flows
// wait for Kafka: flowpub lives on, counts the lines and delivers the flows.
func TestLogReaderHasGone(t *testing.T) {
	t.Parallel()
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	k.gate.shut()
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: 4, Rate: 1000, Flows: 600}).result(t)
	p.CloseLog(t)
	sendNoise(t, p, 3)
	testwait.Until(t, 20*time.Second, "lines that nobody takes are counted", func() bool {
		return p.scrape(t).count("log_lines_dropped_total") >= 3
	})
	k.gate.open(t)
	p.awaitEmpty(t)
	p.signal(t, syscall.SIGTERM)
	p.awaitStatus(t, 0)
	if got := k.flows(); got != sent.Flows {
		t.Errorf("the topic has %d flows, want %d", got, sent.Flows)
	}
}

// Standard error is a full pipe that nobody reads: under load nothing is lost, and
// SIGTERM ends flowpub in order.
func TestLogThatNobodyReads(t *testing.T) {
	const rate = 50_000
	shareMachine(t, rate)
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	release := sync.OnceFunc(p.HoldLog())
	t.Cleanup(release)
	p.FillLog(t)
	sendNoise(t, p, 20)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: rate})
	p.during(t, 3*time.Second)
	sendNoise(t, p, 20)
	p.during(t, time.Second)
	sent := l.stop(t)
	m := p.awaitDatagrams(t, sent.Datagrams+40)
	checkKernelDrops(t, m)
	p.signal(t, syscall.SIGTERM)
	testwait.Until(t, 30*time.Second, "flowpub has ended", p.isGone(t))
	release()
	p.awaitStatus(t, 0)
	if got, want := k.flows(), sent.Flows-m.ledger().KernelDropped*perDatagram; got != want {
		t.Errorf("the topic has %d flows, want %d", got, want)
	}
}

// Nobody reads the log for a while, and then somebody does: all that the queue had
// room for is there, and the ledger.
func TestLogIsReadLate(t *testing.T) {
	t.Parallel()
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	release := p.HoldLog()
	p.FillLog(t)
	sendNoise(t, p, 3)
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: 4, Rate: 1000, Flows: 300}).result(t)
	p.awaitDatagrams(t, sent.Datagrams+3)
	release()
	last := p.terminate(t)
	if last.FlowsDelivered != sent.Flows {
		t.Errorf("delivered %d flows, want %d", last.FlowsDelivered, sent.Flows)
	}
	if !p.says(`"exporter":"127.99.0.0"`, "cure") {
		t.Error("what was logged while nobody read is not there")
	}
}

// A terminal that goes away, or whoever sends SIGHUP, ends flowpub in order.
func TestHangUp(t *testing.T) {
	t.Parallel()
	// A signal that this process ignores, as below nohup, its children would
	// ignore, too; one that it catches they do not.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	k := startKafka(t, 4)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	k.gate.shut()
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: 4, Rate: 1000, Flows: 600}).result(t)
	p.awaitDatagrams(t, sent.Datagrams)
	p.signal(t, syscall.SIGHUP)
	k.gate.open(t)
	checkDelivered(t, k, sent, p.ending(t))
}

// Below nohup, which has SIGHUP ignored, it stays ignored.
func TestHangUpIgnored(t *testing.T) {
	t.Parallel()
	k := startKafka(t, 4)
	script := filepath.Join(t.TempDir(), "nohup")
	if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\ntrap '' HUP\nexec %s\n", program), 0o700); err != nil {
		t.Fatal(err)
	}
	p := &process{testproc.Start(t, script, "FLOWPUB_KAFKA_TOPIC="+topic, "FLOWPUB_KAFKA_BROKERS="+k.gate.address)}
	p.awaitReady(t)
	p.signal(t, syscall.SIGHUP)
	sent := startLoad(t, exporter.Config{Target: p.UDP, Exporters: 4, Rate: 1000, Flows: 600}).result(t)
	checkDelivered(t, k, sent, p.terminate(t))
}
