package main

import (
	"math"
	"math/rand/v2"
)

const (
	// usualLinger is the default of FLOWPUB_KAFKA_LINGER, longLinger another, and roundTrip what
	// a broker takes for a request, in seconds.
	usualLinger = 0.1
	longLinger  = 1
	roundTrip   = 0.005
	// batchFlows is how many flows a batch has that is full: 512 KiB of 170 bytes.
	batchFlows = 512 << 10 / 170
	// watched is for how many seconds a pod is watched.
	watched = 20.0
)

// requestsTable is how many produce requests brokers get.
func requestsTable(o options) table {
	t := table{name: "requests", head: []string{
		"exporters", "flows/s", "pods", "partitions", "brokers", "partitions of a pod", "requests/s of a broker", "batches in a request", "flows in a batch", "requests/s, 1 s linger", "flows in a batch",
	}}
	random := o.random(5)
	for _, f := range []struct{ exporters, pods, partitions, brokers int }{
		{20, 1, 12, 3}, {200, 3, 12, 3}, {2000, 12, 48, 6}, {5000, 50, 96, 6}, {20_000, 200, 192, 12}, {100_000, 1000, 384, 24},
	} {
		each := f.exporters / f.pods
		usual := newProducer(random, each, f.partitions, f.brokers, usualLinger)
		usual.run(watched * float64(o.more))
		long := newProducer(random, each, f.partitions, f.brokers, longLinger)
		long.run(watched * float64(o.more))
		t.add(count(f.exporters), count(float64(f.exporters)*flowsEach), count(f.pods), count(f.partitions), count(f.brokers),
			count(usual.filled), count(usual.perSecond()*float64(f.pods)), short(float64(usual.batches)/float64(usual.requests)),
			count(usual.flows/float64(usual.batches)), count(long.perSecond()*float64(f.pods)), count(long.flows/float64(long.batches)))
	}
	return t
}

// producer is a pod as one broker sees it: a batch of a partition is opened by a datagram,
// and goes when it has lingered, or is full; what has waited for half of that, of the same
// broker, goes with it.
type producer struct {
	random *rand.Rand
	linger float64
	rates  []float64 // datagrams a second of the broker's partitions that have some
	filled int       // partitions that have some, of all brokers
	opened []float64 // when the batch of each was, or will be
	free   []float64 // when the request before has ended

	now               float64
	requests, batches int
	flows             float64
}

// newProducer returns a pod with exporters of one rate, which fill some of a broker's
// partitions.
func newProducer(random *rand.Rand, exporters, partitions, brokers int, linger float64) *producer {
	p := &producer{random: random, linger: linger}
	of := make([]int, partitions)
	for range exporters {
		of[random.IntN(partitions)]++
	}
	for i, n := range of {
		if n == 0 {
			continue
		}
		p.filled++
		if i%brokers == 0 {
			p.rates = append(p.rates, float64(n)*datagramsASecond)
			p.opened = append(p.opened, random.ExpFloat64()/p.rates[len(p.rates)-1])
			p.free = append(p.free, 0)
		}
	}
	return p
}

// perSecond is how many requests the broker got.
func (p *producer) perSecond() float64 { return float64(p.requests) / p.now }

// run sends until a time.
func (p *producer) run(until float64) {
	for p.now < until {
		p.now = math.Inf(1)
		for i := range p.rates {
			p.now = min(p.now, p.due(i))
		}
		if math.IsInf(p.now, 1) {
			p.now = until
			return
		}
		p.requests++
		for i := range p.rates {
			if p.opened[i]+p.linger/2 <= p.now && p.free[i] <= p.now || p.due(i) <= p.now {
				p.send(i)
			}
		}
	}
}

// due is when the batch of a partition goes on its own account.
func (p *producer) due(i int) float64 {
	full := batchFlows / (p.rates[i] * recordsEach)
	return max(p.free[i], p.opened[i]+min(p.linger, full))
}

// send sends the batch of a partition. The next is opened by the next datagram.
func (p *producer) send(i int) {
	p.batches++
	p.flows += recordsEach * (1 + (p.now-p.opened[i])*p.rates[i])
	p.opened[i] = p.now + p.random.ExpFloat64()/p.rates[i]
	p.free[i] = p.now + roundTrip
}
