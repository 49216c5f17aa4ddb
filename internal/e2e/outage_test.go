//go:build linux

package e2e

import (
	"maps"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

// The broker is not there for the first 8 s, and away for 8 s in the middle: longer
// than the longest wait between attempts.
// The default budget has room for what comes meanwhile.
func TestOutages(t *testing.T) {
	const (
		rate   = 50_000
		outage = 8 * time.Second
	)
	shareMachine(t, rate)
	k := startKafka(t, 16)
	k.gate.shut()
	p := startFlowpub(t, k.gate.address)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: rate, Formats: allFormats})
	p.during(t, outage)
	logBuffer(t, p, "after the first outage")
	k.gate.open(t)
	p.untilWorkedOff(t)
	p.awaitReady(t)
	k.gate.shut()
	p.during(t, outage)
	logBuffer(t, p, "after the second outage")
	k.gate.open(t)
	p.untilWorkedOff(t)
	sent := l.stop(t)

	p.awaitDatagrams(t, sent.Datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	checkPeakMemory(t, p, m)
	logProduceErrors(t, m)
	checkDelivered(t, k, sent, p.terminate(t))
}

// Connections are cut again and again, so that many requests are carried out
// and not answered.
func TestCutConnections(t *testing.T) {
	const cuts, rate = 40, 100_000
	shareMachine(t, rate)
	k := startKafka(t, 16)
	p := startFlowpub(t, k.gate.address)
	p.awaitReady(t)
	l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: exporters, Rate: rate, Formats: allFormats})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range cuts {
		<-tick.C
		k.gate.shut()
		k.gate.open(t)
	}
	sent := l.stop(t)

	p.awaitDatagrams(t, sent.Datagrams)
	m := p.awaitEmpty(t)
	checkKernelDrops(t, m)
	logProduceErrors(t, m)
	if m.counts("kafka_produce_errors_total")["connection_lost"] == 0 {
		t.Error("no request was cut off")
	}
	checkDelivered(t, k, sent, p.terminate(t))
}

// logProduceErrors tells which attempts failed.
func logProduceErrors(t *testing.T, m metrics) {
	t.Helper()
	errors := m.counts("kafka_produce_errors_total")
	maps.DeleteFunc(errors, func(_ string, n uint64) bool { return n == 0 })
	t.Logf("failed attempts: %v", errors)
}

func logBuffer(t *testing.T, p *process, when string) {
	t.Helper()
	m := p.scrape(t)
	t.Logf("%s: %d flows buffered in %d of %d MiB", when,
		m.count("flows_buffered"), m.count("buffer_bytes")>>20, m.count("buffer_limit_bytes")>>20)
}
