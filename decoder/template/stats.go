package template

import (
	"sync/atomic"
)

// RefuseReason says why a template was not taken.
type RefuseReason uint8

// The reasons.
const (
	// RefuseMalformed: it goes on behind its set, or contradicts itself. A template
	// that it would replace stays.
	RefuseMalformed RefuseReason = iota
	// RefuseInvalid: its records have no length, its id is below 256, or it has more
	// scopes than fields. What it would replace is gone: data are not in that form.
	RefuseInvalid
	// RefuseLimit: it has too many fields or too long records, or there is no room.
	RefuseLimit

	NumRefuseReasons
)

// String returns the reason's name, which metrics use.
func (r RefuseReason) String() string {
	return [NumRefuseReasons]string{"malformed", "invalid", "limit"}[r]
}

// counters are what Stats tells.
type counters struct {
	templates, provisional, samplers                       atomic.Int64
	changes, withdrawals, evicted, expired, samplersBeyond atomic.Uint64
	mismatched, contradicted                               atomic.Uint64
	refused                                                [NumRefuseReasons]atomic.Uint64
}

// Stats is what has become of templates.
type Stats struct {
	// Wire and Stored are the templates there are: of their exporters, and provisional.
	Wire, Stored int64
	// Plans is how many of them differ.
	Plans int
	// Samplers is how many samplings options have told.
	Samplers int64
	// Changes counts templates that were new or differed, Refused those not taken.
	Changes uint64
	Refused [NumRefuseReasons]uint64
	// Withdrawals were ignored; Evicted templates gave their room to others; Expired
	// ones were past their lifetime.
	Withdrawals, Evicted, Expired uint64
	// Mismatched counts data sets that a stored template did not fit, Contradicted templates that
	// the store had differently while their exporter went on sending them as they were.
	Mismatched, Contradicted uint64
	// SamplersRefused counts samplings beyond what a domain, an address, or all may have.
	SamplersRefused uint64
}

// Stats returns what has become of templates until now.
func (t *Table) Stats() Stats {
	c := &t.counters
	stored := c.provisional.Load()
	s := Stats{
		Wire: c.templates.Load() - stored, Stored: stored, Plans: int(t.plans.count.Load()),
		Samplers: c.samplers.Load(), Changes: c.changes.Load(),
		Withdrawals: c.withdrawals.Load(), Evicted: c.evicted.Load(), Expired: c.expired.Load(),
		Mismatched: c.mismatched.Load(), Contradicted: c.contradicted.Load(), SamplersRefused: c.samplersBeyond.Load(),
	}
	for i := range c.refused {
		s.Refused[i] = c.refused[i].Load()
	}
	return s
}
