package publisher

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/flowpub/flowpub/publisher/failure"
)

// View is what people want to know of the cluster, and of what waits for it. Stats has
// the numbers.
type View struct {
	Topics  []TopicView
	Brokers []BrokerView
	// LastFault is the newest failure; nil when there was none.
	LastFault *Fault
	// Oldest is for how long the oldest flow that is not delivered has waited, about.
	Oldest time.Duration
}

// TopicView is a topic for flow records.
type TopicView struct {
	Name string
	// Leaders are the ids of the brokers that lead the partitions, -1 where there is
	// none; empty while they are not known.
	Leaders []int32
	// Failing are the partitions whose flows wait after a failed attempt, or for long.
	Failing []int32
	// Buffered is the number of flow records waiting or under way.
	Buffered uint64
	// Problem is why the cluster tells nothing of the topic; empty when it does.
	Problem string
	// Warnings are the settings that put flows at risk, or cost.
	Warnings []TopicWarning
}

// TopicWarning is a setting of a topic that puts flows at risk, or costs, and what to
// do about it.
type TopicWarning struct{ Risk, Cure string }

// BrokerView is a broker that the cluster named, or that was sent something.
type BrokerView struct {
	ID       int32
	Address  string // empty when the cluster names it no more
	Leads    int    // partitions
	Requests int    // under way
	// Latency is how long its last requests took, on average; 0 before the first.
	Latency   time.Duration
	LastFault *Fault
}

// Fault is a failure that was met, as the log tells it.
type Fault struct {
	At     time.Time
	Text   string
	Cure   string
	Broker string // its address; empty when it is not one broker's
}

// latencyWeight is the part of a new request in the average: one in so many.
const latencyWeight = 8

// peers are the brokers that were sent something, and what went wrong. It is safe for
// concurrent use.
type peers struct {
	mu   sync.Mutex
	by   map[int32]*peer
	last *Fault
}

type peer struct {
	requests int
	latency  time.Duration
	last     *Fault
}

func newPeers() *peers { return &peers{by: make(map[int32]*peer)} }

// of returns a broker's entry. The caller holds the lock. Ids are what the cluster says:
// before there are too many, those without a request are forgotten.
func (p *peers) of(id int32) *peer {
	known := p.by[id]
	if known == nil {
		if len(p.by) >= maxBrokers {
			for other, idle := range p.by {
				if idle.requests == 0 {
					delete(p.by, other)
				}
			}
		}
		known = &peer{}
		p.by[id] = known
	}
	return known
}

// begin notes that a broker is sent a request, and returns what notes its end.
func (p *peers) begin(id int32) (end func(took time.Duration)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.of(id)
	b.requests++
	return func(took time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		b.requests--
		if b.latency == 0 {
			b.latency = took
		}
		b.latency += (took - b.latency) / latencyWeight
	}
}

// fault notes a failure that is nobody's own.
func (p *peers) fault(text, cure string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = &Fault{At: time.Now(), Text: text, Cure: cure}
}

// faultOf notes a broker's failure.
func (p *peers) faultOf(id int32, address, text, cure string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = &Fault{At: time.Now(), Text: text, Cure: cure, Broker: address}
	p.of(id).last = p.last
}

// View returns what is known of the cluster.
func (p *Publisher) View() View {
	var v View
	leads := make(map[int32]int)
	var oldest time.Time
	for _, t := range p.topics {
		topic, waits := t.view()
		v.Topics = append(v.Topics, topic)
		for _, leader := range topic.Leaders {
			leads[leader]++
		}
		oldest = earlier(oldest, waits)
	}
	if !oldest.IsZero() {
		v.Oldest = time.Since(oldest)
	}
	v.Brokers, v.LastFault = p.brokers(leads)
	return v
}

// brokers returns the brokers, by id, and the newest failure.
func (p *Publisher) brokers(leads map[int32]int) ([]BrokerView, *Fault) {
	views := make(map[int32]BrokerView)
	for id, address := range p.cluster.Addresses() {
		views[id] = BrokerView{ID: id, Address: address, Leads: leads[id]}
	}
	p.peers.mu.Lock()
	defer p.peers.mu.Unlock()
	for id, b := range p.peers.by {
		view := views[id]
		if view.Address == "" && b.requests == 0 && leads[id] == 0 {
			continue // it has left the cluster
		}
		view.ID, view.Leads, view.Requests, view.Latency, view.LastFault = id, leads[id], b.requests, b.latency, b.last
		views[id] = view
	}
	all := make([]BrokerView, 0, len(views))
	for _, view := range views {
		all = append(all, view)
	}
	slices.SortFunc(all, func(a, b BrokerView) int { return cmp.Compare(a.ID, b.ID) })
	return all, p.peers.last
}

// view returns what is known of the topic, and since when its oldest flow waits.
func (t *topic) view() (v TopicView, oldest time.Time) {
	seen := t.seen.Load()
	v.Name, v.Leaders, v.Warnings = t.name, seen.leaders, t.warnings.views()
	if seen.problem != nil {
		v.Problem = failure.Sentence(seen.problem)
	}
	t.moving.Lock()
	defer t.moving.Unlock()
	for _, s := range t.stages {
		s.mu.Lock()
		v.Buffered += s.counts.buffered
		if !s.waits.empty() {
			oldest = earlier(oldest, s.waits.list[0].begunAt)
		}
		s.mu.Unlock()
	}
	for _, part := range t.layout.Load().partitions {
		part.mu.Lock()
		v.Buffered += part.counts.buffered
		if part.fails() && part.counts.buffered > 0 {
			v.Failing = append(v.Failing, part.number)
		}
		oldest = earlier(oldest, part.oldest())
		part.mu.Unlock()
	}
	return v, oldest
}

// oldest returns when the oldest batch was opened; zero when there is none. The caller
// holds the lock.
func (p *partition) oldest() time.Time {
	switch {
	case len(p.queue) > 0:
		return p.queue[0].opened
	case p.open != nil:
		return p.open.opened
	case !p.late.empty():
		return p.late.list[0].begunAt
	}
	return time.Time{}
}

// earlier returns the earlier of two times; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
