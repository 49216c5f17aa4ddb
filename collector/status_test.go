package collector

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/publisher"
)

// exporterOf returns what the report says of an address.
func exporterOf(t *testing.T, r *status.Report, address string) status.Exporter {
	t.Helper()
	i := slices.IndexFunc(r.Exporters.List, func(e status.Exporter) bool { return e.Address == address })
	if i < 0 {
		t.Fatalf("there is no exporter %s in %+v", address, r.Exporters.List)
	}
	return r.Exporters.List[i]
}

// The list of exporters says what their packets told: added up over sockets and streams, by
// hand from the packets that are sent.
func TestStatusOfExporters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 2, func(cfg *Config) { cfg.ExportersAllow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
		now := time.Now()
		sampled := v5(90, 30, now)
		binary.BigEndian.PutUint16(sampled[22:], 1<<14|100) // every 100th packet
		a, b := c.intakes[0][0], c.intakes[0][1]
		a.handle(from("192.0.2.1:9", v5(0, 30, now), v5(30, 30, now), sampled), now) // 30 are missing
		b.handle(from("192.0.2.1:10", v5(0, 10, now.Add(-90*time.Second))), now)
		b.handle(from("192.0.2.2:9", v5(0, 5, now), []byte("GET / HTTP/1.1")), now)
		b.handle(from("198.51.100.1:9", v5(0, 5, now), v5(5, 5, now)), now)
		<-time.After(surveyEvery)
		c.survey()
		r := c.Status(true)

		one := exporterOf(t, r, "192.0.2.1")
		heard := now.UTC().Round(time.Millisecond)
		if one.Flows != 100 || one.Packets != 4 || one.FlowsMissed != 30 || one.Streams != 2 || one.State != "losing" ||
			one.FlowsPerSecond != 20 || one.Sampling != 100 || one.SamplingSource != "header" || !one.LastHeard.Equal(heard) ||
			!slices.Equal(one.Formats, []string{"netflow_v5"}) || one.Refused != 0 {
			t.Errorf("the first exporter is %+v", one)
		}
		if two := exporterOf(t, r, "192.0.2.2"); two.Flows != 5 || two.State != "heard" || two.Refused != 1 || two.RefusedAs != "noise" {
			t.Errorf("the exporter that also sends noise is %+v", two)
		}
		if three := exporterOf(t, r, "198.51.100.1"); three.State != "refused" || three.Refused != 2 || three.RefusedAs != "not_allowed" || three.Flows != 0 {
			t.Errorf("the sender that is not allowed is %+v", three)
		}
		if e := r.Exporters; e.Heard != 2 || e.Losing != 1 || e.Refused != 2 || e.Total != 3 {
			t.Errorf("the numbers are %+v", e)
		}
		if without := c.Status(false); len(without.Exporters.List) != 0 || without.Exporters.Total != 3 {
			t.Errorf("without a list there are %+v", without.Exporters)
		}
		<-time.After(recently + time.Second)
		c.survey()
		if got := exporterOf(t, c.Status(true), "192.0.2.1"); got.State != "gone" || got.FlowsPerSecond != 0 || got.Flows != 100 {
			t.Errorf("after a silence it is %+v", got)
		}
	})
}

// However many addresses are forged, the memory is bounded, and what gives way is
// counted.
func TestStatusIsBounded(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	in := c.intakes[0][0]
	in.streams = newStreams(64, nil)
	now := time.Now()
	const sent = 3000
	for i := range sent {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9).String()
		in.handle(from(source, v5(0, 2, now), []byte("noise")), now)
		if i%100 == 0 {
			c.survey()
		}
	}
	c.survey()
	r := c.Status(true)
	var listed uint64
	for _, e := range r.Exporters.List {
		listed += e.Flows
	}
	if listed+r.Exporters.Others.Flows != 2*sent {
		t.Errorf("%d flows are listed and %d of others, want %d in all", listed, r.Exporters.Others.Flows, 2*sent)
	}
	if most := 64 + refusedSets*refusedWays; len(r.Exporters.List) > most || len(c.accounts.by) != 64 {
		t.Errorf("%d exporters are listed, want %d at most; %d accounts, want 64", len(r.Exporters.List), most, len(c.accounts.by))
	}
}

