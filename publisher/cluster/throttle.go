package cluster

import (
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/publisher/failure"
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

// PausedUntil is until when a broker wants to be sent no batches; zero if it did not
// say so.
func (c *Cluster) PausedUntil(broker int32) time.Time { return c.throttles.of(c.Address(broker)) }

// ThrottleSeconds adds up all pauses that brokers asked for.
func (c *Cluster) ThrottleSeconds() float64 { return c.throttles.seconds() }

// throttled notes and tells that a broker asks for a pause; 0: that it is void.
func (c *Cluster) throttled(address string, pause time.Duration) {
	c.throttles.set(address, pause, time.Now())
	if pause == 0 {
		c.observer.Ready()
		return
	}
	c.cfg.Notices.Warn("throttled", "a broker asks for a pause, and is sent no flows until it is over",
		"address", address, "pause", pause, "cure", failure.Of(kafka.ThrottlingQuotaExceeded).Cure)
}
