//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testproc"
	"github.com/flowpub/flowpub/internal/testwait"
)

// process is a running flowpub.
type process struct {
	*testproc.Process
}

// startFlowpub runs flowpub with the broker and the further environment
// variables, and waits until its sockets are bound.
func startFlowpub(t *testing.T, broker string, environ ...string) *process {
	t.Helper()
	return &process{testproc.Start(t, program, append([]string{
		"FLOWPUB_KAFKA_TOPIC=" + topic,
		"FLOWPUB_KAFKA_BROKERS=" + broker,
	}, environ...)...)}
}

// awaitReady waits until flowpub can deliver.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	testwait.Until(t, 20*time.Second, "flowpub is ready", func() bool {
		status, _ := p.get(t, "/readyz")
		return status == http.StatusOK
	})
}

// awaitDatagrams waits until flowpub or the kernel has accounted for so many
// datagrams, and no more came.
func (p *process) awaitDatagrams(t *testing.T, n uint64) metrics {
	t.Helper()
	var m metrics
	testwait.Until(t, time.Minute, fmt.Sprintf("%d datagrams are accounted for", n), func() bool {
		m = p.scrape(t)
		return m.ledger().DatagramsReceived+m.ledger().KernelDropped >= n
	})
	if l := m.ledger(); l.DatagramsReceived+l.KernelDropped != n {
		t.Errorf("received %d datagrams and the kernel dropped %d, which is not the %d that were sent", l.DatagramsReceived, l.KernelDropped, n)
	}
	return m
}

// awaitEmpty waits until nothing is buffered.
func (p *process) awaitEmpty(t *testing.T) metrics {
	t.Helper()
	var m metrics
	testwait.Until(t, time.Minute, "nothing is buffered", func() bool {
		m = p.scrape(t)
		return m.count("flows_buffered") == 0
	})
	return m
}

// watch scrapes every second until done; each scrape must add up.
func (p *process) watch(t *testing.T, done <-chan struct{}, see func(metrics)) {
	t.Helper()
	scrapes := 0
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	deadline := time.After(loadLimit)
	for {
		select {
		case <-deadline:
			t.Fatalf("the load has not ended within %v", loadLimit)
		case <-done:
			t.Logf("%d scrapes", scrapes)
			return
		case <-p.Exited:
			t.Fatal("flowpub has ended")
		case <-tick.C:
			see(p.scrape(t))
			scrapes++
		}
	}
}

// signal sends signals to the process, in order.
func (p *process) signal(t *testing.T, signals ...syscall.Signal) {
	t.Helper()
	for _, s := range signals {
		if err := p.Command.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
}

// terminate ends flowpub in order and returns its last ledger.
func (p *process) terminate(t *testing.T) *ledger {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	return p.ending(t)
}

// ending waits for the end of flowpub, which must be a good one, and returns
// the ledger it has logged.
func (p *process) ending(t *testing.T) *ledger {
	t.Helper()
	var l ledger
	p.AwaitEnd(t, &l)
	l.check(t)
	if l.FlowsBuffered != 0 {
		t.Errorf("%d flows are buffered at the end", l.FlowsBuffered)
	}
	return &l
}

// peakMemory returns the most bytes that were resident so far.
func (p *process) peakMemory(t *testing.T) uint64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Command.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseUint(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("/proc tells no VmHWM")
	return 0
}
