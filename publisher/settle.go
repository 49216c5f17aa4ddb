package publisher

import (
	"slices"
	"time"

	"github.com/flowpub/flowpub/publisher/failure"
)

const (
	// maxRefusals is how often the brokers may call a batch invalid before it
	// is given up.
	maxRefusals = 5
	// Waits between attempts: doubled each time, or constant where somebody has
	// to mend something first.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
	// producerMemory is how long brokers recognise a batch after its records came,
	// by the default of their producer.id.expiration.ms.
	producerMemory = 24 * time.Hour
)

// settle acts on what became of an attempt to deliver b.
func (p *partition) settle(b *pending, o failure.Outcome) {
	if o.Verdict == failure.Delivered {
		p.delivered(b)
	} else {
		p.core.failures.add(o.Kind.Name)
		p.complain(b, o)
		if o.Kind.Moved {
			p.core.cluster.Refresh()
		}
		if o.Verdict == failure.TooLarge && b.Records() > 1 {
			p.target.lowerMessageLimit(len(b.Bytes()) / 2)
		}
		p.failed(b, o)
	}
	p.more()
	p.core.settledSome()
}

// delivered accounts for a batch that Kafka has.
func (p *partition) delivered(b *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.stamped {
		p.sequence = nextSequence(p.sequence, b.Records())
	}
	p.delivers, p.failures, p.after, p.since = true, 0, time.Time{}, time.Now()
	p.mark()
	if b.unanswered && time.Since(b.opened) >= producerMemory {
		p.doubt(b) // brokers that have forgotten the producer say nothing, and store it again
	}
	p.counts.delivered += uint64(b.Records())
	p.counts.batches++
	p.counts.raw += uint64(b.Size())
	p.counts.wire += uint64(len(b.Bytes()))
	p.finish(b)
}

// failed decides what to do with a batch that Kafka does not have, or may not.
func (p *partition) failed(b *pending, o failure.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !o.Definite {
		b.unanswered = true
		if !b.stamped {
			p.doubt(b)
		}
	}
	switch o.Verdict {
	case failure.TooLarge:
		if b.Records() == 1 {
			p.drop(b, DropTooLarge)
			return
		}
		p.reduce(b)
	case failure.Invalid:
		if b.refusals++; b.refusals == maxRefusals {
			p.drop(b, DropRefused)
			return
		}
	case failure.UnknownProducer:
		p.disown(b)
	default: // the same again
	}
	p.postpone(b, o.Kind.Slow)
}

// givesUp reports whether b is dropped after an outcome.
func givesUp(o failure.Outcome, b *pending) bool {
	return o.Verdict == failure.TooLarge && b.Records() == 1 || o.Verdict == failure.Invalid && b.refusals+1 == maxRefusals
}

// reduce has b split before the next attempt. Its sequence numbers go to the
// halves, unless they may be in Kafka.
func (p *partition) reduce(b *pending) {
	if b.unanswered {
		p.disown(b)
	}
	b.stamped = false
}

// disown takes b's identity away, for a new producer id to be asked for. If the
// records may be in Kafka under the old one, the brokers cannot tell.
func (p *partition) disown(b *pending) {
	if !b.stamped {
		return
	}
	b.stamped = false
	p.renew = true
	if b.unanswered {
		p.doubt(b)
	}
}

// doubt counts b's records as possibly duplicated, once.
func (p *partition) doubt(b *pending) {
	if !b.doubted {
		b.doubted = true
		p.counts.duplicated += uint64(b.Records())
	}
}

// drop gives b up. If an attempt went unanswered the records may be in Kafka
// whatever the reason is, and their sequence numbers must never be used for
// others.
func (p *partition) drop(b *pending, reason DropReason) {
	if b.unanswered {
		reason = DropUnconfirmed
	}
	p.counts.dropped[reason] += uint64(b.Records())
	p.renew = p.renew || (b.stamped && b.unanswered)
	p.finish(b)
}

// finish ends a batch's life.
func (p *partition) finish(b *pending) {
	p.busy = false
	p.queue = slices.DeleteFunc(p.queue, func(other *pending) bool { return other == b })
	n := uint64(b.Records())
	p.counts.buffered -= n
	p.settled += n
	p.core.budget.Give(&p.account, b.Take())
	p.marks = slices.DeleteFunc(p.marks, func(m mark) bool {
		reached := m.settled <= p.settled
		if reached {
			close(m.reached)
		}
		return reached
	})
}

// postpone lets the next attempt wait, longer after each failure, and makes b
// smaller in the meantime.
func (p *partition) postpone(b *pending, slow bool) {
	p.busy = false
	wait := failure.SlowPause
	if !slow {
		wait = min(maxBackoff, minBackoff<<min(p.failures, 10))
	}
	wait = wait/2 + p.core.jitter(wait/2+1)
	p.failures++
	p.delivers = false
	p.mark()
	p.after = time.Now().Add(wait)
	if !b.Sealed() {
		p.sealLater(b)
	}
	p.agenda.delay(p, p.after)
}
