//go:build examples

package examples_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func (h *house) javaTopTalkers(t *testing.T) {
	t.Parallel()
	t.Run("flows", func(t *testing.T) {
		t.Parallel()
		p := h.topTalkers(t, "flows", filepath.Join(t.TempDir(), "state"))
		want := topTalkers(h.flows)
		p.awaitText(t, p.stdout, fmt.Sprint(want), func(out string) bool { return maps.Equal(minutes(out), want) })
	})
	t.Run("Killed", h.javaKilled)
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		p := h.topTalkers(t, "json", filepath.Join(t.TempDir(), "state"))
		p.leaves = true
		if status := p.await(t); status != 1 || !strings.Contains(p.stderr.text(t), "no FlowRecord: is FLOWPUB_KAFKA_VALUE protobuf?") {
			t.Errorf("of JSON it ends with status %d", status)
		}
	})
}

// Sums are there again after a kill, on an empty disk, and nothing is in them twice.
func (h *house) javaKilled(t *testing.T) {
	t.Parallel()
	const topic = "java-killed"
	h.topic(t, topic)
	h.produce(t, topic, events(t)...)
	state := filepath.Join(t.TempDir(), "state")
	minute := eventTime.Format("2006-01-02T15:04:05Z")
	sums := func(times int) map[string]string {
		return map[string]string{minute: fmt.Sprintf("198.18.0.1 %d,198.18.0.2 %d,2001:db8:0:0:0:0:0:1 %d,2001:db8:0:0:0:0:0:2 %d",
			10_060*times, 9_000*times, 1_200*times, 800*times)}
	}
	first := h.topTalkers(t, topic, state)
	first.awaitText(t, first.stdout, fmt.Sprint(sums(1)), func(out string) bool { return maps.Equal(minutes(out), sums(1)) })
	first.leaves = true
	first.signal(t, os.Kill)
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	h.produce(t, topic, events(t)...)
	second := h.topTalkers(t, topic, state)
	second.awaitText(t, second.stdout, fmt.Sprint(sums(2)), func(out string) bool { return maps.Equal(minutes(out), sums(2)) })
	if log := second.stderr.text(t); !strings.Contains(log, "restored ") {
		t.Errorf("nothing was restored:\n%s", log)
	}
}

func (h *house) topTalkers(t *testing.T, topic, state string) *program {
	t.Helper()
	return start(t, []string{"KAFKA_BROKERS=" + h.brokers, "TOPIC=" + topic, "APPLICATION_ID=java-" + topic, "STATE_DIR=" + state},
		"java", "-XX:TieredStopAtLevel=1", "-jar", "examples/java/target/top-talkers.jar")
}

// minutes are what was printed last of each.
func minutes(out string) map[string]string {
	last := map[string]string{}
	for line := range strings.Lines(out) {
		minute, list, _ := strings.Cut(strings.TrimSpace(line), " ")
		last[minute] = list
	}
	return last
}
