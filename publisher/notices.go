package publisher

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// noticeInterval is how often a kind of notice is logged at most.
const noticeInterval = 10 * time.Second

// notices logs what may happen again and again, each kind at most once in a while.
// Kinds are a set that the configuration bounds. It is safe for concurrent use.
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

// cureAdvertised is what to do about a broker to which no connection can be made
// at an address that nobody configured here.
const cureAdvertised = "that address is the broker's own word, from its advertised.listeners: " +
	"if the broker runs, have it advertise one that can be reached from here"

// complain logs a failed attempt to deliver b, which is a loss only if it is the last.
func (p *Publisher) complain(part *partition, b *pending, o outcome) {
	args := []any{"topic", part.topic.name, "partition", part.number, "error", sentence(o.err)}
	cure := o.cure
	if leader, err := part.topic.seen.Load().leader(part.number); err == nil {
		address := p.cluster.learned(leader)
		args = append(args, "broker", leader, "address", address)
		cure = p.cureAt(address, o.failure)
	}
	if cure != "" {
		args = append(args, "cure", cure)
	}
	if o.givesUp(b) {
		p.notices.warn("given up "+part.topic.name, "Kafka refused a batch for the last time: its flows are dropped", append(args, "flows", b.Records())...)
		return
	}
	p.notices.warn(o.name+" "+part.topic.name, "Kafka did not take a batch, trying again", args...)
}

// cureAt is the cure of a failure of the broker that told its address. Where only
// the broker's word leads, that is the likeliest to be wrong.
func (p *Publisher) cureAt(address string, f failure) string {
	if f.unconnected && address != "" && !slices.Contains(p.cfg.Brokers, address) {
		return cureAdvertised
	}
	return f.cure
}
