package publisher

import (
	"log/slog"
	"sync"
	"time"
)

// noticeInterval is how often a kind of notice is logged at most.
const noticeInterval = 10 * time.Second

// notices logs what may happen again and again, each kind at most once in a
// while. Kinds are a set that the configuration bounds. It is safe for concurrent use.
type notices struct {
	log  *slog.Logger
	mu   sync.Mutex
	kept map[string]kept
}

// kept is what a kind's last notice left.
type kept struct {
	last  time.Time
	since int // not logged since then
}

// warn logs a warning, unless one of that kind was logged in the time before.
func (n *notices) warn(kind, message string, args ...any) {
	n.mu.Lock()
	k := n.kept[kind]
	now := time.Now()
	due := now.Sub(k.last) >= noticeInterval
	if due {
		n.kept[kind] = kept{last: now}
	} else {
		n.kept[kind] = kept{last: k.last, since: k.since + 1}
	}
	n.mu.Unlock()
	if !due {
		return
	}
	if k.since > 0 {
		args = append(args, "not_logged_before", k.since)
	}
	n.log.Warn(message, args...) //nolint:sloglint // the callers' texts are constant
}

// complain logs a failed attempt.
func (p *Publisher) complain(part *partition, o outcome) {
	args := []any{"topic", part.topic.name, "partition", part.number, "error", o.err}
	if leader, err := part.topic.seen.Load().leader(part.number); err == nil {
		args = append(args, "broker", leader)
	}
	if o.cure != "" {
		args = append(args, "cure", o.cure)
	}
	p.notices.warn(o.name+" "+part.topic.name, "a batch could not be delivered", args...)
}
