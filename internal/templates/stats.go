package templates

import (
	"maps"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder/template"
)

// Stats counts what the store has done since New.
type Stats struct {
	// Written counts acknowledged records, Read those read from the topic.
	Written, Read uint64
	// Skipped counts records that were read and not used, by reason.
	Skipped map[string]uint64
	// Pending is how many changes are not in the topic yet.
	Pending int
	// ReadFailing and WriteFailing report that the last attempt failed.
	ReadFailing, WriteFailing bool
	// Load is how long it took to read what the topic had at the start; zero while that lasts.
	Load time.Duration
	// Warnings tells for each kind whether the topic's settings put templates at risk.
	Warnings map[string]bool
}

// Why a record is skipped.
const (
	skipGarbage = "garbage"
	skipNewer   = "newer"
	skipLimit   = "limit"
	skipOld     = "old"
	skipOrphan  = "orphan"
)

// counts are the numbers that several goroutines change.
type counts struct {
	mu       sync.Mutex
	written  uint64
	read     uint64
	skipped  map[string]uint64
	load     time.Duration
	reading  error // what the last attempt to read ended with
	writing  error
	warnings map[string]bool
	pending  int // taken from the table, and not acknowledged
}

func newCounts() *counts {
	return &counts{
		skipped:  map[string]uint64{skipGarbage: 0, skipNewer: 0, skipLimit: 0, skipOld: 0, skipOrphan: 0},
		warnings: map[string]bool{warnCleanup: false, warnRetention: false, warnReplicas: false, warnPartitions: false},
	}
}

// do calls f while nobody else looks at the numbers.
func (c *counts) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// skip counts a record that is not used.
func (c *counts) skip(reason string) { c.do(func() { c.skipped[reason]++ }) }

// reasonOf returns why a record was not used; empty if it was.
func reasonOf(r template.Restored) string {
	switch r {
	case template.RestoredOld:
		return skipOld
	case template.RestoredInvalid:
		return skipGarbage
	case template.RestoredLimit:
		return skipLimit
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
	return Stats{
		Written: c.written, Read: c.read, Load: c.load, Pending: c.pending,
		ReadFailing: c.reading != nil, WriteFailing: c.writing != nil,
		Skipped: maps.Clone(c.skipped), Warnings: maps.Clone(c.warnings),
	}
}
