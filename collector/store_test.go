package collector

import (
	"context"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/status"
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

// The status page shows what the store has done, and what it fails at.
func TestStatusOfTheStore(t *testing.T) {
	t.Parallel()
	c, s := newStoreCollector(t)
	at := time.Now()
	check := func(what string, want status.TemplateStore) {
		t.Helper()
		want.Topic, want.Room, want.Skipped = "templates", 49_152, s.stats.Skipped
		if got := c.Status(false).TemplateStore; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	check("at the start", status.TemplateStore{State: status.StoreReading})
	if got := c.templates.table.Restore(template.Template{
		Key:        template.Key{Format: decoder.FormatIPFIX, Address: netip.MustParseAddr("192.0.2.1"), Port: 1, ID: 256},
		Definition: template.Definition{Format: decoder.FormatIPFIX, Raw: wide(256)[2:]},
	}, 0); got != template.RestoredNew {
		t.Fatal(got)
	}
	in := c.intakes[0][0]
	in.handle(from("192.0.2.2:1", ipfixMessage(0, 7, at, set(ipfixTemplates, wide(300)...))), at)
	s.stats.Load, s.stats.Read, s.stats.Written, s.stats.Refused, s.stats.LastWritten, s.stats.Pending = 1500*time.Millisecond, 5, 3, 2, at, 1
	utc := at.UTC()
	use := status.TemplateStore{
		State: status.StoreInUse, Load: 1.5, RecordsRead: 5, RecordsWritten: 3, RecordsRefused: 2, LastWritten: &utc, Pending: 1, Templates: 2, Provisional: 1,
	}
	check("in use", use)
	s.stats.Fault = &templates.Fault{Operation: templates.Writing, Text: "no disk", Cure: "buy one", Since: at}
	use.State, use.FailingSince, use.Problem, use.Cure = status.StoreFailing, &utc, "no disk", "buy one"
	check("failing", use)
	off := newTestCollector(t, 1, 1, nil).Status(false).TemplateStore
	if off.State != status.StoreOff || off.Topic != "" || off.Skipped == nil {
		t.Errorf("without a topic it is %+v", off)
	}
}

// A store that fails puts flows at risk once that lasts; what is only not well is a note.
func TestVerdictOnTheStore(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, test := range []struct {
		name   string
		change func(*templates.Stats)
		want   []status.Problem
	}{
		{"well", func(*templates.Stats) {}, nil},
		{"a leader moves", func(s *templates.Stats) {
			s.Fault = &templates.Fault{Operation: templates.Reading, Since: now.Add(-19 * time.Second)}
		}, nil},
		{"not read", func(s *templates.Stats) {
			s.Fault = &templates.Fault{Operation: templates.Reading, Text: "no", Cure: "yes", Since: now.Add(-20 * time.Second)}
		}, []status.Problem{{
			Level: status.LevelRisk, What: "The topic for templates cannot be read", Why: "no; flows of exporters that move here are lost until they repeat their templates", Cure: "yes",
		}}},
		{"not written", func(s *templates.Stats) {
			s.Fault = &templates.Fault{Operation: templates.Writing, Text: "no", Cure: "yes", Since: now.Add(-time.Minute)}
			s.Pending = 7
		}, []status.Problem{{
			Level: status.LevelRisk, What: "The topic for templates cannot be written", Why: "no; flows are lost at the next start, until exporters repeat their templates", Cure: "yes", Count: 7,
		}}},
		{"not there", func(s *templates.Stats) {
			s.Fault = &templates.Fault{Operation: templates.Finding, Text: "no", Since: now.Add(-time.Minute)}
		}, []status.Problem{{
			Level: status.LevelRisk, What: "The topic for templates cannot be found", Why: "no; flows are lost at the next start, until exporters repeat their templates",
		}}},
		{"too much in it", func(s *templates.Stats) { s.Crowded, s.Skipped["limit"] = now.Add(-23*time.Hour), 4 }, []status.Problem{{
			Level: status.LevelNote, What: "The topic for templates has more than there is room for", Count: 4,
			Why: "a process takes templates from it until it knows 49152: the rest is not used", Cure: templates.CureCrowded,
		}}},
		{"too much in it a day ago", func(s *templates.Stats) { s.Crowded = now.Add(-25 * time.Hour) }, nil},
		{"not compacted", func(s *templates.Stats) { s.Risks = []templates.Risk{{Text: "it grows", Cure: "compact it"}} }, []status.Problem{{
			Level: status.LevelNote, What: "Topic templates is not set up as it should be", Why: "it grows", Cure: "compact it",
		}}},
	} {
		c, s := newStoreCollector(t)
		test.change(&s.stats)
		r := &status.Report{Now: now, Ready: true, TemplateStore: c.templateStoreOf(&s.stats)}
		notes := storeNotes(r, &s.stats)
		v := c.verdict(r, notes, &sample{datagrams: datagramCounts{received: 1}}, &standingProblems{})
		level := status.LevelOK
		for i := range notes {
			if notes[i].Level == status.LevelRisk {
				level = status.LevelRisk
				if at := notes[i].Since; at == nil || !at.Equal(s.stats.Fault.Since) {
					t.Errorf("%s: since %v", test.name, at)
				}
				notes[i].Since = nil
			}
		}
		if !reflect.DeepEqual(notes, test.want) || v.Level != level || len(v.Problems) != len(test.want) {
			t.Errorf("%s: %+v, verdict %+v, want %+v", test.name, notes, v, test.want)
		}
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
