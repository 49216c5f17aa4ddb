package exporter

import (
	"context"
	"time"
)

// pacing is how a replay waits before each datagram.
type pacing struct {
	pace     Pace
	timeline timeline
	fixed    *pacer
	granted  int // datagrams that fixed has granted and that were not sent
}

func newPacing(pace Pace, rate float64) *pacing {
	p := &pacing{pace: pace}
	if pace == PaceFixed {
		p.fixed = newPacer(rate, maxBatch, time.Now)
	}
	return p
}

// wait returns when a datagram captured at a time is to be sent, or ctx's error.
func (p *pacing) wait(ctx context.Context, at time.Time) error {
	switch {
	case p.pace == PaceRecorded:
		p.timeline.wait(ctx, at)
	case p.pace == PaceFixed && p.granted > 0:
		p.granted--
	case p.pace == PaceFixed:
		p.granted = p.fixed.take(ctx) - 1
	}
	return ctx.Err()
}

func (p *pacing) stop() {
	if p.fixed != nil {
		p.fixed.stop()
	}
}

// timeline keeps the pauses between recorded moments.
type timeline struct{ first, start time.Time }

// wait returns when a moment, counted from the first, has come, or when ctx has
// ended. A moment that is zero, or before the first, has come.
func (t *timeline) wait(ctx context.Context, moment time.Time) {
	if moment.IsZero() {
		return
	}
	if t.first.IsZero() {
		t.first, t.start = moment, time.Now()
	}
	if d := moment.Sub(t.first) - time.Since(t.start); d > 0 {
		pause(ctx, d)
	}
}
