package collector

import (
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/telemetry"
	"github.com/flowpub/flowpub/publisher"
)

// Snapshot returns all numbers at one moment. The three equations of the ledger hold
// in it exactly: each socket's counts are taken between two of its batches, those of
// data sets under one lock, and the flows' come from one publisher.Stats.
func (c *Collector) Snapshot() telemetry.Snapshot {
	s := telemetry.Snapshot{Version: c.cfg.Version, Ready: len(c.missing()) == 0}
	c.addDatagrams(&s)
	c.addSets(&s)
	stats := c.publisher.Stats()
	addFlows(&s, &stats)
	addKafka(&s, &stats)
	c.addStore(&s)
	s.LogLinesDropped = c.logLinesDropped()
	s.ByExporter = c.byExporter()
	return s
}

func (c *Collector) logLinesDropped() uint64 {
	if c.cfg.LogLinesDropped == nil {
		return 0
	}
	return c.cfg.LogLinesDropped()
}

// intakeTotals are the sums over all sockets.
type intakeTotals struct {
	counts                  datagramCounts
	missedRecords, restarts uint64
	missedPackets           map[string]uint64
	exporters               exporters
}

func (c *Collector) addDatagrams(s *telemetry.Snapshot) {
	totals := intakeTotals{missedPackets: make(map[string]uint64), exporters: make(exporters)}
	now := time.Since(c.started)
	for i, l := range c.listeners {
		stats := l.Stats()
		s.DatagramsKernelDropped += stats.KernelDropped
		s.ReceiveBufferAsked += stats.ReceiveBufferAsked
		s.ReceiveBufferGranted += stats.ReceiveBufferGranted
		for _, in := range c.intakes[i] {
			in.addTo(&totals, now)
		}
	}
	if c.late != nil {
		c.late.addTo(&totals, now)
	}
	s.DatagramsReceived = totals.counts.received
	s.DatagramsDecoded = totals.counts.decodedByFormat()
	s.DatagramsRejected = totals.counts.rejectedByReason()
	s.DatagramsForeign = totals.counts.foreignByProtocol()
	s.PacketsAnomalous = totals.counts.anomalousByKind()
	s.Samples = totals.counts.samples.byKind()
	s.SamplesMissed, s.SamplesAgentDropped = totals.counts.samples.missed, totals.counts.samples.agentDropped
	s.FlowsMissed, s.ExportPacketsMissed = totals.missedRecords, totals.missedPackets
	s.ExporterRestarts = totals.restarts

	census := totals.exporters.count(now)
	s.Exporters = census.heard
	s.ExportersSilent = census.silent
	s.ExportersLosing = census.losing
	s.ExportersUnsequenced = census.unsequenced
	s.ExportersClockSkewed = census.skewed
}

// addSets adds what became of data sets, templates and options.
func (c *Collector) addSets(s *telemetry.Snapshot) {
	counts := c.templates.snapshot()
	s.DataSetsReceived = counts.received
	s.DataSetsDecoded = counts.decoded
	s.DataSetsDropped = counts.droppedByReason()
	s.DataSetsWaiting = counts.waiting
	s.OptionsRecords = counts.options

	stats := c.templates.table.Stats()
	s.Templates = map[string]int64{"wire": stats.Wire, "store": stats.Stored}
	s.TemplateChanges = stats.Changes
	s.TemplatesRefused = make(map[string]uint64, template.NumRefuseReasons)
	for r, n := range stats.Refused {
		s.TemplatesRefused[template.RefuseReason(r).String()] = n
	}
	s.TemplatesRemoved = map[string]uint64{"evicted": stats.Evicted, "expired": stats.Expired}
	s.TemplateWithdrawals = stats.Withdrawals
	s.SamplingsRefused = stats.SamplersRefused
	s.TemplateMismatches, s.TemplateContradictions = stats.Mismatched, stats.Contradicted
}

// addTo adds what the socket knows, as it stands between two batches.
func (in *intake) addTo(totals *intakeTotals, now time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.streams.closeGaps(now, func(st *stream) { totals.exporters.add(st, now) })
	totals.counts.add(&in.counts)
	totals.missedRecords += in.streams.missedRecords
	for _, f := range decoder.Formats() {
		totals.missedPackets[f.String()] += in.streams.missedPackets[f]
	}
	totals.restarts += in.streams.restarts
}

func addFlows(s *telemetry.Snapshot, stats *publisher.Stats) {
	s.FlowsDecoded = stats.Decoded
	s.FlowsDelivered = stats.Delivered
	s.FlowsBuffered = stats.Buffered
	s.FlowsPossiblyDuplicated = stats.PossiblyDuplicated
	s.FlowsDropped = make(map[string]uint64)
	for _, reason := range publisher.DropReasons() {
		s.FlowsDropped[reason.String()] = stats.Dropped[reason]
	}
	s.BufferBytes, s.BufferLimitBytes = stats.BufferBytes, stats.BufferLimitBytes
	s.BufferEnoughBytes = stats.BufferEnoughBytes
}

func addKafka(s *telemetry.Snapshot, stats *publisher.Stats) {
	s.ProduceSeconds = telemetry.Histogram(stats.ProduceSeconds)
	s.ProduceErrors = stats.ProduceErrors
	s.KafkaBatches = stats.Batches
	s.KafkaBytesRaw, s.KafkaBytesWire = stats.BytesRaw, stats.BytesWire
	s.PartitionsFailing = stats.PartitionsFailing
	s.TopicWarnings = stats.TopicWarnings
	s.ThrottleSeconds = stats.ThrottleSeconds
	s.Idempotent = stats.Idempotent
	s.SchemasMissing = stats.SchemasMissing
	s.DeadLetters = make(map[string]uint64)
	for _, o := range publisher.DeadLetterOutcomes() {
		s.DeadLetters[o.String()] = stats.DeadLetters[o]
	}
}
