//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running flowpub.
type process struct {
	command *exec.Cmd
	udp     string // where it listens for datagrams
	http    string
	stdout  bytes.Buffer // to be looked at when it has exited
	exited  chan struct{}

	mu  sync.Mutex
	log []string // a JSON object a line
}

// startFlowpub runs flowpub with the broker and the further environment
// variables, and waits until its sockets are bound.
func startFlowpub(t *testing.T, broker string, environ ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(program), exited: make(chan struct{})}
	p.command.Env = append([]string{
		"FLOWPUB_LISTEN=127.0.0.1:0",
		"FLOWPUB_HTTP_LISTEN=127.0.0.1:0",
		"FLOWPUB_LOG_FORMAT=json",
		"FLOWPUB_KAFKA_TOPIC=" + topic,
		"FLOWPUB_KAFKA_BROKERS=" + broker,
	}, environ...)
	p.command.Stdout = &p.stdout
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr, t.Output())
	t.Cleanup(func() {
		p.command.Process.Kill()
		<-p.exited
	})
	p.awaitSockets(t)
	return p
}

// follow keeps the log until flowpub ends.
func (p *process) follow(stderr io.Reader, copied io.Writer) {
	defer close(p.exited)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		fmt.Fprintln(copied, lines.Text())
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		p.mu.Unlock()
	}
	p.command.Wait()
}

// logged finds the line with a message and decodes it.
func (p *process) logged(message string, into any) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.log {
		var head struct {
			Message string `json:"msg"`
		}
		if json.Unmarshal([]byte(line), &head) == nil && head.Message == message {
			return json.Unmarshal([]byte(line), into) == nil
		}
	}
	return false
}

// awaitSockets waits for the line that tells the addresses.
func (p *process) awaitSockets(t *testing.T) {
	t.Helper()
	var line struct {
		Listen []string `json:"listen"`
		HTTP   string   `json:"http_listen"`
	}
	eventually(t, 10*time.Second, "flowpub has bound its sockets", func() bool {
		return p.logged("collecting", &line) || p.ended()
	})
	if len(line.Listen) != 1 {
		t.Fatalf("flowpub listens on %q", line.Listen)
	}
	p.udp, p.http = line.Listen[0], line.HTTP
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// awaitReady waits until flowpub can deliver.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, "flowpub is ready", func() bool {
		status, _ := p.get(t, "/readyz")
		return status == http.StatusOK
	})
}

// awaitDatagrams waits until flowpub or the kernel has accounted for so many
// datagrams, and no more came.
func (p *process) awaitDatagrams(t *testing.T, n uint64) metrics {
	t.Helper()
	var m metrics
	eventually(t, time.Minute, fmt.Sprintf("%d datagrams are accounted for", n), func() bool {
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
	eventually(t, time.Minute, "nothing is buffered", func() bool {
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
		case <-p.exited:
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
		if err := p.command.Process.Signal(s); err != nil {
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
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		t.Fatal("flowpub has not ended 30 s after SIGTERM")
	}
	if status := p.command.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	var l ledger
	if !p.logged("ledger", &l) {
		t.Fatal("no ledger is logged")
	}
	l.check(t)
	if l.FlowsBuffered != 0 {
		t.Errorf("%d flows are buffered at the end", l.FlowsBuffered)
	}
	return &l
}

// peakMemory returns the most bytes that were resident so far.
func (p *process) peakMemory(t *testing.T) uint64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
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
