package exporter

import (
	"context"
	"time"
)

const (
	// minTick is what timers can be trusted with, maxTick the pause that a
	// receiver does not notice.
	minTick = time.Millisecond
	maxTick = 10 * time.Millisecond
	// maxDebt bounds what is made up for after a stall, such as a suspended
	// machine.
	maxDebt = time.Second
	// maxRate in units a second; no machine comes near it.
	maxRate = 1e9
)

// pacer spreads datagrams over time: a few at each tick, so that the receiver's
// buffer need not hold many. It makes up for late ticks at up to twice the rate.
// It belongs to one goroutine.
type pacer struct {
	rate   float64 // datagrams a second; 0: no limit
	ramp   ramp
	burst  int // most datagrams at once
	now    func() time.Time
	begun  time.Time // when the debt was 0
	spent  float64   // datagrams granted since
	ticker *time.Ticker
}

// newPacer starts a clock for rate datagrams a second in bursts of at most
// burst, or more where a burst each minTick would not make the rate.
func newPacer(rate float64, burst int, now func() time.Time) *pacer {
	p := &pacer{rate: rate, burst: burst, now: now, begun: now()}
	if rate == 0 {
		return p
	}
	// Half a burst is due at each tick: the other half is for late ticks.
	tick := maxTick
	if ideal := float64(burst) / 2 / rate; ideal < maxTick.Seconds() {
		tick = max(minTick, time.Duration(ideal*float64(time.Second)))
	}
	p.burst = max(burst, int(2*rate*minTick.Seconds()))
	p.ticker = time.NewTicker(tick)
	return p
}

// take waits until datagrams are due and returns how many: at least one, or
// none when ctx has ended.
func (p *pacer) take(ctx context.Context) int {
	if p.ticker == nil {
		if ctx.Err() != nil {
			return 0
		}
		return p.burst
	}
	for {
		select {
		case <-ctx.Done():
			return 0
		case <-p.ticker.C:
		}
		if n := min(p.due(), p.burst); n > 0 {
			p.spent += float64(n)
			return n
		}
	}
}

// due is how many datagrams should have been sent by now and were not.
func (p *pacer) due() int {
	now := p.now()
	if p.ramp.over > 0 {
		return p.dueOnRamp(now)
	}
	debt := now.Sub(p.begun).Seconds()*p.rate - p.spent
	if debt > p.rate*maxDebt.Seconds()+1 {
		p.begun, p.spent = now.Add(-maxDebt), 0
		debt = p.rate * maxDebt.Seconds()
	}
	return int(debt)
}

// ramp is a rate that changes evenly from one to another.
type ramp struct {
	from, to float64 // datagrams a second
	over     time.Duration
}

// sum is how many datagrams are due so long after the start.
func (r ramp) sum(since time.Duration) float64 {
	t, over := since.Seconds(), r.over.Seconds()
	if t <= over {
		return r.from*t + (r.to-r.from)*t*t/(2*over)
	}
	return (r.from+r.to)/2*over + r.to*(t-over)
}

// dueOnRamp is due while the rate changes. What a stall has kept back for more than maxDebt is
// not made up for.
func (p *pacer) dueOnRamp(now time.Time) int {
	since := now.Sub(p.begun)
	debt := p.ramp.sum(since) - p.spent
	most := p.ramp.sum(since) - p.ramp.sum(max(0, since-maxDebt)) + 1
	if debt > most {
		p.spent += debt - most
		debt = most
	}
	return int(debt)
}

func (p *pacer) stop() {
	if p.ticker != nil {
		p.ticker.Stop()
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
