//go:build kafka

package kafka_test

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testproc"
	"github.com/flowpub/flowpub/internal/testwait"
)

// collector is a running flowpub.
type collector struct {
	*testproc.Process
}

// startCollector runs the program that buildCollector made, with further
// environment variables, and waits until it is ready.
func startCollector(t *testing.T, program string, c *cluster, topic string, environ ...string) *collector {
	t.Helper()
	p := &collector{testproc.Start(t, program, append([]string{
		"FLOWPUB_KAFKA_BROKERS=" + strings.Join(c.brokers, ","),
		"FLOWPUB_KAFKA_TOPIC=" + topic,
	}, environ...)...)}
	testwait.Until(t, 30*time.Second, "flowpub is ready", func() bool {
		response, err := http.Get("http://" + p.HTTP + "/readyz")
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
	response, err := http.Get("http://" + p.HTTP + path)
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
