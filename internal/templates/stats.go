package templates

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder/template"
)

// Stats counts what the store has done since New.
type Stats struct {
	// Written counts acknowledged records, Refused those that brokers will never take, Read those
	// read from the topic.
	Written, Refused, Read uint64
	// Skipped counts records that were read and not used, by reason.
	Skipped map[string]uint64
	// Pending is how many changes are not in the topic yet.
	Pending int
	// ReadFailing and WriteFailing report that the last attempt failed. While the topic cannot
	// be found nothing is read.
	ReadFailing, WriteFailing bool
	// Fault is what keeps the store from its work; nil: nothing does.
	Fault *Fault
	// LastWritten is when Kafka last acknowledged a record, Crowded when a record last found no
	// room; zero: never.
	LastWritten, Crowded time.Time
	// Load is how long it took to read what the topic had at the start; zero while that lasts.
	Load time.Duration
	// Warnings tells for each kind whether the topic's settings put templates at risk, Risks what
	// stands.
	Warnings map[string]bool
	Risks    []Risk
}

// Fault is an operation that fails.
type Fault struct {
	Operation  Operation
	Text, Cure string
	// Since is when it began to fail.
	Since time.Time
}

// Risk is a setting of the topic that puts templates at risk.
type Risk struct{ Text, Cure string }

// Operation is one of those that the store repeats until it succeeds.
type Operation uint8

// The operations, in the order in which each needs the one before.
const (
	Finding Operation = iota // the topic and its leader
	Reading
	Writing

	numOperations
)

// CureCrowded is what helps when the topic has more than there is room for.
const CureCrowded = "divide the exporters among several deployments, each with a topic of its own"

// Why a record is skipped.
const (
	skipGarbage = "garbage"
	skipNewer   = "newer"
	skipLimit   = "limit"
	skipOld     = "old"
	skipOrphan  = "orphan"

	skipExporterLimit = "exporter_limit"
)

// counts are the numbers that several goroutines change.
type counts struct {
	mu          sync.Mutex
	written     uint64
	refused     uint64
	lastWritten time.Time
	read        uint64
	skipped     map[string]uint64
	crowded     time.Time
	load        time.Duration
	faults      [numOperations]Fault // of the last attempts; without a time: it succeeded
	warnings    map[string]warning
	pending     int // taken from the table, and not acknowledged
}

func newCounts() *counts {
	return &counts{
		skipped:  map[string]uint64{skipGarbage: 0, skipNewer: 0, skipLimit: 0, skipExporterLimit: 0, skipOld: 0, skipOrphan: 0},
		warnings: map[string]warning{warnCleanup: {}, warnRetention: {}, warnReplicas: {}, warnPartitions: {}},
	}
}

// do calls f while nobody else looks at the numbers.
func (c *counts) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// skip counts a record that is not used.
func (c *counts) skip(reason string) {
	c.do(func() {
		c.skipped[reason]++
		if reason == skipLimit {
			c.crowded = time.Now()
		}
	})
}

// fail notes that an operation fails.
func (c *counts) fail(o Operation, text, cure string) {
	c.do(func() {
		f := &c.faults[o]
		if f.Since.IsZero() {
			f.Since = time.Now()
		}
		f.Operation, f.Text, f.Cure = o, text, cure
	})
}

// succeed notes that an operation does not fail, and reports whether it did before.
func (c *counts) succeed(o Operation) (failed bool) {
	c.do(func() {
		failed = !c.faults[o].Since.IsZero()
		c.faults[o] = Fault{}
	})
	return failed
}

// failing reports whether an operation fails. The caller holds the lock.
func (c *counts) failing(o Operation) bool { return !c.faults[o].Since.IsZero() }

// reasonOf returns why a record was not used; empty if it was.
func reasonOf(r template.Restored) string {
	switch r {
	case template.RestoredOld:
		return skipOld
	case template.RestoredInvalid:
		return skipGarbage
	case template.RestoredLimit:
		return skipLimit
	case template.RestoredExporterLimit:
		return skipExporterLimit
	case template.RestoredOrphan:
		return skipOrphan
	default:
		return ""
	}
}

// Stats returns what the store has done.
func (s *Store) Stats() Stats {
	untold := s.cfg.Table.Untold()
	st := s.counts.stats()
	st.Pending += untold
	return st
}

// NoStats returns those of a store that has done nothing, with every label.
func NoStats() Stats { return newCounts().stats() }

func (c *counts) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Written: c.written, Refused: c.refused, LastWritten: c.lastWritten, Read: c.read, Load: c.load, Pending: c.pending, Crowded: c.crowded,
		ReadFailing: c.failing(Finding) || c.failing(Reading), WriteFailing: c.failing(Writing),
		Skipped: maps.Clone(c.skipped), Warnings: make(map[string]bool, len(c.warnings)),
	}
	for _, f := range c.faults {
		if s.Fault == nil && !f.Since.IsZero() {
			s.Fault = &f
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(c.warnings)) {
		w := c.warnings[kind]
		if s.Warnings[kind] = w.stands; w.stands {
			s.Risks = append(s.Risks, Risk{"it " + w.risk, w.cure})
		}
	}
	return s
}
