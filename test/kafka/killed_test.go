//go:build kafka

package kafka_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	synthetic "github.com/flowpub/flowpub/internal/exporter"
)

// The collector is killed under load, several times with either linger. What it
// had acknowledged is in Kafka, what is there has no gap and nothing twice, and
// what is lost had come within the linger and the time of two requests: the one
// under way, and the one before it that it waited for.
func (c *cluster) collectorKilled(t *testing.T) {
	const rate, kills = 20_000, 2
	program := buildCollector(t)
	for _, linger := range []time.Duration{100 * time.Millisecond, 10 * time.Millisecond} {
		t.Run(linger.String(), func(t *testing.T) {
			for i := range kills {
				c.killCollector(t, program, rate, linger, 2*time.Second+time.Duration(i)*37*time.Millisecond)
			}
		})
	}
}

// killCollector starts a collector, kills it after a while, and checks what is
// lost.
func (c *cluster) killCollector(t *testing.T, program string, rate int, linger, after time.Duration) {
	t.Helper()
	const (
		receiveDelay = 10 * time.Millisecond
		uneven       = 40 * time.Millisecond // the exporters' clock, and the signal's way
	)
	name := c.createTopic(t, "killed", 6)
	p := startCollector(t, program, c, name, "FLOWPUB_KAFKA_LINGER="+linger.String())
	g, stop := startExporters(t, synthetic.Config{Target: p.UDP, Exporters: 16, Rate: float64(rate)})
	f := follow(t, c, name, g.Stats().Exporters)
	pass(t, after)
	m := p.scrape(t)
	sent := g.Stats()
	p.Kill()
	stop()
	pass(t, 500*time.Millisecond) // what was under way arrives
	f.catchUp(t, c, name)

	came, between, lost := f.check(t, sent.Exporters)
	if between != 0 {
		t.Errorf("%d flows are missing between those that came", between)
	}
	if delivered := int64(m["flowpub_flows_delivered_total"]); came < delivered {
		t.Errorf("%d flows are in the topic, %d were acknowledged", came, delivered)
	}
	slowest := m.slowestRequest()
	milliseconds := float64(lost) / float64(rate) * 1000
	most := (linger + 2*slowest + receiveDelay + uneven).Seconds() * 1000
	t.Logf("linger %v, %d flows/s, %d flows buffered just before, requests within %v: lost %d flows, those of %.0f ms (at most %.0f ms expected)",
		linger, rate, int64(m["flowpub_flows_buffered"]), slowest, lost, milliseconds, most)
	if milliseconds > most {
		t.Errorf("the flows of %.0f ms are lost, want those of %.0f ms at most", milliseconds, most)
	}
}

// slowestRequest returns a time within which every produce request was answered.
func (m metrics) slowestRequest() time.Duration {
	slowest, all := math.Inf(1), m["flowpub_kafka_produce_seconds_count"]
	for name, requests := range m {
		label, found := strings.CutPrefix(name, `flowpub_kafka_produce_seconds_bucket{le="`)
		bound, err := strconv.ParseFloat(strings.TrimSuffix(label, `"}`), 64)
		if found && err == nil && requests == all {
			slowest = min(slowest, bound)
		}
	}
	if math.IsInf(slowest, 1) {
		panic(fmt.Sprintf("no bucket of flowpub_kafka_produce_seconds has all %v requests", all))
	}
	return time.Duration(slowest * float64(time.Second))
}
