package telemetry

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// families lists every metric of ours but the histogram. docs/metrics.md says
// what each means at length; a test holds the two equal.
func families() []family {
	return slices.Concat(datagramFamilies(), templateFamilies(), sampleFamilies(), flowFamilies(), exporterFamilies(), kafkaFamilies(), processFamilies())
}

func datagramFamilies() []family {
	return []family{
		counter("datagrams_received_total", "UDP datagrams read.",
			func(s *Snapshot) uint64 { return s.DatagramsReceived }),
		counters("datagrams_decoded_total", "format", "Datagrams in which something could be read.",
			func(s *Snapshot) map[string]uint64 { return s.DatagramsDecoded }),
		counters("datagrams_rejected_total", "reason", "Datagrams in which nothing could be read, or that were not wanted.",
			func(s *Snapshot) map[string]uint64 { return s.DatagramsRejected }),
		counters("datagrams_foreign_total", "protocol", "Datagrams rejected for their version, by what they look like.",
			func(s *Snapshot) map[string]uint64 { return s.DatagramsForeign }),
		counter("datagrams_kernel_dropped_total", "Datagrams lost because a receive buffer was full.",
			func(s *Snapshot) uint64 { return s.DatagramsKernelDropped }),
		gauges("receive_buffer_bytes", "kind", "Receive buffers of all sockets, as asked for and as granted.",
			func(s *Snapshot) map[string]float64 {
				return map[string]float64{
					"asked":   float64(s.ReceiveBufferAsked),
					"granted": float64(s.ReceiveBufferGranted),
				}
			}),
	}
}

func templateFamilies() []family {
	return []family{
		counter("data_sets_received_total", "Data sets of NetFlow v9 and IPFIX.",
			func(s *Snapshot) uint64 { return s.DataSetsReceived }),
		counter("data_sets_decoded_total", "Data sets decoded by their templates.",
			func(s *Snapshot) uint64 { return s.DataSetsDecoded }),
		counters("data_sets_dropped_total", "reason", "Data sets given up.",
			func(s *Snapshot) map[string]uint64 { return s.DataSetsDropped }),
		gauge("data_sets_waiting", "Data sets waiting for their templates.",
			func(s *Snapshot) float64 { return float64(s.DataSetsWaiting) }),
		gauges("templates", "origin", "Templates known, by where they come from.",
			func(s *Snapshot) map[string]float64 {
				all := make(map[string]float64)
				for origin, n := range s.Templates {
					all[origin] = float64(n)
				}
				return all
			}),
		counter("template_changes_total", "Templates that were new, or differed from the one before.",
			func(s *Snapshot) uint64 { return s.TemplateChanges }),
		counters("templates_refused_total", "reason", "Templates that were not taken.",
			func(s *Snapshot) map[string]uint64 { return s.TemplatesRefused }),
		counters("templates_removed_total", "reason", "Templates that were forgotten.",
			func(s *Snapshot) map[string]uint64 { return s.TemplatesRemoved }),
		counter("template_withdrawals_total", "Withdrawals of templates, which are ignored.",
			func(s *Snapshot) uint64 { return s.TemplateWithdrawals }),
		counters("template_store_records_total", "direction", "Records written to the topic for templates, and read from it.",
			func(s *Snapshot) map[string]uint64 { return s.StoreRecords }),
		counters("template_store_skipped_total", "reason", "Records of the topic for templates that are of no use.",
			func(s *Snapshot) map[string]uint64 { return s.StoreSkipped }),
		gauge("template_store_pending", "Changes of templates and samplings that are not in the topic yet.",
			func(s *Snapshot) float64 { return float64(s.StorePending) }),
		gauges("template_store_failing", "operation", "Whether the last attempt failed to read the topic for templates, or to write to it.",
			func(s *Snapshot) map[string]float64 { return truths(s.StoreFailing) }),
		gauge("template_store_load_seconds", "How long it took to read what the topic for templates had at the start; 0 until then.",
			func(s *Snapshot) float64 { return s.StoreLoadSeconds }),
		counter("template_mismatches_total", "Data sets that a stored template did not fit.",
			func(s *Snapshot) uint64 { return s.TemplateMismatches }),
		counter("template_contradictions_total", "Templates that the store had differently while their exporter went on sending them here.",
			func(s *Snapshot) uint64 { return s.TemplateContradictions }),
		counter("options_records_total", "Options records decoded.",
			func(s *Snapshot) uint64 { return s.OptionsRecords }),
		counter("samplings_refused_total", "Samplings told by options that there is no room for.",
			func(s *Snapshot) uint64 { return s.SamplingsRefused }),
	}
}

