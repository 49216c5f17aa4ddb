//go:build kafka

package kafka_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// cluster is the Kafka under test.
type cluster struct {
	brokers []string
	admin   *kgo.Client
	dir     string // of kafka.sh; empty when the brokers are not ours

	// Of startProxied only, by broker: the proxy, its address, which the broker
	// advertises to those who come through it, and what is behind it.
	proxies         []*proxy
	proxied, behind []string
}

// anyCluster returns the cluster that KAFKA_BROKERS names, or a broker of its own.
func anyCluster(t *testing.T) *cluster {
	t.Helper()
	if given := os.Getenv("KAFKA_BROKERS"); given != "" {
		c := &cluster{brokers: strings.Split(given, ",")}
		c.connect(t)
		return c
	}
	return startCluster(t, 1)
}

// startCluster starts brokers that the test may kill. They end with the test,
// and with the test's process however that ends.
func startCluster(t *testing.T, brokers int) *cluster {
	t.Helper()
	return startOn(t, freePorts(t, 2*brokers))
}

// startOn does it on given ports, one a broker, then one a controller. settings
// are variables for kafka.sh.
func startOn(t *testing.T, ports []string, settings ...string) *cluster {
	t.Helper()
	if os.Getenv("KAFKA_BROKERS") != "" {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs brokers of its own: run it without KAFKA_BROKERS")
		}
		t.Skip("the brokers that KAFKA_BROKERS names are not ours to stop")
	}
	c := &cluster{dir: filepath.Join(t.TempDir(), "cluster")}
	t.Cleanup(func() { c.stop(t) })
	settings = append(settings, "KAFKA_PORTS="+strings.Join(ports, ","))
	out := c.script(t, settings, "", "start", strconv.Itoa(len(ports)/2))
	c.brokers = strings.Split(strings.TrimSpace(out), ",")
	c.connect(t)
	return c
}

// connect makes the client for what an administrator does.
func (c *cluster) connect(t *testing.T) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	c.admin = client
	t.Cleanup(client.Close)
}

// stop ends the brokers, and shows what they complained of when the test has
// failed.
func (c *cluster) stop(t *testing.T) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(c.dir, "node*", "broker.log"))
	if err != nil || len(logs) == 0 {
		return
	}
	if t.Failed() {
		for _, log := range logs {
			t.Logf("the last complaints in %s:\n%s", log, complaints(log, 30))
		}
	}
	if _, err := c.run(context.Background(), nil, "", "stop", "now"); err != nil {
		t.Error(err)
	}
}

// complaints returns the last lines of a broker's log that are no mere
// information.
func complaints(log string, limit int) string {
	b, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	var found []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, " WARN ") || strings.Contains(line, " ERROR ") || strings.Contains(line, " FATAL ") {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-limit):], "")
}

func (c *cluster) kill(t *testing.T, id int32) {
	t.Helper()
	c.script(t, nil, "", "kill", strconv.Itoa(int(id)))
}

// end has a broker end properly, and waits until it has.
func (c *cluster) end(t *testing.T, id int32) {
	t.Helper()
	c.script(t, nil, "", "end", strconv.Itoa(int(id)))
}

func (c *cluster) pause(t *testing.T, id int32) {
	t.Helper()
	c.script(t, nil, "", "pause", strconv.Itoa(int(id)))
}

// resume may be called when the test has ended.
func (c *cluster) resume(t *testing.T, id int32) {
	t.Helper()
	if _, err := c.run(context.Background(), nil, "", "resume", strconv.Itoa(int(id))); err != nil {
		t.Error(err)
	}
}

// restart starts killed brokers again, all at the same time: a controller alone
// has no quorum, and waits for the others.
func (c *cluster) restart(t *testing.T, ids ...int32) {
	t.Helper()
	var starting sync.WaitGroup
	for _, id := range ids {
		starting.Go(func() {
			if _, err := c.run(t.Context(), nil, "", "restart", strconv.Itoa(int(id))); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
}

// script runs kafka.sh and returns what it printed.
func (c *cluster) script(t *testing.T, settings []string, input string, args ...string) string {
	t.Helper()
	out, err := c.run(t.Context(), settings, input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *cluster) run(ctx context.Context, settings []string, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "./kafka.sh", args...)
	cmd.Env = append(os.Environ(), "KAFKA_DIR="+c.dir, "KAFKA_OWNER="+strconv.Itoa(os.Getpid()))
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stdin = strings.NewReader(input)
	var errors strings.Builder
	cmd.Stderr = &errors
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("kafka.sh %s: %w\n%s%s", strings.Join(args, " "), err, out, errors.String())
	}
	return string(out), nil
}

// writeFile writes a file that is gone after the test, and returns its name.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// freePorts returns ports of loopback that nobody listens on.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	listeners := make([]net.Listener, n) // all at once, so that no port comes twice
	for i := range ports {
		var err error
		if listeners[i], err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		_, ports[i], _ = net.SplitHostPort(listeners[i].Addr().String())
	}
	for _, l := range listeners {
		l.Close()
	}
	return ports
}

// pass lets time pass: what a test does to brokers lasts.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(context.Cause(t.Context()))
	}
}
