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
	for _, topic := range []string{"json", "delimited"} {
		t.Run(topic, func(t *testing.T) {
			t.Parallel()
			p := h.failingTopTalkers(t, topTalkersJar, topic)
			if status := p.await(t); status != 1 {
				t.Errorf("it ends with status %d", status)
			}
			sees(t, ofOtherForms, "protobuf in Java", "InvalidProtocolBufferException", p.stderr.text(t))
			if !strings.Contains(p.stderr.text(t), "no FlowRecord: is FLOWPUB_KAFKA_VALUE protobuf?") {
				t.Error("it does not ask for the form")
			}
		})
	}
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

// failingTopTalkers starts one that ends by itself. It has one thread: with two, the other one may wait 45 s for a
// group in which the first still counts.
func (h *house) failingTopTalkers(t *testing.T, jar, topic string, settings ...string) *program {
	t.Helper()
	p := h.topTalkersOf(t, jar, topic, filepath.Join(t.TempDir(), "state"), append(settings, "THREADS=1")...)
	p.leaves = true
	return p
}

const topTalkersJar = "examples/java/target/top-talkers.jar"

func (h *house) topTalkers(t *testing.T, topic, state string) *program {
	t.Helper()
	return h.topTalkersOf(t, topTalkersJar, topic, state)
}

func (h *house) topTalkersOf(t *testing.T, jar, topic, state string, settings ...string) *program {
	t.Helper()
	settings = append(settings, "KAFKA_BROKERS="+h.brokers, "TOPIC="+topic, "APPLICATION_ID=java-"+topic, "STATE_DIR="+state)
	return start(t, settings, "java", "-XX:TieredStopAtLevel=1", "-jar", jar)
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

// parsesDelimited reads values of protobuf-delimited, one behind the other, with generated code in Java.
func (h *house) parsesDelimited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var values []byte
	octets := uint64(0)
	for _, m := range h.read(t, "delimited", fewFlows) {
		values = append(values, m.value...)
	}
	for f, n := range h.sent(t, fewFlows) {
		octets += uint64(n) * uint64(f.octets)
	}
	const program = `import io.github.flowpub.flow.v1.FlowRecord;
public class Delimited {
  public static void main(String[] args) throws Exception {
    long flows = 0, octets = 0;
    try (var in = new java.io.FileInputStream(args[0])) {
      for (FlowRecord flow; (flow = FlowRecord.parseDelimitedFrom(in)) != null; flows++) {
        octets += flow.getOctets();
      }
    }
    System.out.println(flows + " " + octets);
  }
}`
	for name, content := range map[string][]byte{"values": values, "Delimited.java": []byte(program)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, nil, "java", "-cp", "examples/java/target/classes:examples/java/target/libs/*", dir+"/Delimited.java", dir+"/values")
	if want := fmt.Sprintln(fewFlows, octets); out != want {
		t.Errorf("Java reads %s, want %s", out, want)
	}
}