// Rates are of the last seconds, the history has a point each five, and what is lost makes
// the verdict.
func TestStatusOfThePath(t *testing.T) {
	watched(t, func(w *watching) {
		w.each(20, func(s *publisher.Stats) { s.Decoded, s.Delivered = s.Decoded+50, s.Delivered+50 })
		r := w.Status(true)
		if got := r.Path.FlowsDecoded; got != (status.Count{Total: 1000, PerSecond: 50}) {
			t.Errorf("flows are %+v, want 1000 at 50 a second", got)
		}
		if !slices.Equal(r.History.FlowsDecoded, []float64{50, 50, 50, 50}) {
			t.Errorf("the history is %v, want a point of 50 for each 5 s", r.History.FlowsDecoded)
		}
		if v := r.Verdict; v.Level != status.LevelIdle || len(v.Problems) != 0 || v.LastLoss != nil {
			t.Errorf("the verdict is %+v, want that nothing has arrived", v)
		}

		w.each(1, drop(publisher.DropBufferFull, 7))
		v := w.Status(true).Verdict
		if v.Level != status.LevelLoss || len(v.Problems) != 1 {
			t.Fatalf("the verdict is %+v, want one loss", v)
		}
		if p := v.Problems[0]; p.Count != 7 || p.Cure == "" || p.Why == "" || p.Since == nil || p.Level != status.LevelLoss {
			t.Errorf("the problem is %+v, want 7 flows with why, since and cure", p)
		}
		w.each(10, nothingHappens)
		if v := w.Status(true).Verdict; v.Level == status.LevelLoss || v.LastLoss == nil {
			t.Errorf("10 s later the verdict is %+v, want that the loss is over and not forgotten", v)
		}
	})
}

// Kafka away is no loss yet: what fails, since when, and what to do about it.
func TestStatusWhenKafkaIsAway(t *testing.T) {
	watched(t, func(w *watching) {
		w.change(func(s *publisher.Stats) { s.PartitionsFailing, s.Partitions = 3, 3 })
		w.publisher.view = publisher.View{LastFault: &publisher.Fault{At: time.Now().Add(8 * time.Second), Text: "no connection", Cure: "start it", Broker: "kafka:9092"}}
		w.each(9, func(s *publisher.Stats) {
			s.Decoded, s.Buffered, s.BufferBytes = s.Decoded+10, s.Buffered+10, s.BufferBytes+1024
		})
		r := w.Status(false)
		if v := r.Verdict; v.Level != status.LevelRisk || v.Text != "Nothing is being lost yet" || len(v.Problems) != 1 {
			t.Fatalf("the verdict is %+v, want one risk", v)
		}
		if p := r.Verdict.Problems[0]; p.Why != "broker kafka:9092: no connection" || p.Cure != "start it" || p.Count != 90 {
			t.Errorf("the problem is %+v, want Kafka's error and its cure", p)
		}
		// 1 MiB less 9 KiB, at 1 KiB a second.
		if full := r.Kafka.BufferFullIn; full == nil || *full != 1015 {
			t.Errorf("the buffer is full in %v, want 1015 s", full)
		}
	})
}

// What arrives and is not lost is well.
func TestVerdictIsWell(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 0, 1, nil)
	r := &status.Report{Ready: true}
	if v := c.verdict(r, c.notesOf(r, &publisher.View{}), &sample{datagrams: datagramCounts{received: 1}}, &standingProblems{}); v.Level != status.LevelOK || v.Text != "Nothing is being lost" {
		t.Errorf("the verdict is %+v", v)
	}
	r.ReceiveBuffer = status.ReceiveBuffer{Asked: 2 << 20, Granted: 1 << 20}
	v := c.verdict(r, c.notesOf(r, &publisher.View{}), &sample{datagrams: datagramCounts{received: 1}}, &standingProblems{})
	if v.Level != status.LevelOK || len(v.Problems) != 1 || v.Problems[0].Cure != "raise net.core.rmem_max to 2097152" {
		t.Errorf("with a small receive buffer it is %+v, want a note", v)
	}
	view := publisher.View{Topics: []publisher.TopicView{{Name: "flows", Warnings: []publisher.TopicWarning{{Risk: "it is compacted", Cure: "set cleanup.policy=delete"}}}}}
	r.ReceiveBuffer = status.ReceiveBuffer{}
	v = c.verdict(r, c.notesOf(r, &view), &sample{datagrams: datagramCounts{received: 1}}, &standingProblems{})
	if v.Level != status.LevelOK || len(v.Problems) != 1 || v.Problems[0].Why != "it is compacted" || v.Problems[0].Cure != "set cleanup.policy=delete" {
		t.Errorf("with a compacted topic it is %+v, want a note", v)
	}
}

// Latencies are those of what was observed between two samples.
func TestLatency(t *testing.T) {
	t.Parallel()
	from := publisher.Histogram{Bounds: []float64{.1, .5, 1}, Counts: []uint64{50, 0, 0, 0}, Sum: 2}
	to := publisher.Histogram{Bounds: []float64{.1, .5, 1}, Counts: []uint64{50, 99, 1, 0}, Sum: 42}
	if got := latency(&from, &to); got != .4 {
		t.Errorf("the mean is %v, want 40 s over 100 requests", got)
	}
	for part, want := range map[float64]float64{.5: .5, .99: .5, 1: 1} {
		if got := quantile(part, &from, &to); got != want {
			t.Errorf("the quantile %v is %v, want %v", part, got, want)
		}
	}
	if latency(&to, &to) != 0 || quantile(.5, &to, &to) != 0 {
		t.Error("without a request there is a latency")
	}
}
