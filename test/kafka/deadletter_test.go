//go:build kafka

package kafka_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/publisher"
)

// Kafka's own consumer reads dead letters with their headers, and those that the
// topic refuses as too large are given up without holding up the others.
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
		text := fmt.Sprintf("datagram %d", n)
		if n%10 == 9 {
			text = strings.Repeat("too large", 7000)
		}
		p.PublishDeadLetter(from, decoder.UnixNano(received.UnixNano()), "version", []byte(text))
	}
	tr.publish(t, p, 10, 30)
	eventually(t, 30*time.Second, "each letter has its outcome", func() bool {
		letters := p.Stats().DeadLetters
		return letters[publisher.DeadLetterDelivered] == 90 && letters[publisher.DeadLetterFailed] == 10
	})
	closeExactly(t, p, tr.flows())

	out := c.script(t, nil, "", "consume", name, "--from-beginning", "--timeout-ms", "60000", "--max-messages", "90",
		"--formatter-property", "print.headers=true", "--formatter-property", "print.key=true", "--formatter-property", "print.timestamp=true")
	const head = "CreateTime:1767225600123\treason:version,receive_time:2026-01-01T00:00:00.123456789Z,exporter_port:4711\t192.0.2.1\tdatagram "
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 90 {
		t.Errorf("the topic has %d letters, want 90", len(lines))
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, head) {
			t.Errorf("letter %q, want it to begin with %q", line, head)
		}
	}
}
