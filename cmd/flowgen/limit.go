package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

const (
	// limitStep is how long each rate is tried.
	limitStep = 5 * time.Second
	// limitPrecise ends the search: the highest rate without loss and the lowest with loss are
	// closer together.
	limitPrecise = 1.05
	// limitMost is the highest rate that is tried.
	limitMost = 100e6
	// limitShort is which share of a rate has to be sent for it to have been tried.
	limitShort = 0.9
	// settleTime is how long a collector may take to read what was sent.
	settleTime = 10 * time.Second
	// settledReports is how many reports in a row are to be equal, for nothing more to come.
	settledReports = 2
	// settlePause is between two questions whether it has.
	settlePause = 200 * time.Millisecond
)

// limit is a search for the highest rate that a collector takes without loss: twice the rate until
// something is lost, then between the two.
type limit struct {
	config    exporter.Config
	step      time.Duration
	collector *collector
}

// trial is what became of a rate.
type trial struct {
	sent   float64 // flows a second
	flows  uint64
	counts state
	// slow: less was sent than was to be.
	slow bool
}

// fault says what was lost; empty if nothing was.
func (t *trial) fault() string {
	c := &t.counts
	switch {
	case c.kernelDropped > 0:
		return thousands(c.kernelDropped) + " datagrams dropped by the kernel: the collector reads too slowly"
	case c.dropped > 0:
		return thousands(c.dropped) + " flows or sets dropped by the collector"
	case c.rejected > 0:
		return thousands(c.rejected) + " datagrams rejected"
	case c.decoded < t.flows:
		return thousands(t.flows-c.decoded) + " flows did not arrive"
	case float64(c.buffered) > t.sent:
		return thousands(c.buffered) + " flows waiting for Kafka, which is more than a second's"
	default:
		return ""
	}
}

// find searches, tells each step on w, and the result in the end.
func (l *limit) find(ctx context.Context, w io.Writer) error {
	return search(ctx, l.config.Rate, l.try, w)
}

// search is find, by whatever tries a rate. It narrows down the rate that is asked for: what is sent
// of it may be a little less, each time.
func search(ctx context.Context, rate float64, try func(context.Context, float64) (trial, error), w io.Writer) error {
	low, high, best := 0.0, 0.0, 0.0
	for high == 0 || high > low*limitPrecise {
		t, err := try(ctx, rate)
		switch {
		case ctx.Err() != nil:
			return errors.New("the search was ended before it found something")
		case err != nil:
			return err
		}
		fault := t.fault()
		if fault == "" {
			fmt.Fprintf(w, "%s flows/s: nothing lost\n", thousands(uint64(t.sent)))
			low, best = rate, max(best, t.sent)
			if t.slow || rate >= limitMost {
				fmt.Fprintf(w, "at least %s flows/s without loss; this machine sends no faster\n", thousands(uint64(best)))
				return nil
			}
		} else {
			fmt.Fprintf(w, "%s flows/s: %s\n", thousands(uint64(rate)), fault)
			high = rate
		}
		switch {
		case high == 0:
			rate *= 2
		case low == 0 && high < 2:
			return errors.New("something is lost at any rate: see the collector's status page")
		case low == 0:
			rate /= 4
		default:
			rate = (low + high) / 2
		}
	}
	fmt.Fprintf(w, "%s flows/s without loss\n", thousands(uint64(best)))
	return nil
}

// try sends at a rate, and waits until the collector has read what was sent.
func (l *limit) try(ctx context.Context, rate float64) (t trial, err error) {
	first, err := l.fresh(ctx)
	if err != nil {
		return t, err
	}
	c := l.config
	c.Rate = rate
	g, err := exporter.New(c)
	if err != nil {
		return t, inFlags(err)
	}
	sending, cancel := context.WithTimeout(ctx, l.step)
	defer cancel()
	began := time.Now()
	err = g.Run(sending)
	took := time.Since(began).Seconds()
	stats := g.Stats()
	if err == nil && stats.Unheard {
		err = exporter.ErrUnheard
	}
	if errors.Is(err, exporter.ErrUnheard) {
		err = nobodyListens(c.Target)
	}
	if err != nil {
		return t, err
	}
	t.flows = stats.Flows
	t.sent = float64(t.flows) / took
	t.slow = t.sent < rate*limitShort
	t.counts, err = l.settled(ctx, first, t.flows)
	return t, err
}

// settled returns what was counted since first, once all has been read, or no more has come from
// one report to the next. A collector may answer twice with the same report.
func (l *limit) settled(ctx context.Context, first state, flows uint64) (state, error) {
	deadline := time.Now().Add(settleTime)
	var last state
	for still := 0; ; {
		now, err := l.collector.ask(ctx)
		if err != nil {
			return state{}, err
		}
		counted := now.since(first)
		if now.at.After(last.at) {
			if counted.received != last.received || counted.delivered != last.delivered {
				still = 0
			}
			still++
			last = counted
		}
		if counted.decoded >= flows && counted.buffered == 0 || still > settledReports || time.Now().After(deadline) {
			return counted, nil
		}
		select {
		case <-ctx.Done():
			return state{}, ctx.Err()
		case <-time.After(settlePause):
		}
	}
}

// fresh returns a report that was made from now on.
func (l *limit) fresh(ctx context.Context) (state, error) {
	old, err := l.collector.ask(ctx)
	for err == nil {
		select {
		case <-ctx.Done():
			return old, ctx.Err()
		case <-time.After(settlePause):
		}
		var now state
		if now, err = l.collector.ask(ctx); err == nil && now.at.After(old.at) {
			return now, nil
		}
	}
	return old, err
}
