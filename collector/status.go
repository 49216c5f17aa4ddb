package collector

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/status"
	"github.com/flowpub/flowpub/publisher"
)

// Status returns what the status page shows, with a list of all exporters if that is
// asked for. Counts are those that the watch saw last, at most a second ago; exporters'
// are those of the last survey.
func (c *Collector) Status(exporters bool) *status.Report {
	from, to, history := c.monitor.window()
	view := c.publisher.View()
	missing := c.missing()
	r := &status.Report{
		Version:   c.cfg.Version,
		Now:       time.Now().UTC(),
		Started:   c.started.UTC(),
		Ready:     len(missing) == 0,
		Missing:   append([]string{}, missing...),
		Path:      pathOf(&from, &to),
		History:   history,
		Exporters: c.accounts.report(c, exporters),
		Settings:  append([]status.Setting{}, c.cfg.Settings...),
	}
	r.History.End = r.History.End.UTC()
	for _, l := range c.listeners {
		stats := l.Stats()
		r.ReceiveBuffer.Asked += stats.ReceiveBufferAsked
		r.ReceiveBuffer.Granted += stats.ReceiveBufferGranted
	}
	seen := c.monitor.standing.Load()
	if seen == nil {
		seen = &standingProblems{}
	}
	r.Kafka = c.kafkaOf(&view, &from, &to, seen)
	stored := c.storeStats()
	r.TemplateStore = c.templateStoreOf(&stored)
	r.Verdict = c.verdict(r, append(c.notesOf(r, &view), storeNotes(r, &stored)...), &to, seen)
	return r
}

// counter makes counts of two samples.
type counter struct{ seconds float64 }

func (c counter) count(from, to uint64) status.Count {
	n := status.Count{Total: to}
	if c.seconds > 0 {
		n.PerSecond = whole(float64(to-from) / c.seconds)
	}
	return n
}

// counts makes them of all labels.
func (c counter) counts(from, to map[string]uint64) map[string]status.Count {
	all := make(map[string]status.Count, len(to))
	for label, n := range to {
		all[label] = c.count(from[label], n)
	}
	return all
}

func counterOf(from, to *sample) counter { return counter{to.at.Sub(from.at).Seconds()} }

// pathOf returns what became of everything.
func pathOf(from, to *sample) status.Path {
	c := counterOf(from, to)
	return status.Path{
		Received:      c.count(from.datagrams.received, to.datagrams.received),
		KernelDropped: c.count(from.kernelDropped, to.kernelDropped),
		Decoded:       c.counts(from.datagrams.decodedByFormat(), to.datagrams.decodedByFormat()),
		Rejected:      c.counts(from.datagrams.rejectedByReason(), to.datagrams.rejectedByReason()),

		SetsReceived: c.count(from.sets.received, to.sets.received),
		SetsDecoded:  c.count(from.sets.decoded, to.sets.decoded),
		SetsDropped:  c.counts(from.sets.droppedByReason(), to.sets.droppedByReason()),
		SetsWaiting:  to.sets.waiting,

		FlowsDecoded:    c.count(from.decoded, to.decoded),
		FlowsDelivered:  c.count(from.delivered, to.delivered),
		FlowsDropped:    c.counts(droppedByReason(from), droppedByReason(to)),
		FlowsBuffered:   to.buffered,
		FlowsDuplicated: c.count(from.duplicated, to.duplicated),

		FlowsMissed:   c.count(from.flowsMissed, to.flowsMissed),
		PacketsMissed: c.count(from.packetsMissed, to.packetsMissed),
		SamplesMissed: c.count(from.datagrams.samples.missed, to.datagrams.samples.missed),
	}
}

func droppedByReason(s *sample) map[string]uint64 {
	all := make(map[string]uint64)
	for _, reason := range publisher.DropReasons() {
		all[reason.String()] = s.dropped[reason]
	}
	return all
}

// kafkaOf returns what is known of the cluster, and what waits for it.
func (c *Collector) kafkaOf(v *publisher.View, from, to *sample, seen *standingProblems) status.Kafka {
	count := counterOf(from, to)
	k := status.Kafka{
		Topics:             []status.Topic{},
		Brokers:            []status.Broker{},
		LastError:          errorOf(v.LastFault),
		Compression:        c.cfg.Publisher.Compression.String(),
		Batches:            count.count(from.batches, to.batches),
		BytesRaw:           count.count(from.raw, to.raw),
		BytesWire:          count.count(from.wire, to.wire),
		Latency:            latency(&from.produce, &to.produce),
		LatencyLong:        quantile(.99, &from.produce, &to.produce),
		OldestWaiting:      milli(v.Oldest),
		BufferBytes:        to.bytes,
		BufferLimit:        to.limit,
		PartitionsFailing:  to.failing,
		Idempotent:         to.idempotent,
		SecondsOfThrottles: to.throttled,
	}
	if seen.filling {
		seconds := seen.full.Round(time.Second).Seconds()
		k.BufferFullIn = &seconds
	}
	if n := to.batches - from.batches; n > 0 {
		k.BatchBytes = whole(float64(to.wire-from.wire) / float64(n))
		k.BatchFlows = whole(float64(to.delivered-from.delivered) / float64(n))
	}
	if wire := to.wire - from.wire; wire > 0 {
		k.CompressionRatio = whole(float64(to.raw-from.raw) / float64(wire))
	}
	for _, t := range v.Topics {
		k.Topics = append(k.Topics, status.Topic{
			Name: t.Name, Partitions: len(t.Leaders), Leaders: append([]int32{}, t.Leaders...),
			Failing: append([]int32{}, t.Failing...), Waiting: t.Buffered, Problem: t.Problem,
		})
	}
	for _, b := range v.Brokers {
		k.Brokers = append(k.Brokers, status.Broker{
			ID: b.ID, Address: b.Address, Partitions: b.Leads, Requests: b.Requests, Latency: micro(b.Latency), LastError: errorOf(b.LastFault),
		})
	}
	return k
}

