//go:build kafka

package kafka_test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
)

// Every consumer reads dead letters with their headers, byte for byte, and those
// that the topic refuses as too large are given up without holding up the others.
func (c *cluster) deadLetters(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "dead", 1, "max.message.bytes", "20000")
	tr := newTraffic(33)
	p := startPublisher(t, c.brokers, c.createTopic(t, "living", 1), func(cfg *publisher.Config) {
		cfg.DeadLetterTopic = name
	})
	received := time.Date(2026, 1, 1, 0, 0, 0, 123_456_789, time.UTC)
	from := netip.MustParseAddrPort("192.0.2.1:4711")
	for n := range 100 {
		text := letter(n)
		if n%10 == 9 {
			text = strings.Repeat("too large", 7000)
		}
		p.PublishDeadLetter(from, decoder.UnixNano(received.UnixNano()), "version", []byte(text))
	}
	tr.publish(t, p, 10, 30)
	testwait.Until(t, 30*time.Second, "each letter has its outcome", func() bool {
		letters := p.Stats().DeadLetters
		return letters[publisher.DeadLetterDelivered] == 90 && letters[publisher.DeadLetterFailed] == 10
	})
	closeExactly(t, p, tr.flows())

	for _, consumer := range consumers() {
		t.Run(consumer.name, func(t *testing.T) {
			got := consumer.read(t, c, name, c.ends(t, name))[0]
			if len(got) != 90 {
				t.Errorf("the topic has %d letters, want 90", len(got))
			}
			for i, m := range got {
				want := message{
					key: []byte("192.0.2.1"), value: []byte(letter(i/9*10 + i%9)), time: received.Truncate(time.Millisecond),
					headers: []header{
						{"reason", "version"}, {"receive_time", "2026-01-01T00:00:00.123456789Z"}, {"exporter_port", "4711"},
					},
				}
				if m.time = m.time.UTC(); !reflect.DeepEqual(m, want) {
					t.Fatalf("letter %d is %v, want %v", i, m, want)
				}
			}
		})
	}
	t.Run("as the document says", func(t *testing.T) { c.checkDocument(t, name) })
}

// letter has bytes that a consumer might take for its own marks.
func letter(n int) string { return fmt.Sprintf("datagram %d\t\n\x00\xff\\x41", n) }

// checkDocument fails the test unless the lines of kcat in docs/dead-letters.md do
// what is said there: one lists the letters, two have the one at offset 42 and
// nothing besides.
func (c *cluster) checkDocument(t *testing.T, name string) {
	t.Helper()
	need(t, "kcat", "kcat")
	text, err := os.ReadFile("../../docs/dead-letters.md")
	if err != nil {
		t.Fatal(err)
	}
	var printed []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "kcat ") {
			continue
		}
		line, _, _ = strings.Cut(line, " | ") // to what shows or sends it
		line = strings.NewReplacer("kafka:9092", c.brokers[0], "flows-dead", name).Replace(line)
		out, err := exec.CommandContext(t.Context(), "bash", "-c", line).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		printed = append(printed, string(out))
	}
	listed := strings.Repeat("1767225600123 192.0.2.1 "+
		"reason=version,receive_time=2026-01-01T00:00:00.123456789Z,exporter_port=4711 N bytes\n", 90)
	want := []string{listed, letter(46), letter(46)} // before offset 42 four were refused
	if len(printed) > 0 {
		printed[0] = regexp.MustCompile(` \d+ bytes`).ReplaceAllString(printed[0], " N bytes")
	}
	if !slices.Equal(printed, want) {
		t.Errorf("printed %q, want %q", printed, want)
	}
}
