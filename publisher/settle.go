package publisher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/flowpub/flowpub/publisher/cluster"
)

const (
	// maxRefusals is how often the brokers may call a batch invalid before it
	// is given up.
	maxRefusals = 5
	// Waits between attempts: doubled each time, or constant where somebody has
	// to mend something first.
	minBackoff  = 50 * time.Millisecond
	maxBackoff  = 2 * time.Second
	slowBackoff = 5 * time.Second
	// producerMemory is how long brokers recognise a batch after its records came,
	// by the default of their producer.id.expiration.ms.
	producerMemory = 24 * time.Hour
)

// prepare makes b, whose partition is busy with it, ready for an attempt.
func (p *Publisher) prepare(ctx context.Context, part *partition, b *pending) error {
	if !b.Sealed() {
		p.seal(part, b)
	}
	if b.stamped {
		return nil
	}
	for len(b.Bytes()) > part.mostWire() && b.Records() > 1 {
		if err := p.divide(part, b); err != nil {
			return err
		}
	}
	return part.identify(ctx, b)
}

// seal compresses b, which belongs to the caller.
func (p *Publisher) seal(part *partition, b *pending) {
	s := <-p.sealers
	s.Seal(charged{p.budget, &part.account}, &b.Batch)
	p.sealers <- s
	part.mu.Lock()
	defer part.mu.Unlock()
	part.ratio += (float64(len(b.Bytes()))/float64(b.Size()) - part.ratio) / 4
}

// divide puts two batches in the place of b, which the partition is busy with.
func (p *Publisher) divide(part *partition, b *pending) error {
	s := <-p.sealers
	second, err := s.Split(charged{p.budget, &part.account}, &b.Batch)
	p.sealers <- s
	if err != nil {
		return &kindError{Kind: failureMemory, Err: err}
	}
	part.mu.Lock()
	defer part.mu.Unlock()
	part.queue = slices.Insert(part.queue, 1, b.half(second))
	return nil
}

// identify stamps b with the partition's next sequence numbers, if brokers are
// to recognise it.
func (p *partition) identify(ctx context.Context, b *pending) error {
	if p.renew || p.producer.Generation == 0 {
		known := 0
		if p.renew {
			known = p.producer.Generation
		}
		id, err := p.pub.cluster.ProducerAfter(ctx, known)
		if errors.Is(err, cluster.ErrNotIdempotent) {
			// Nothing is forgotten: once there are ids again, the next batch, or the
			// next attempt with this one, needs a newer one than the last.
			b.Stamp(noProducer.ID, noProducer.Epoch, -1)
			return nil
		}
		if err != nil {
			return &kindError{Kind: failureProducerID, Err: err}
		}
		p.producer, p.sequence, p.renew = id, 0, false
	}
	b.stamp(p.producer, p.sequence)
	return nil
}

// settle acts on what became of an attempt to deliver b.
func (p *Publisher) settle(part *partition, b *pending, o outcome) {
	if o.verdict == delivered {
		part.delivered(b)
	} else {
		p.failures.add(o.name)
		p.complain(part, b, o)
		if o.moved {
			p.cluster.Refresh()
		}
		if o.verdict == tooLarge && b.Records() > 1 {
			part.topic.lowerMessageLimit(len(b.Bytes()) / 2)
		}
		part.failed(b, o)
	}
	part.more()
	p.poke()
}

// delivered accounts for a batch that Kafka has.
func (p *partition) delivered(b *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.stamped {
		p.sequence = nextSequence(p.sequence, b.Records())
	}
	p.delivers, p.failures, p.after, p.since = true, 0, time.Time{}, time.Now()
	p.pub.budget.mark(&p.account, false)
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
func (p *partition) failed(b *pending, o outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !o.definite {
		b.unanswered = true
		if !b.stamped {
			p.doubt(b)
		}
	}
	switch o.verdict {
	case tooLarge:
		if b.Records() == 1 {
			p.drop(b, DropTooLarge)
			return
		}
		p.reduce(b)
	case refused:
		if b.refusals++; b.refusals == maxRefusals {
			p.drop(b, DropRefused)
			return
		}
	case unknownProducer:
		p.disown(b)
	default: // the same again
	}
	p.postpone(b, o.slow)
}

// givesUp reports whether b is dropped after an outcome.
func (o *outcome) givesUp(b *pending) bool {
	return o.verdict == tooLarge && b.Records() == 1 || o.verdict == refused && b.refusals+1 == maxRefusals
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
	p.pub.budget.give(&p.account, b.Take())
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
	wait := slowBackoff
	if !slow {
		wait = min(maxBackoff, minBackoff<<min(p.failures, 10))
	}
	wait = wait/2 + p.pub.jitter(wait/2+1)
	p.failures++
	p.delivers = false
	p.pub.budget.mark(&p.account, true)
	p.after = time.Now().Add(wait)
	if !b.Sealed() {
		p.sealLater(b)
	}
	p.pub.sender.delay(p, p.after)
}
