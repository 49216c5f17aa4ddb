package collector

import (
	"runtime"
	"strings"
)

// logStart writes what runs and with which settings; none of them is a secret.
func (c *Collector) logStart() {
	p := &c.cfg.Publisher
	c.log.Info("collecting",
		"version", c.cfg.Version,
		"go", runtime.Version(),
		"listen", c.Addrs(),
		"sockets", c.cfg.Sockets,
		"receive_buffer", c.cfg.ReceiveBuffer,
		"receive_delay", c.cfg.ReceiveDelay,
		"exporters_allow", c.cfg.ExportersAllow,
		"http_listen", c.HTTPAddr(),
		"drain_linger", c.cfg.DrainLinger,
		"shutdown_timeout", c.cfg.ShutdownTimeout,
		"kafka_brokers", strings.Join(p.Brokers, ","),
		"kafka_topic", p.Topic,
		"kafka_client_id", p.ClientID,
		"kafka_compression", p.Compression.String(),
		"kafka_linger", p.Linger,
		"kafka_batch_bytes", p.BatchBytes,
		"kafka_buffer_bytes", p.BufferBytes,
		"kafka_partitioner", p.Partitioner.String(),
		"kafka_acks", p.Acks.String(),
		"kafka_idempotent", p.Idempotent,
		"kafka_tls", p.TLS != nil,
		"kafka_sasl", p.SASL != nil,
		"memory_need", c.cfg.memoryNeed(),
	)
}
