//go:build kafka

package kafka_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
)

// impatient has requests wait less than the faults below last.
func impatient(cfg *publisher.Config) { cfg.RequestTimeout = 3 * time.Second }

// Nothing passes for 15 seconds, in either direction, and no connection ends. What
// was sent before arrives afterwards, when it has been sent again already.
func (c *cluster) networkCut(t *testing.T) {
	l := load{network: 52, brokers: c.proxied, change: impatient, errors: []string{"timeout"}}
	c.underLoad(t, l, func(_ string, p *publisher.Publisher) {
		defer c.interrupt()()
		delivered := p.Stats().Delivered
		pass(t, 15*time.Second)
		if now := p.Stats().Delivered; now > delivered+rate {
			t.Errorf("%d flows came through a cut network", now-delivered)
		}
	})
}

// 50 milliseconds each way, and each hundredth segment comes 300 milliseconds late,
// with all behind it.
func (c *cluster) slowNetwork(t *testing.T) {
	c.underLoad(t, load{network: 53, brokers: c.proxied}, func(_ string, p *publisher.Publisher) {
		c.slow(50*time.Millisecond, 300*time.Millisecond)
		defer c.slow(0, 0)
		awaitMore(t, p, rate) // those of before
		began := time.Now()
		const seconds = 10
		awaitMore(t, p, seconds*rate)
		if took := time.Since(began); took > (seconds+2)*time.Second {
			t.Errorf("what comes in %d s took %v to deliver", seconds, took)
		}
	})
}

// Brokers store what they are sent, and for 8 seconds no answer comes back.
func (c *cluster) answersLost(t *testing.T) {
	l := load{network: 54, brokers: c.proxied, change: impatient, errors: []string{"timeout"}}
	c.underLoad(t, l, c.loseAnswers(t))
}

// The same without idempotence: brokers cannot know what they have already.
func (c *cluster) answersLostNotIdempotent(t *testing.T) {
	change := func(cfg *publisher.Config) {
		impatient(cfg)
		cfg.Idempotent = false
	}
	l := load{network: 55, brokers: c.proxied, change: change, errors: []string{"timeout"}, allowed: terms{duplicates: true}}
	c.underLoad(t, l, c.loseAnswers(t))
}

func (c *cluster) loseAnswers(t *testing.T) func(topic string, p *publisher.Publisher) {
	t.Helper()
	return func(topic string, p *publisher.Publisher) {
		c.mute(true)
		defer c.mute(false)
		stored := uint64(sum(c.ends(t, topic)))
		pass(t, 8*time.Second)
		if now := uint64(sum(c.ends(t, topic))); now <= max(stored, p.Stats().Delivered) {
			t.Errorf("the topic has %d flows and had %d, %d are delivered: nothing was stored unanswered", now, stored, p.Stats().Delivered)
		}
	}
}

// interrupt lets nothing pass between the proxies and anybody until mend is called.
func (c *cluster) interrupt() (mend func()) {
	var each []func()
	for _, proxy := range c.proxies {
		each = append(each, proxy.interrupt())
	}
	return func() {
		for _, mend := range each {
			mend()
		}
	}
}

// slow has the proxies take that long each way, and stall.
func (c *cluster) slow(delay, stalls time.Duration) {
	for _, proxy := range c.proxies {
		proxy.delay.Store(int64(delay))
		proxy.stalls.Store(int64(stalls))
	}
}

// mute has all proxies lose the brokers' answers, or not any more.
func (c *cluster) mute(lost bool) {
	for _, proxy := range c.proxies {
		proxy.mute.Store(lost)
	}
}

// The brokers advertise addresses at which nobody listens. The log has such an
// address and where it comes from; once it leads to the broker all is delivered.
func (c *cluster) advertisedUnreachable(t *testing.T) {
	for _, proxy := range c.proxies {
		proxy.close()
	}
	name := c.createTopic(t, "advertised", 1)
	told := c.proxied[c.leader(t, name, 0)-1]
	var log testlog.Book
	tr := newTraffic(56)
	p := startPublisher(t, c.behind, name, func(cfg *publisher.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	tr.publish(t, p, 10, 30)
	testwait.Until(t, 30*time.Second, "the address and where it comes from are told", func() bool {
		return log.Has("address=" + told + " cure=\"that address is the broker's own word, from its advertised.listeners")
	})
	var unreachable []string
	for _, address := range slices.Sorted(slices.Values(c.proxied)) {
		unreachable = append(unreachable, ", which advertises "+address+": no connection to "+address+": connection refused (that address is the broker's own word")
	}
	wantFound(t, checkConfig(c.behind, name, nil), unreachable...)
	for _, proxy := range c.proxies {
		proxy.listen(t)
	}
	s := c.account(t, p, name, tr, terms{})
	if s.ProduceErrors["connection_refused"] == 0 {
		t.Errorf("errors %v, want refused connections", s.ProduceErrors)
	}
}
