//go:build kafka

package kafka_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// collector is a running flowpub.
type collector struct {
	command   *exec.Cmd
	udp, http string // where it listens
	exited    chan struct{}

	mu  sync.Mutex
	log []string // a JSON object a line
}

// startCollector runs the program that buildCollector made, with further
// environment variables, and waits until it is ready.
func startCollector(t *testing.T, program string, c *cluster, topic string, environ ...string) *collector {
	t.Helper()
	p := &collector{command: exec.Command(program), exited: make(chan struct{})}
	p.command.Env = append([]string{
		"FLOWPUB_LISTEN=127.0.0.1:0",
		"FLOWPUB_HTTP_LISTEN=127.0.0.1:0",
		"FLOWPUB_LOG_FORMAT=json",
		"FLOWPUB_KAFKA_BROKERS=" + strings.Join(c.brokers, ","),
		"FLOWPUB_KAFKA_TOPIC=" + topic,
	}, environ...)
	stderr, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go p.follow(stderr, t.Output())
	t.Cleanup(func() { p.kill() })
	var bound struct {
		Listen []string `json:"listen"`
		HTTP   string   `json:"http_listen"`
	}
	eventually(t, 30*time.Second, "flowpub has bound its sockets", func() bool { return p.logged("collecting", &bound) })
	p.udp, p.http = bound.Listen[0], bound.HTTP
	eventually(t, 30*time.Second, "flowpub is ready", func() bool {
		response, err := http.Get("http://" + p.http + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}

// buildCollector returns the path of the program.
func buildCollector(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "flowpub")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/flowpub").CombinedOutput(); err != nil {
		t.Fatalf("building flowpub: %v\n%s", err, out)
	}
	return program
}

// follow keeps the log until flowpub ends.
func (p *collector) follow(stderr io.Reader, copied io.Writer) {
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
func (p *collector) logged(message string, into any) bool {
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

// kill ends flowpub with SIGKILL.
func (p *collector) kill() {
	p.command.Process.Kill()
	<-p.exited
}

// metrics are samples by their names with their labels.
type metrics map[string]float64

func (p *collector) scrape(t *testing.T) metrics {
	t.Helper()
	m := make(metrics)
	for line := range strings.Lines(string(p.get(t, "/metrics"))) {
		name, value, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !found || name == "#" {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("/metrics has the line %q: %v", line, err)
		}
		m[name] = number
	}
	return m
}

// get returns a page of flowpub's.
func (p *collector) get(t *testing.T, path string) []byte {
	t.Helper()
	response, err := http.Get("http://" + p.http + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, response.Status, err)
	}
	return page
}
