package collector

import (
	"math"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/publisher"
)

// logStart writes what runs and with which settings; none of them is a secret.
// Durations are text, as they are configured: in JSON they would be nanoseconds.
func (c *Collector) logStart() {
	p := &c.cfg.Publisher
	c.log.Info("collecting",
		"version", c.cfg.Version,
		"go", runtime.Version(),
		"listen", c.Addrs(),
		"sockets", c.cfg.Sockets,
		"receive_buffer", c.cfg.ReceiveBuffer,
		"receive_delay", c.cfg.ReceiveDelay.String(),
		"exporters_allow", c.cfg.ExportersAllow,
		"formats", formatNames(c.cfg.Formats),
		"elements", c.cfg.Elements,
		"exporters_file", c.cfg.ExportersFile,
		"exporters_networks", c.inventory.Networks(),
		"http_listen", c.HTTPAddr(),
		"http_pprof", c.cfg.HTTPPProf,
		"metrics_exporters", c.cfg.MetricsExporters,
		"log_summary", c.cfg.LogSummary.String(),
		"drain_linger", c.cfg.DrainLinger.String(),
		"shutdown_timeout", c.cfg.ShutdownTimeout.String(),
		"kafka_brokers", strings.Join(p.Brokers, ","),
		"kafka_topic", p.Topic,
		"kafka_topic_routes", len(p.Routes),
		"kafka_spread", len(p.Spreads),
		"kafka_dead_letter_topic", p.DeadLetterTopic,
		"kafka_template_topic", c.cfg.TemplateTopic,
		"kafka_value", p.Value.String(),
		"kafka_value_header", p.ValueHeader,
		"kafka_client_id", p.ClientID,
		"kafka_compression", p.Compression.String(),
		"kafka_linger", p.Linger.String(),
		"kafka_batch_bytes", p.BatchBytes,
		"kafka_buffer_bytes", p.BufferBytes,
		"kafka_partitioner", p.Partitioner.String(),
		"kafka_acks", p.Acks.String(),
		"kafka_idempotent", p.Idempotent,
		"kafka_tls", p.TLS != nil,
		"kafka_sasl", p.SASL != nil,
		"memory_need", c.cfg.memoryNeed(),
		"go_memory_limit", goMemoryLimit(debug.SetMemoryLimit(-1)), // as it is; negative sets none
		"go_max_procs", runtime.GOMAXPROCS(0),
	)
}

// formatNames names the formats that are taken: all if none are given.
func formatNames(taken []decoder.Format) []string {
	if len(taken) == 0 {
		taken = decoder.Formats()
	}
	names := make([]string, len(taken))
	for i, f := range taken {
		names[i] = f.String()
	}
	return names
}

// logReady writes that all is there that the first delivery needs: what is listened
// on, and where flows go.
func (c *Collector) logReady(s *sample) {
	p := &c.cfg.Publisher
	c.log.Info("ready: flows are delivered as they come",
		"after", s.at.Sub(c.started).Round(time.Millisecond).String(),
		"listen", c.Addrs(),
		"kafka_brokers", strings.Join(p.Brokers, ","),
		"kafka_topic", p.Topic,
		"partitions", s.partitions,
	)
}

// goMemoryLimit writes Go's memory limit of n bytes; the runtime takes the largest
// number for none.
func goMemoryLimit(n int64) string {
	if n == math.MaxInt64 {
		return "none"
	}
	return publisher.ByteSize(n).String()
}
