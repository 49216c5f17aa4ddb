// Package testproc runs flowpub as a process of its own, for tests.
package testproc

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// How long tests wait for a process: to bind its sockets, and to end when asked.
const (
	startLimit = 30 * time.Second
	endLimit   = 30 * time.Second
)

// junk is what FillLog writes; it is not part of the log.
const junk = 'x'

// Process is a running flowpub. Its methods are safe for concurrent use.
type Process struct {
	// UDP and HTTP are the addresses on which it listens.
	UDP, HTTP string
	// Exited is closed when it has ended.
	Exited chan struct{}
	// Command and Stdout are to be looked at when it has ended.
	Command *exec.Cmd
	Stdout  bytes.Buffer

	stderr  io.ReadCloser
	reading sync.Mutex // held while nobody is to read the log

	mu    sync.Mutex
	log   []string // a JSON object a line
	bound chan struct{}
}

// Start runs the program on loopback with further environment variables, and
// waits until its sockets are bound. It is killed when the test has ended.
func Start(t *testing.T, program string, environ ...string) *Process {
	t.Helper()
	p := &Process{Command: exec.Command(program), Exited: make(chan struct{}), bound: make(chan struct{})} //nolint:noctx // it ends with the test
	p.Command.Env = append([]string{
		"FLOWPUB_LISTEN=127.0.0.1:0",
		"FLOWPUB_HTTP_LISTEN=127.0.0.1:0",
		"FLOWPUB_LOG_FORMAT=json",
	}, environ...)
	p.Command.Stdout = &p.Stdout
	stderr, err := p.Command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stderr = stderr
	if err := p.Command.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr, t.Output())
	t.Cleanup(p.Kill)
	p.awaitSockets(t)
	return p
}

// follow keeps the log until the process ends.
func (p *Process) follow(stderr io.Reader, copied io.Writer) {
	defer close(p.Exited)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		p.keep(lines.Text(), copied)
		if messageOf(lines.Text()) == "collecting" {
			close(p.bound)
		}
	}
	_ = p.Command.Wait() // its state tells
}

// keep adds a line to the log, and to a copy of it. It waits while nobody is to read that.
func (p *Process) keep(line string, copied io.Writer) {
	p.reading.Lock()
	defer p.reading.Unlock()
	if strings.Trim(line, string(junk)) == "" {
		return
	}
	_, _ = fmt.Fprintln(copied, line)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, line)
}

// awaitSockets waits for the line that tells the addresses.
func (p *Process) awaitSockets(t *testing.T) {
	t.Helper()
	select {
	case <-p.bound:
	case <-p.Exited:
		t.Fatal("flowpub has ended before it bound its sockets")
	case <-time.After(startLimit):
		t.Fatalf("flowpub has not bound its sockets within %v", startLimit)
	}
	var line struct {
		Listen []string `json:"listen"`
		HTTP   string   `json:"http_listen"`
	}
	if !p.Logged("collecting", &line) || len(line.Listen) != 1 {
		t.Fatalf("flowpub listens on %q", line.Listen)
	}
	p.UDP, p.HTTP = line.Listen[0], line.HTTP
}

// messageOf returns the message of a line of the log.
func messageOf(line string) string {
	var head struct {
		Message string `json:"msg"`
	}
	if json.Unmarshal([]byte(line), &head) != nil {
		return ""
	}
	return head.Message
}

// CloseLog closes the pipe that is the process's standard error: its next line
// finds no reader.
func (p *Process) CloseLog(t *testing.T) {
	t.Helper()
	if err := p.stderr.Close(); err != nil {
		t.Fatal(err)
	}
}

// HoldLog stops reading the log, until the returned function is called.
func (p *Process) HoldLog() (release func()) {
	p.reading.Lock()
	return p.reading.Unlock
}

// Log returns the lines logged so far.
func (p *Process) Log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// Logged finds the first line with a message, and decodes it.
func (p *Process) Logged(message string, into any) bool {
	for _, line := range p.Log() {
		if messageOf(line) == message {
			return json.Unmarshal([]byte(line), into) == nil
		}
	}
	return false
}

// Kill ends the process with SIGKILL, if it runs, and waits until it has ended.
func (p *Process) Kill() {
	_ = p.Command.Process.Kill()
	<-p.Exited
}

// AwaitEnd waits for the end of a process that was asked to end, which must be a
// good one, and decodes the ledger that it has logged.
func (p *Process) AwaitEnd(t *testing.T, ledger any) {
	t.Helper()
	select {
	case <-p.Exited:
	case <-time.After(endLimit):
		t.Fatalf("flowpub has not ended within %v", endLimit)
	}
	if status := p.Command.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	if !p.Logged("ledger", ledger) {
		t.Fatal("no ledger is logged")
	}
}
