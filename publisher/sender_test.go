package publisher

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
)

func TestBrokerPlaces(t *testing.T) {
	t.Parallel()
	var b broker
	now := time.Now()
	for i := range maxRequestsPerBroker {
		if !b.begin(now, false) {
			t.Fatalf("request %d of %d is refused", i, maxRequestsPerBroker)
		}
	}
	if b.begin(now, false) {
		t.Error("one request too many")
	}
	b.end(false)
	if !b.begin(now, true) {
		t.Error("a place that was given back is not there")
	}
	b.end(true)
	b.throttle(now.Add(time.Minute))
	if b.begin(now.Add(59*time.Second), false) || !b.begin(now.Add(61*time.Second), false) {
		t.Error("the throttle time does not hold")
	}
}

// A cluster that names other brokers each time does not fill the memory, and those with
// requests under way are the same as before.
func TestBrokersAreForgotten(t *testing.T) {
	t.Parallel()
	s := newSender(&core{})
	busy := s.broker(-1)
	if !busy.begin(time.Now(), false) {
		t.Fatal("no place for a request")
	}
	for id := range int32(3 * maxBrokers) {
		s.broker(id)
	}
	if n := len(s.brokers); n > maxBrokers {
		t.Errorf("%d brokers are remembered, want at most %d", n, maxBrokers)
	}
	if s.broker(-1) != busy {
		t.Error("one with a request under way is forgotten")
	}
}

// Ready partitions of one leader share requests.
func TestPartitionsShareRequests(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 16)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Linger = 50 * time.Millisecond })
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	requests := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	n := publish(t, p, 0, 160, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	batches := p.Stats().Batches
	if sent := requests.Hits(); sent == 0 || uint64(sent) >= batches {
		t.Errorf("%d requests for %d batches, want fewer requests", sent, batches)
	}
}

// A leader that moves is found again, and a broker that asks for a pause gets
// it.
func TestLeaderMoves(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 3, kfake.NumBrokers(3))
	p := startPublisher(t, broker.ListenAddrs(), nil)
	n := publish(t, p, 0, 100, 30)
	for round := range uint64(5) {
		for partition := range int32(3) {
			if err := broker.MoveTopicPartition(testTopic, partition, int32(round)%3); err != nil {
				t.Fatal(err)
			}
		}
		n += publish(t, p, 100*(round+1), 100*(round+2), 30)
		eventually(t, patience, "all is delivered", func() bool { return p.Stats().Delivered == n })
	}
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
	if p.Stats().ProduceErrors["not_leader"] == 0 {
		t.Errorf("errors %v, want some for leaders that have moved", p.Stats().ProduceErrors)
	}
}

func TestStalled(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p := startPublisher(t, []string{address}, nil)
	eventually(t, 5*time.Second, "the sender runs", func() bool { return p.sender.pulse.Load() != 0 })
	if stalled := p.Stalled(); stalled != nil {
		t.Errorf("without Kafka: stalled %q", stalled)
	}
	closeWithin(t, p, time.Second)
	if stalled := p.Stalled(); stalled != nil {
		t.Errorf("after Close: stalled %q", stalled)
	}
	p = &Publisher{core: &core{ctx: t.Context()}, sender: newSender(nil)}
	p.sender.pulse.Store(time.Now().Add(-time.Minute).UnixNano())
	if stalled := p.Stalled(); len(stalled) != 1 {
		t.Errorf("a minute of silence: stalled %q", stalled)
	}
}

// Partitions whose batches were opened at different times come to be sent
// together. Not parallel: how many do depends on who has the processors.
func TestPartitionsJoin(t *testing.T) {
	broker := startBroker(t, 12)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Linger = 100 * time.Millisecond })
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	requests := broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1})
	// A packet each 3 ms, to one of 16 exporters in turn, for ten linger times.
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for seed := range uint64(340) {
		<-tick.C
		publish(t, p, seed, seed+1, 30)
	}
	closeWithin(t, p, patience)
	wantDelivered(t, p, 340*30)
	if batches, sent := p.Stats().Batches, uint64(requests.Hits()); sent*3 > batches {
		t.Errorf("%d requests for %d batches, want three batches a request or more", sent, batches)
	}
}
