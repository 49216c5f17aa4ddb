package publisher

import (
	"context"
	"errors"
	"slices"

	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/failure"
)

// prepare makes b, whose partition is busy with it, ready for an attempt.
func (p *partition) prepare(ctx context.Context, b *pending) error {
	if !b.Sealed() {
		p.seal(b)
	}
	if b.stamped {
		return nil
	}
	for len(b.Bytes()) > p.mostWire() && b.Records() > 1 {
		if err := p.divide(b); err != nil {
			return err
		}
	}
	return p.identify(ctx, b)
}

// seal compresses b, which belongs to the caller.
func (p *partition) seal(b *pending) {
	s := <-p.core.sealers
	s.Seal(p.core.budget.For(&p.account), &b.Batch)
	p.core.sealers <- s
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ratio += (float64(len(b.Bytes()))/float64(b.Size()) - p.ratio) / 4
}

// divide puts two batches in the place of b, which the partition is busy with.
func (p *partition) divide(b *pending) error {
	s := <-p.core.sealers
	second, err := s.Split(p.core.budget.For(&p.account), &b.Batch)
	p.core.sealers <- s
	if err != nil {
		return &failure.Error{Kind: failure.Memory, Err: err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = slices.Insert(p.queue, 1, b.half(second))
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
		id, err := p.core.cluster.ProducerAfter(ctx, known)
		if errors.Is(err, cluster.ErrNotIdempotent) {
			// Nothing is forgotten: once there are ids again, the next batch, or the
			// next attempt with this one, needs a newer one than the last.
			b.Stamp(noProducer.ID, noProducer.Epoch, -1)
			return nil
		}
		if err != nil {
			return &failure.Error{Kind: failure.ProducerID, Err: err}
		}
		p.producer, p.sequence, p.renew = id, 0, false
	}
	b.stamp(p.producer, p.sequence)
	return nil
}
