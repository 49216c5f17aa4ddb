package templates

import (
	"maps"
	"sync"
	"time"

	"github.com/flowpub/flowpub/decoder/template"
)

// Stats is what the store has done.
type Stats struct {
	// Written counts records that Kafka has acknowledged, Read those that were read.
	Written, Read uint64
	// Skipped counts records that were read and are of no use, by reason.
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

// Why a record is skipped, beside what package template says.
const (
	skipGarbage = "garbage"
	skipNewer   = "newer"
	skipLimit   = "limit"
	skipOld     = "old"
	skipOrphan  = "orphan"
)

// counts is what several goroutines count.
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

// do calls f alone.
func (c *counts) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// skip counts a record that is of no use.
func (c *counts) skip(reason string) { c.do(func() { c.skipped[reason]++ }) }

// reasonOf returns why what was restored is of no use; empty if it is.
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

// NoStats are those of a store that has done nothing, with every label.
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
