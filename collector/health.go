package collector

import "time"

// stallLimit is how long a reader may be busy with one batch: a million times
// what it takes. Then the process is better started anew.
const stallLimit = 30 * time.Second

// missing is the readiness probe: it lists what the first delivery still lacks, one item
// per string. It passes once the publisher has had all it needs, and then until shutdown
// begins. It does not fail again when Kafka goes away: every replica would leave the load
// balancer at once, and flows would be lost that the buffers could keep.
func (c *Collector) missing() []string {
	if c.stopping.Load() {
		return []string{"shutting down"}
	}
	if c.ready.Load() {
		return nil
	}
	things := c.publisher.Missing()
	if c.store != nil {
		things = append(things, c.store.Missing()...)
	}
	if len(things) == 0 {
		c.ready.Store(true)
	}
	return things
}

// Stalled is the liveness probe: it lists readers and senders that are stuck though they have
// work. It never depends on Kafka.
func (c *Collector) Stalled() []string {
	var things []string
	for _, l := range c.listeners {
		things = append(things, l.Stalled(stallLimit)...)
	}
	return append(things, c.publisher.Stalled()...)
}
