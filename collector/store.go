package collector

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/status"
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

// storeStats returns the numbers of the store.
func (c *Collector) storeStats() templates.Stats {
	if c.store == nil {
		return templates.NoStats()
	}
	return c.store.Stats()
}

// templateStoreOf describes the store for the status page.
func (c *Collector) templateStoreOf(stats *templates.Stats) status.TemplateStore {
	table := c.templates.table.Stats()
	r := status.TemplateStore{
		Topic: c.cfg.TemplateTopic, State: status.StoreOff, Load: milli(stats.Load),
		RecordsRead: stats.Read, RecordsWritten: stats.Written, RecordsRefused: stats.Refused, Pending: stats.Pending, Skipped: stats.Skipped,
		Templates: table.Wire + table.Stored, Provisional: table.Stored, Room: template.MaxRestored,
	}
	if !stats.LastWritten.IsZero() {
		at := stats.LastWritten.UTC()
		r.LastWritten = &at
	}
	switch f := stats.Fault; {
	case r.Topic == "":
	case f != nil:
		since := f.Since.UTC()
		r.State, r.FailingSince, r.Problem, r.Cure = status.StoreFailing, &since, f.Text, f.Cure
	case stats.Load == 0:
		r.State = status.StoreReading
	default:
		r.State = status.StoreInUse
	}
	return r
}

const (
	// storeGrace is how long the store may fail before the verdict says so: leaders move within seconds, and
	// metadata may be 10 s old.
	storeGrace = 20 * time.Second
	// crowdedFor is how long the verdict says that the topic had more than there is room for: by then
	// all of it was written again, or is not used any more.
	crowdedFor = 24 * time.Hour
)

// storeNotes lists what puts stored templates at risk.
func storeNotes(r *status.Report, stats *templates.Stats) (notes []status.Problem) {
	if f := stats.Fault; f != nil && r.Now.Sub(f.Since) >= storeGrace {
		since := f.Since.UTC()
		p := status.Problem{
			Level: status.LevelRisk, What: "The topic for templates cannot be " + [...]string{"found", "read", "written"}[f.Operation],
			Why: f.Text + "; flows are lost at the next start, until exporters repeat their templates", Since: &since, Count: uint64(stats.Pending), Cure: f.Cure,
		}
		if f.Operation == templates.Reading {
			p.Why = f.Text + "; flows of exporters that move here are lost until they repeat their templates"
		}
		notes = append(notes, p)
	}
	if !stats.Crowded.IsZero() && r.Now.Sub(stats.Crowded) < crowdedFor {
		notes = append(notes, status.Problem{
			Level: status.LevelNote, What: "The topic for templates has more than there is room for", Count: r.TemplateStore.Skipped["limit"],
			Why:  fmt.Sprintf("a process takes templates from it until it knows %d: the rest is not used", r.TemplateStore.Room),
			Cure: templates.CureCrowded,
		})
	}
	for _, risk := range stats.Risks {
		notes = append(notes, status.Problem{
			Level: status.LevelNote, What: "Topic " + r.TemplateStore.Topic + " is not set up as it should be", Why: risk.Text, Cure: risk.Cure,
		})
	}
	return notes
}

// addStore adds the numbers of the store.
func (c *Collector) addStore(s *telemetry.Snapshot) {
	stats := c.storeStats()
	s.StoreRecords = map[string]uint64{"written": stats.Written, "refused": stats.Refused, "read": stats.Read}
	s.StoreSkipped = stats.Skipped
	s.StorePending = stats.Pending
	s.StoreFailing = map[string]bool{"read": stats.ReadFailing, "write": stats.WriteFailing}
	s.StoreLoadSeconds = stats.Load.Seconds()
	warnings := maps.Clone(stats.Warnings)
	maps.Copy(warnings, s.TopicWarnings)
	s.TopicWarnings = warnings
}