func sampleFamilies() []family {
	return []family{
		counters("sflow_samples_total", "kind", "Samples of sFlow, by what they were or why they were dropped.",
			func(s *Snapshot) map[string]uint64 { return s.Samples }),
		counter("sflow_samples_missed_total", "Flow samples that never arrived, by gaps in their data sources' numbers.",
			func(s *Snapshot) uint64 { return s.SamplesMissed }),
		counter("sflow_agent_drops_total", "Samples that agents took and could not send.",
			func(s *Snapshot) uint64 { return s.SamplesAgentDropped }),
	}
}

func flowFamilies() []family {
	return []family{
		counter("flows_decoded_total", "Flow records decoded.",
			func(s *Snapshot) uint64 { return s.FlowsDecoded }),
		counter("flows_delivered_total", "Flow records acknowledged by Kafka.",
			func(s *Snapshot) uint64 { return s.FlowsDelivered }),
		counters("flows_dropped_total", "reason", "Flow records given up.",
			func(s *Snapshot) map[string]uint64 { return s.FlowsDropped }),
		counter("flows_possibly_duplicated_total", "Flow records that may be in Kafka twice.",
			func(s *Snapshot) uint64 { return s.FlowsPossiblyDuplicated }),
		gauge("flows_buffered", "Flow records waiting for Kafka.",
			func(s *Snapshot) float64 { return float64(s.FlowsBuffered) }),
		gauge("buffer_bytes", "Memory charged to the buffer's budget.",
			func(s *Snapshot) float64 { return float64(s.BufferBytes) }),
		gauge("buffer_limit_bytes", "The buffer's budget.",
			func(s *Snapshot) float64 { return float64(s.BufferLimitBytes) }),
		gauge("buffer_enough_bytes", "The least budget that keeps room for a packet of each partition, whichever fail.",
			func(s *Snapshot) float64 { return float64(s.BufferEnoughBytes) }),
	}
}

func exporterFamilies() []family {
	return []family{
		counter("flows_missed_total", "Flows that exporters sent and that never arrived, by gaps in their sequences.",
			func(s *Snapshot) uint64 { return s.FlowsMissed }),
		counters("export_packets_missed_total", "format", "Export packets that never arrived, of exporters whose sequences count packets.",
			func(s *Snapshot) map[string]uint64 { return s.ExportPacketsMissed }),
		counter("exporter_restarts_total", "Restarts of exporters.",
			func(s *Snapshot) uint64 { return s.ExporterRestarts }),
		counters("packets_anomalous_total", "kind", "Export packets with an anomaly, at most once a kind and packet.",
			func(s *Snapshot) map[string]uint64 { return s.PacketsAnomalous }),
		gauge("exporters", "Exporters heard in the last 5 minutes.",
			func(s *Snapshot) float64 { return float64(s.Exporters) }),
		gauge("exporters_silent", "Exporters that sent regularly, then nothing for 5 minutes.",
			func(s *Snapshot) float64 { return float64(s.ExportersSilent) }),
		gauge("exporters_losing", "Exporters whose flows were missed in the last 5 minutes.",
			func(s *Snapshot) float64 { return float64(s.ExportersLosing) }),
		gauge("exporters_unsequenced", "Exporters whose losses cannot be seen.",
			func(s *Snapshot) float64 { return float64(s.ExportersUnsequenced) }),
		gauge("exporters_clock_skewed", "Exporters whose clock is over 60 s from ours.",
			func(s *Snapshot) float64 { return float64(s.ExportersClockSkewed) }),
	}
}

