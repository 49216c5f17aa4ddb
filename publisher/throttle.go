package publisher

import (
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/publisher/answers"
	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// throttles is until when brokers want to be sent no batches, by the addresses of the
// connections on which they said so, and only while those are there. It is safe for
// concurrent use.
type throttles struct {
	mu     sync.Mutex
	until  map[string]time.Time
	paused time.Duration // all pauses that were asked for
}

// set notes a pause from now on; 0 ends the one there is.
func (t *throttles) set(address string, pause time.Duration, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.until == nil {
		t.until = make(map[string]time.Time)
	}
	if pause == 0 {
		delete(t.until, address)
		return
	}
	t.paused += pause
	if until := now.Add(pause); until.After(t.until[address]) {
		t.until[address] = until
	}
}

// of is until when the broker at an address wants to be sent nothing.
func (t *throttles) of(address string) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until[address]
}

// seconds adds up all pauses that were asked for.
func (t *throttles) seconds() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paused.Seconds()
}

// newChecker returns what checks the answers of brokers.
func (p *Publisher) newChecker() *answers.Checker {
	c := &answers.Checker{TLS: p.cfg.TLS != nil, Throttled: p.throttled}
	if p.cfg.SASL != nil {
		c.Mechanism = strings.ToUpper(p.cfg.SASL.Mechanism)
	}
	return c
}

// throttled notes and tells that a broker asks for a pause; 0: that it is void.
func (p *Publisher) throttled(address string, pause time.Duration) {
	p.throttles.set(address, pause, time.Now())
	if pause == 0 {
		p.sender.poke()
		return
	}
	p.notices.Warn("throttled", "a broker asks for a pause, and is sent no flows until it is over",
		"address", address, "pause", pause, "cure", kinds.Of(kafka.ThrottlingQuotaExceeded).Cure)
}