// milli returns seconds with three decimals.
func milli(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// micro returns seconds with six decimals.
func micro(d time.Duration) float64 { return d.Round(time.Microsecond).Seconds() }

func errorOf(f *publisher.Fault) *status.KafkaError {
	if f == nil {
		return nil
	}
	return &status.KafkaError{At: f.At.UTC(), Text: f.Text, Cure: f.Cure, Broker: f.Broker}
}

// verdict sums a report up: whether anything is lost, and what puts flows at risk.
func (c *Collector) verdict(r *status.Report, notes []status.Problem, now *sample, seen *standingProblems) status.Verdict {
	v := status.Verdict{Problems: append([]status.Problem{}, seen.problems...)}
	for i := range v.Problems {
		if p := &v.Problems[i]; p.Why == "" && r.Kafka.LastError != nil && time.Since(r.Kafka.LastError.At) < time.Minute {
			p.Why, p.Cure = r.Kafka.LastError.Text, r.Kafka.LastError.Cure
			if b := r.Kafka.LastError.Broker; b != "" && !strings.Contains(p.Why, b) {
				p.Why = "broker " + b + ": " + p.Why
			}
		}
	}
	if !seen.lastLoss.IsZero() {
		at := seen.lastLoss.UTC()
		v.LastLoss = &at
	}
	v.Problems = append(v.Problems, notes...)
	slices.SortStableFunc(v.Problems, func(a, b status.Problem) int { return cmp.Compare(rank(b.Level), rank(a.Level)) })
	v.Level, v.Text = status.LevelOK, "Nothing is being lost"
	worst := status.LevelOK
	if len(v.Problems) > 0 {
		worst = v.Problems[0].Level
	}
	switch {
	case worst == status.LevelLoss:
		v.Level, v.Text = worst, "Flows are being lost"
	case c.stopping.Load():
		v.Level, v.Text = status.LevelRisk, "Shutting down: what is buffered is being delivered"
	case worst == status.LevelRisk:
		v.Level, v.Text = worst, "Nothing is being lost yet"
	case now.datagrams.received == 0 && now.kernelDropped == 0:
		v.Level, v.Text = status.LevelIdle, "Nothing has arrived yet"
	}
	return v
}

// rank orders levels.
func rank(l status.Level) int {
	return slices.Index([]status.Level{status.LevelOK, status.LevelIdle, status.LevelNote, status.LevelRisk, status.LevelLoss}, l)
}

// notesOf tells what no loss is, and worth knowing.
func (c *Collector) notesOf(r *status.Report, v *publisher.View) (notes []status.Problem) {
	note := func(level status.Level, what, why, cure string) {
		notes = append(notes, status.Problem{Level: level, What: what, Why: why, Cure: cure})
	}
	if !r.Ready && !c.stopping.Load() {
		note(status.LevelRisk, "Flows cannot be delivered yet", strings.Join(r.Missing, "; "), cmp.Or(cureOf(r.Kafka.LastError), "wait; if it lasts, see the log"))
	}
	if b := r.ReceiveBuffer; b.Granted < b.Asked {
		note(status.LevelNote, "The receive buffer is smaller than asked for",
			fmt.Sprintf("the kernel granted %s of %s", mebibytes(int64(b.Granted)), mebibytes(int64(b.Asked))), "raise net.core.rmem_max to "+fmt.Sprint(b.Asked))
	}
	if n := r.Exporters.Silent; n > 0 {
		note(status.LevelNote, plural(n, "exporter is", "exporters are")+" silent", "nothing for 5 minutes after having sent regularly",
			"see whether the devices run, and whether they send elsewhere now")
	}
	for i := range v.Topics {
		for _, w := range v.Topics[i].Warnings {
			note(status.LevelNote, "Topic "+v.Topics[i].Name+" is not set up as it should be", w.Risk, w.Cure)
		}
	}
	return notes
}

func cureOf(e *status.KafkaError) string {
	if e == nil {
		return ""
	}
	return e.Cure
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// report returns the exporters, those with the most flows a second first.
func (b *accounts) report(c *Collector, list bool) status.Exporters {
	var summaries map[[16]byte]template.Summary
	if list {
		summaries = c.templates.table.Summaries()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Since(c.started)
	r := status.Exporters{
		List:    []status.Exporter{},
		Refused: len(b.refused),
		Others:  status.OtherExporters{Exporters: b.closed, Flows: b.others.flows, Missed: b.others.flowsMissed + b.others.packetsMissed},
	}
	for address, a := range b.by {
		state := a.exporter.state(now)
		switch state {
		case "losing":
			r.Losing++
			r.Heard++
		case "heard":
			r.Heard++
		case "silent":
			r.Silent++
		}
		r.Total++
		if list {
			r.List = append(r.List, b.exporter(c, address, a, state, summaries, now))
		}
	}
	for address, s := range b.refused {
		if b.by[address] != nil {
			continue
		}
		r.Total++
		if list {
			e := status.Exporter{State: "refused", Formats: []string{}, Anomalies: []string{}, LastHeard: c.at(s.heard)}
			c.describe(&e, address)
			c.addRefusal(&e, &s)
			r.List = append(r.List, e)
		}
	}
	slices.SortFunc(r.List, func(a, b status.Exporter) int {
		return cmp.Or(cmp.Compare(b.FlowsPerSecond, a.FlowsPerSecond), cmp.Compare(b.Flows, a.Flows), cmp.Compare(a.Address, b.Address))
	})
	return r
}

// exporter describes one.
func (b *accounts) exporter(c *Collector, address [16]byte, a *account, state string, summaries map[[16]byte]template.Summary, now time.Duration) status.Exporter {
	e := status.Exporter{
		State: state, Formats: []string{}, Streams: a.streams, LastHeard: c.at(a.exporter.heard),
		Packets: a.packets, Flows: a.flows, FlowsPerSecond: whole(a.rate),
		FlowsMissed: a.flowsMissed, PacketsMissed: a.packetsMissed, Restarts: a.restarts,
		Anomalous: a.anomalous, Anomalies: []string{},
	}
	for _, f := range decoder.Formats() {
		if a.formats.has(f) {
			e.Formats = append(e.Formats, f.String())
		}
	}
	for _, kind := range decoder.AnomalyKinds() {
		if a.anomalies&kind != 0 {
			e.Anomalies = append(e.Anomalies, kind.String())
		}
	}
	if a.sampling.known() {
		e.Sampling, e.SamplingSource = a.sampling.interval, a.sampling.sourceName()
	}
	if s, known := summaries[address]; known {
		e.Templates, e.TemplatesAge = s.Templates, math.Round((now - s.Refreshed).Seconds())
	}
	if a.clocked {
		offset := milli(a.offset)
		e.ClockOffset = &offset
	}
	c.describe(&e, address)
	if s, refused := b.refused[address]; refused {
		c.addRefusal(&e, &s)
	}
	return e
}

// describe adds address and name, and the sampling that is set by hand.
func (c *Collector) describe(e *status.Exporter, key [16]byte) {
	address := addressOf(key)
	e.Address = address.String()
	if known := c.inventory.Find(address); known != nil {
		e.Name = known.Name
		if known.SamplingOverride != 0 {
			e.Sampling, e.SamplingSource = known.SamplingOverride, "file"
		}
	}
}

// addRefusal adds what was refused of a sender.
func (c *Collector) addRefusal(e *status.Exporter, s *refusedSender) {
	at := c.at(s.heard)
	e.Refused, e.RefusedAs, e.LastRefused = s.datagrams, s.reason.String(), &at
}

// at returns the time of a moment.
func (c *Collector) at(moment time.Duration) time.Time {
	return c.started.Add(moment).UTC().Round(time.Millisecond)
}

// problems tells what the watch sees standing.
func (w *watcher) problems(s *sample) *standingProblems {
	p := &standingProblems{problems: []status.Problem{}}
	for i := range w.losses {
		l := &w.losses[i]
		if l.level == status.LevelLoss && l.grew.After(p.lastLoss) {
			p.lastLoss = l.grew
		}
		if l.grew.IsZero() || s.at.Sub(l.grew) >= lossEnds {
			continue
		}
		since := l.began.UTC()
		p.problems = append(p.problems, status.Problem{Level: l.level, What: l.what, Why: l.why, Since: &since, Count: l.total, Cure: l.cure})
	}
	left, grows := w.filling.left(s.limit)
	p.full, p.filling = left, grows && w.filling.stands
	if w.outage.stands {
		since := w.outage.began.UTC()
		what := "Kafka takes no flows: they wait in the buffer"
		if s.failing > 0 && s.delivered > w.outage.atFirst {
			what = "Kafka takes a part of the flows only: the others wait in the buffer"
		}
		p.full, p.filling = left, grows
		p.problems = append(p.problems, status.Problem{
			Level: status.LevelRisk, What: what, Since: &since, Count: s.buffered,
			Cure: "see the last error of Kafka below, and the log",
		})
	} else if w.filling.stands {
		since := w.filling.began.UTC()
		p.problems = append(p.problems, status.Problem{
			Level: status.LevelRisk, What: "The buffer is filling", Why: "Kafka takes less than arrives", Since: &since, Count: s.buffered,
			Cure: "see why Kafka is slow, or raise " + variable.BufferBytes,
		})
	}
	return p
}
