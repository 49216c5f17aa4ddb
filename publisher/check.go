package publisher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/failure"
	"github.com/flowpub/flowpub/publisher/registry"
)

// Check checks once what a publisher with this configuration needs: of the cluster and of the
// schema registry. The configuration must be valid. Check publishes, creates and registers
// nothing, and ends within three minutes, or with ctx. It reports whether a broker answered.
func Check(ctx context.Context, cfg Config, tell checkup.Tell) (reached bool) {
	for _, w := range securityWarnings(&cfg) {
		tell.Risk("security", w.risk, w.cure)
	}
	log := slog.New(slog.DiscardHandler)
	reached = cluster.Inspect(ctx, cfg.cluster(log, notice.New(log)), tell, func(topic string, s *cluster.Settings) {
		cfg.checkSettings(topic, s, tell)
	})
	if cfg.Registry != nil {
		cfg.checkRegistry(ctx, tell)
	}
	return reached
}

// checkSettings judges the settings of a topic.
func (c Config) checkSettings(topic string, s *cluster.Settings, tell checkup.Tell) {
	what := "settings of topic " + topic
	if c.Acks == AcksAll && s.InSync >= 0 && s.InSync < s.MinInsync {
		tell.Broken(what, fmt.Sprintf("a partition has %d replicas in sync, and min.insync.replicas is %d", s.InSync, s.MinInsync),
			failure.Of(kafka.NotEnoughReplicas).Cure)
	}
	for _, w := range warningsOf(s, c.Acks, c.BatchBytes) {
		if w.stands {
			tell.Risk(what, w.risk, w.cure)
		}
	}
	codec, _, _ := strings.Cut(c.Compression.String(), "-")
	if s.Compression == "uncompressed" {
		s.Compression = CompressionNone.String()
	}
	if s.Compression != "" && s.Compression != "producer" && s.Compression != codec {
		tell.Risk(what, "compression.type is "+s.Compression+", so brokers compress each batch again, which costs them time",
			"set compression.type=producer, or "+variable.Compression+"="+s.Compression)
	}
}

// registryTimeout bounds what is asked of a registry, however many topics there are.
const registryTimeout = 30 * time.Second

// checkRegistry checks whether the schema is registered, or could be asked for.
func (c Config) checkRegistry(ctx context.Context, tell checkup.Tell) {
	ctx, cancel := context.WithTimeout(ctx, registryTimeout)
	defer cancel()
	for _, name := range c.topics() {
		subject := subjectOf(name)
		what := "schema registry, subject " + subject
		there, err := c.Registry.Registered(ctx, subject)
		known, _ := errors.AsType[*registry.Error](err)
		switch {
		case known != nil:
			tell.Broken(what, known.Error(), known.Cure)
		case err != nil: // its text has the cure
			tell.Broken(what, err.Error(), "")
		case there:
			tell.OK(what, "it has the flow records' schema")
		default:
			tell.OK(what, "it answers, and does not have the schema yet: flowpub registers it when it starts")
		}
		if err != nil {
			return
		}
	}
}
