package collector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/telemetry"
	"github.com/flowpub/flowpub/internal/templates"
	"github.com/flowpub/flowpub/publisher/auth"
)

// At the end of the process the store may write for storePatience, and for no more than one part in
// storeShare of Config.ShutdownTimeout: the rest is for flows.
const (
	storePatience = 2 * time.Second
	storeShare    = 4
)

// templateStore is what a collector needs of a templates.Store.
type templateStore interface {
	Missing() []string
	Stats() templates.Stats
	Close(ctx context.Context)
}

// openStore starts the store of templates, if it is configured.
func (c *Collector) openStore() error {
	if c.cfg.TemplateTopic == "" {
		return nil
	}
	c.late = c.newIntake(minStreams)
	cfg := c.cfg.store(c.log)
	cfg.Table, cfg.Now, cfg.Restored = c.templates.table, func() time.Duration { return time.Since(c.started) }, c.readRestored
	store, err := templates.New(cfg)
	if err != nil {
		return fmt.Errorf("collector: %w", err)
	}
	c.store = store
	return nil
}

// store returns the configuration of the store, but for its table.
func (c Config) store(log *slog.Logger) *templates.Config {
	p := &c.Publisher
	return &templates.Config{
		Topic: c.TemplateTopic, Brokers: p.Brokers, ClientID: p.ClientID, Auth: auth.Config{TLS: p.TLS, SASL: p.SASL},
		CreateTopic: p.CreateTopic, Deployment: p.Topic, Log: log,
	}
}

// closeStore lets the store write what has changed, and ends it. After that no waiting set gets its
// template from the store.
func (c *Collector) closeStore(ctx context.Context) {
	if c.store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, min(storePatience, c.cfg.ShutdownTimeout/storeShare))
	defer cancel()
	c.store.Close(ctx)
}

// readRestored decodes and publishes the sets that waited for templates the store had. Only the
// goroutine of the store calls it.
func (c *Collector) readRestored() {
	now := time.Since(c.started)
	if ready := c.templates.room.Ready(now); len(ready) > 0 {
		c.late.readWaiting(ready, now)
		c.late.book(now)
	}
}

// adviseStore warns once that templates arrive and nothing keeps them.
func (c *Collector) adviseStore() {
	if c.cfg.TemplateTopic != "" || c.advised || c.templates.snapshot().received == 0 {
		return
	}
	c.advised = true
	c.log.Warn("there is NetFlow v9 or IPFIX, and its templates are kept in memory only: after each restart its flows are lost until exporters repeat them",
		"cure", "set "+variable.TemplateTopic+" to a topic that keeps them")
}

// addStore adds the numbers of the store.
func (c *Collector) addStore(s *telemetry.Snapshot) {
	stats := templates.NoStats()
	if c.store != nil {
		stats = c.store.Stats()
	}
	s.StoreRecords = map[string]uint64{"written": stats.Written, "read": stats.Read}
	s.StoreSkipped = stats.Skipped
	s.StorePending = stats.Pending
	s.StoreFailing = map[string]bool{"read": stats.ReadFailing, "write": stats.WriteFailing}
	s.StoreLoadSeconds = stats.Load.Seconds()
	warnings := maps.Clone(stats.Warnings)
	maps.Copy(warnings, s.TopicWarnings)
	s.TopicWarnings = warnings
}
