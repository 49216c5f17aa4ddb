package publisher

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/publisher/failure"
)

// Limits of requests. A request's size is the sum of its batches'.
const (
	maxRequestBytes = 8 << 20
	// longestPause is the longest the sender sleeps, and so the pulse that
	// tells it is alive.
	longestPause = time.Second
	// maxBrokers are remembered beside those with a request under way.
	maxBrokers = 1024
)

// sender decides which partitions go into which request, and when. One
// goroutine runs it; each request under way has one of its own.
type sender struct {
	core   *core
	topics []*topic // complete before run

	mu         sync.Mutex
	candidates []*partition  // may have something to send
	lingering  []appointment // in the order of their times
	delayed    []appointment // in no order; a partition at most once
	wake       chan struct{}

	// Of the goroutine that runs it only.
	waiting []*partition // wait for a request to end, or for a producer id
	brokers map[int32]*broker

	pulse atomic.Int64 // Unix nanoseconds of the last round
}

// appointment is a partition to look at, at a time.
type appointment struct {
	partition *partition
	at        time.Time
}

func newSender(c *core) *sender {
	return &sender{core: c, wake: make(chan struct{}, 1), brokers: make(map[int32]*broker)}
}

// ready tells the sender that p may have something to send.
func (s *sender) ready(p *partition) {
	if p.candidate.Swap(true) {
		return
	}
	s.mu.Lock()
	s.candidates = append(s.candidates, p)
	s.mu.Unlock()
	s.poke()
}

// linger tells the sender that p has opened a batch at a time.
func (s *sender) linger(p *partition, opened time.Time) {
	s.mu.Lock()
	s.lingering = append(s.lingering, appointment{p, opened.Add(s.core.cfg.Linger)})
	first := len(s.lingering) == 1
	s.mu.Unlock()
	if first {
		s.poke()
	}
}

// delay tells the sender that p has failed and when to try it again.
func (s *sender) delay(p *partition, until time.Time) {
	s.mu.Lock()
	s.delayed = append(s.delayed, appointment{p, until})
	s.mu.Unlock()
	s.poke()
}

// poke makes the sender look again.
func (s *sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		now := time.Now()
		s.pulse.Store(now.UnixNano())
		s.round(ctx, now)
		timer.Reset(s.pause(now))
	}
}

// round sends what can be sent now.
func (s *sender) round(ctx context.Context, now time.Time) {
	shared := make(map[int32]*request)
	for _, p := range s.collect(now) {
		s.place(ctx, now, p, s.core.cfg.Linger, shared)
	}
	s.join(ctx, now, shared)
	for _, r := range shared {
		s.start(ctx, r)
	}
}

// join puts into requests that go anyway what would follow soon: open batches
// that have waited for half of their time. Partitions of one leader that were
// sent together are opened again at about the same time, so at low rates a
// broker gets one request each linger time, not one for each partition.
func (s *sender) join(ctx context.Context, now time.Time, shared map[int32]*request) {
	if len(shared) == 0 {
		return
	}
	for _, t := range s.topics {
		leaders := t.seen.Load()
		for _, p := range t.layout.Load().partitions {
			if leader, err := leaders.leader(p.number); err == nil && shared[leader] != nil {
				s.place(ctx, now, p, s.core.cfg.Linger/2, shared)
			}
		}
	}
}

// collect returns the partitions to look at. One may be there twice: the second
// look finds it busy.
func (s *sender) collect(now time.Time) []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	todo := slices.Concat(s.waiting, s.candidates)
	s.candidates, s.waiting = nil, s.waiting[:0]
	for _, p := range todo {
		p.candidate.Store(false)
	}
	for len(s.lingering) > 0 && !now.Before(s.lingering[0].at) {
		todo = append(todo, s.lingering[0].partition)
		s.lingering = s.lingering[1:]
	}
	later := s.delayed[:0]
	for _, a := range s.delayed {
		if now.Before(a.at) {
			later = append(later, a)
		} else {
			todo = append(todo, a.partition)
		}
	}
	s.delayed = later
	return todo
}

// pause is how long the sender may sleep.
func (s *sender) pause(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := now.Add(longestPause)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	if len(s.lingering) > 0 {
		sooner(s.lingering[0].at)
	}
	for _, a := range s.delayed {
		sooner(a.at)
	}
	if len(s.waiting) > 0 {
		for _, b := range s.brokers {
			if until := b.throttledUntil(); until.After(now) {
				sooner(until)
			}
		}
	}
	return max(0, next.Sub(now))
}

// place puts what p has to send now into a request: one that its leader's
// other partitions share, or one of its own after a failure. An open batch goes
// when it has lingered for so long.
func (s *sender) place(ctx context.Context, now time.Time, p *partition, linger time.Duration, shared map[int32]*request) {
	b, alone := p.next(now, linger)
	if b == nil {
		return
	}
	leader, err := p.target.seen.Load().leader(p.number)
	if err != nil {
		p.settle(b, failure.Unsent(err))
		return
	}
	r := shared[leader]
	if alone || (r != nil && r.size+len(b.Bytes()) > maxRequestBytes) {
		r = nil
	}
	if r == nil {
		if r = s.open(leader, now, alone); r == nil {
			s.wait(p)
			return
		}
		if alone {
			defer s.start(ctx, r)
		} else {
			if full := shared[leader]; full != nil {
				s.start(ctx, full)
			}
			shared[leader] = r
		}
	}
	if !r.add(p, b) {
		s.wait(p)
	}
}

// wait gives back p's batch until a request has ended.
func (s *sender) wait(p *partition) {
	p.release()
	s.waiting = append(s.waiting, p)
}

// open returns a new request to a broker, for one partition alone or for many,
// or nil when that has enough of them or wants to be left alone.
func (s *sender) open(leader int32, now time.Time, alone bool) *request {
	b := s.broker(leader)
	b.throttle(s.core.cluster.PausedUntil(leader))
	if !s.core.cluster.Sendable() || !b.begin(now, alone) {
		return nil
	}
	return &request{core: s.core, broker: b, alone: alone}
}

// broker returns what is known of a broker. Before there are too many, those without a request
// are forgotten: ids are what the cluster says, and it may name others each time.
func (s *sender) broker(id int32) *broker {
	b := s.brokers[id]
	if b == nil {
		if len(s.brokers) >= maxBrokers {
			maps.DeleteFunc(s.brokers, func(_ int32, other *broker) bool { return other.idle() })
		}
		b = &broker{id: id, inOrder: s.core.cfg.Acks == AcksNone}
		s.brokers[id] = b
	}
	return b
}

// start sends r, unless nothing came into it.
func (s *sender) start(ctx context.Context, r *request) {
	if len(r.items) == 0 {
		r.broker.end(r.alone)
		return
	}
	s.core.working.Go(func() {
		r.send(ctx)
		s.core.budget.EndCopy(r.copies(), r.copied)
		r.broker.end(r.alone)
		s.poke()
	})
}
