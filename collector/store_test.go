package collector

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/templates"
)

// fakeStore is a store that has what it is given.
type fakeStore struct {
	journal *journal
	mu      sync.Mutex
	missing []string
	stats   templates.Stats
	hangs   bool // until it is closed by force
}

func (s *fakeStore) Missing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing
}

func (s *fakeStore) Stats() templates.Stats { return s.stats }

func (s *fakeStore) Close(ctx context.Context) {
	if s.hangs {
		<-ctx.Done()
	}
	s.journal.note("store closed")
}

// newStoreCollector returns a collector of fakes with a store.
func newStoreCollector(t *testing.T) (*testCollector, *fakeStore) {
	t.Helper()
	c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.TemplateTopic = "templates" })
	s := &fakeStore{journal: c.journal, stats: templates.NoStats()}
	c.store, c.late = s, c.newIntake(minStreams)
	return c, s
}

// The process is ready when what was stored has been read, too, and then for good.
func TestReadinessWaitsForTheStore(t *testing.T) {
	t.Parallel()
	c, s := newStoreCollector(t)
	s.missing = []string{"templates"}
	if got := c.missing(); !slices.Equal(got, []string{"templates"}) {
		t.Errorf("misses %q, want the store", got)
	}
	s.missing = nil
	if got := c.missing(); got != nil {
		t.Errorf("misses %q", got)
	}
}

// Data that wait are decoded when the store has their template, and all their counts are in the snapshot.
func TestWaitingDataAreDecodedByTheStore(t *testing.T) {
	t.Parallel()
	c, s := newStoreCollector(t)
	c.publisher.keeps = true
	now := time.Now()
	c.intakes[0][0].handle(from("192.0.2.1:1", ipfixMessage(0, 0, now, set(256, octets(7, 8)...))), now)
	checkSets(t, c, map[string]uint64{"received": 1, "waiting": 1})
	stored := template.Template{
		Key:        template.Key{Format: decoder.FormatIPFIX, Address: netip.MustParseAddr("192.0.2.1"), Port: 1, ID: 256},
		Definition: template.Definition{Format: decoder.FormatIPFIX, Raw: wide(256)[2:]},
	}
	if got := c.templates.table.Restore(stored, time.Since(c.started)); got != template.RestoredNew {
		t.Fatal(got)
	}
	c.readRestored()
	checkSets(t, c, map[string]uint64{"received": 1, "decoded": 1})
	const want = decoder.AnomalyWaited | decoder.AnomalyTemplateProvisional
	if p := c.publisher.packets; len(p) != 1 || p[0].records != 2 || p[0].octets != 7 || p[0].all&want != want {
		t.Errorf("published %+v", p)
	}
	if got := c.Snapshot().PacketsAnomalous["template_provisional"]; got != 1 {
		t.Errorf("%d packets count as provisional, want 1", got)
	}
	c.survey()
	if got := exporterOf(t, c.Status(true), "192.0.2.1"); got.Flows != 2 || got.Packets != 1 {
		t.Errorf("its exporter is %+v, want 2 flows of 1 packet", got)
	}
	s.stats.Written, s.stats.Pending, s.stats.Warnings["template_cleanup"] = 5, 6, true
	snapshot := c.Snapshot()
	if snapshot.StoreRecords["written"] != 5 || snapshot.StorePending != 6 || !snapshot.TopicWarnings["template_cleanup"] || snapshot.Templates["store"] != 1 {
		t.Errorf("%+v", snapshot)
	}
}

// At the end the store writes what has changed when no datagram comes any more, before the flows are flushed.
func TestStoreIsClosedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newStoreCollector(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		all := c.journal.list()
		store := slices.Index(all, "store closed")
		if store < 0 || store < slices.Index(all, "listener A drained") || store > slices.Index(all, "publisher closed") {
			t.Errorf("the order is %q", all)
		}
	})
}

// A store that hangs leaves flows most of the time that there is, however short that is.
func TestStoreLeavesTimeForFlows(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{time.Second: 250 * time.Millisecond, time.Minute: 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c, s := newStoreCollector(t)
			c.cfg.ShutdownTimeout, s.hangs = timeout, true
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			began := time.Now()
			if c.closeStore(ctx); time.Since(began) != want {
				t.Errorf("of %v the store took %v, want %v", timeout, time.Since(began), want)
			}
		})
	}
}

// Whoever has templates, and no topic for them, is told once.
func TestStoreIsAdvised(t *testing.T) {
	t.Parallel()
	const line = "its templates are kept in memory only"
	for _, topic := range []string{"", "templates"} {
		c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.TemplateTopic = topic })
		c.adviseStore()
		if got := len(c.log.Lines(line)); got != 0 {
			t.Errorf("topic %q: %d lines without a template", topic, got)
		}
		c.intakes[0][0].handle(from("192.0.2.1:1", ipfixMessage(0, 0, time.Now(), set(256, octets(7)...))), time.Now())
		c.adviseStore()
		c.adviseStore()
		if got := len(c.log.Lines(line)); got != one(topic == "") {
			t.Errorf("topic %q: %d lines", topic, got)
		}
	}
}