// eachExporterFamilies are of those exporters that have metrics of their own.
func eachExporterFamilies() []exporterFamily {
	return []exporterFamily{
		ofExporter("packets_total", "Export packets of the exporter that were decoded.", prometheus.CounterValue,
			func(e *ExporterNumbers) float64 { return float64(e.Packets) }),
		ofExporter("flows_total", "Flow records of the exporter that were decoded.", prometheus.CounterValue,
			func(e *ExporterNumbers) float64 { return float64(e.Flows) }),
		ofExporter("flows_missed_total", "Flows that the exporter sent and that never arrived.", prometheus.CounterValue,
			func(e *ExporterNumbers) float64 { return float64(e.FlowsMissed) }),
		ofExporter("packets_missed_total", "Export packets that the exporter sent and that never arrived.", prometheus.CounterValue,
			func(e *ExporterNumbers) float64 { return float64(e.PacketsMissed) }),
		ofExporter("last_heard_timestamp_seconds", "When the exporter last sent something.", prometheus.GaugeValue,
			func(e *ExporterNumbers) float64 { return e.LastHeard }),
		ofExporter("sampling_interval", "Of how many packets the exporter counts one; 0 when it does not say.", prometheus.GaugeValue,
			func(e *ExporterNumbers) float64 { return float64(e.Sampling) }),
	}
}

func kafkaFamilies() []family {
	return []family{
		counters("kafka_produce_errors_total", "error", "Failed attempts to produce a batch.",
			func(s *Snapshot) map[string]uint64 { return s.ProduceErrors }),
		counter("kafka_batches_total", "Record batches acknowledged.",
			func(s *Snapshot) uint64 { return s.KafkaBatches }),
		counters("kafka_bytes_total", "stage", "Bytes of acknowledged batches, before and after compression.",
			func(s *Snapshot) map[string]uint64 {
				return map[string]uint64{"raw": s.KafkaBytesRaw, "wire": s.KafkaBytesWire}
			}),
		gauge("kafka_partitions_failing", "Partitions whose flows wait after a failed attempt, or for long without any.",
			func(s *Snapshot) float64 { return float64(s.PartitionsFailing) }),
		gauges("kafka_topic_warnings", "kind", "Settings of the topic that put flows at risk: 1 while they stand.",
			func(s *Snapshot) map[string]float64 { return truths(s.TopicWarnings) }),
		counters("dead_letters_total", "outcome", "Datagrams that could not be decoded, by what became of them as dead letters.",
			func(s *Snapshot) map[string]uint64 { return s.DeadLetters }),
		gauge("kafka_schemas_missing", "Topics for whose schema the registry has given no id yet.",
			func(s *Snapshot) float64 { return float64(s.SchemasMissing) }),
		seconds("kafka_throttle_seconds_total", "Pauses that brokers asked for.",
			func(s *Snapshot) float64 { return s.ThrottleSeconds }),
		gauge("kafka_idempotent", "Whether brokers recognise repeated batches.",
			func(s *Snapshot) float64 { return truth(s.Idempotent) }),
	}
}

func processFamilies() []family {
	return []family{
		counter("log_lines_dropped_total", "Log lines that could not be written to standard error.",
			func(s *Snapshot) uint64 { return s.LogLinesDropped }),
		gauge("ready", "Whether the readiness probe passes.",
			func(s *Snapshot) float64 { return truth(s.Ready) }),
		gauges("build_info", "version", "Always 1; the label tells the program's version.",
			func(s *Snapshot) map[string]float64 { return map[string]float64{s.Version: 1} }),
	}
}
