// Package notice logs what may happen again and again, and not each time.
package notice

import (
	"log/slog"
	"sync"
	"time"
)

// Interval is how often a kind of notice is logged at most.
const Interval = 10 * time.Second

// Limiter logs each kind of notice at most once an Interval. Kinds must be a set
// that the configuration bounds. It is safe for concurrent use.
type Limiter struct {
	log  *slog.Logger
	mu   sync.Mutex
	kept map[string]kept
}

// kept is what a kind's last notice left.
type kept struct {
	last  time.Time
	since int // not logged since then
}

// New returns a limiter in front of log.
func New(log *slog.Logger) *Limiter { return &Limiter{log: log, kept: make(map[string]kept)} }

// Warn logs a warning, unless one of that kind was logged in the time before. The
// next one says how many were not.
func (l *Limiter) Warn(kind, message string, args ...any) {
	l.mu.Lock()
	k := l.kept[kind]
	now := time.Now()
	due := now.Sub(k.last) >= Interval
	if due {
		l.kept[kind] = kept{last: now}
	} else {
		l.kept[kind] = kept{last: k.last, since: k.since + 1}
	}
	l.mu.Unlock()
	if !due {
		return
	}
	if k.since > 0 {
		args = append(args, "not_logged_before", k.since)
	}
	l.log.Warn(message, args...) //nolint:sloglint // the callers' texts are constant
}
