package collector

import (
	"log/slog"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// watchEvery is how often the counts are looked at.
const watchEvery = time.Second

// sample is what the watch looks at, at one moment.
type sample struct {
	at              time.Time
	kernelDropped   uint64
	logLinesDropped uint64
	dropped         map[publisher.DropReason]uint64
	letters         map[publisher.DeadLetterOutcome]uint64

	datagrams                  datagramCounts
	sets                       setCounts
	flowsMissed, packetsMissed uint64

	decoded, delivered, buffered, duplicated uint64
	batches, raw, wire                       uint64
	produce                                  publisher.Histogram
	throttled                                float64
	idempotent                               bool

	bytes, limit        int64 // of the budget
	failing, partitions int
	unreached           bool
}

// watcher tells the operator what becomes of flows and what does not, from the counts
// alone: nothing in the way of a datagram knows of it.
type watcher struct {
	log     *slog.Logger
	losses  []loss
	outage  outage
	filling filling
	givenUp uint64
	take    func(time.Time) sample
	missing func() []string // the readiness probe
	ready   func(*sample)   // tells that it passes; nil once it is told
	monitor *monitor
	summary summary

	quit, done chan struct{}
}

// startWatch begins to look, each second, until the returned watcher is stopped.
func (c *Collector) startWatch() *watcher {
	w := &watcher{
		log:     c.log,
		losses:  newLosses(),
		outage:  outage{linger: c.cfg.Publisher.Linger},
		take:    c.sample,
		missing: c.missing,
		ready:   c.logReady,
		monitor: c.monitor,
		summary: summary{every: c.cfg.LogSummary, exporters: c.accounts.heard, last: sample{at: c.started}},
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	go w.run()
	return w
}

func (w *watcher) run() {
	defer close(w.done)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case at := <-tick.C:
			s := w.take(at)
			w.see(&s)
			w.monitor.see(&s)
			w.summary.see(&s, w.log)
			w.monitor.standing.Store(w.problems(&s))
		}
	}
}

// see tells what a sample shows.
func (w *watcher) see(s *sample) {
	if w.ready != nil && len(w.missing()) == 0 {
		w.ready(s)
		w.ready = nil
	}
	for i := range w.losses {
		w.losses[i].see(s, w.log)
	}
	if given := s.dropped[publisher.DropShutdown] + s.dropped[publisher.DropUnconfirmed]; given > w.givenUp {
		w.givenUp = given // a buffer that was given up tells nothing of Kafka
		return
	}
	full := w.filling.see(s, w.log)
	w.outage.see(s, full, w.log)
}

// stop ends the looking, and tells what is lost and not told yet.
func (w *watcher) stop() {
	close(w.quit)
	<-w.done
	s := w.take(time.Now())
	for i := range w.losses {
		w.losses[i].finish(&s, w.log)
	}
}

// sample takes the counts of a moment. It asks for less than Snapshot does, which
// goes through all streams.
func (c *Collector) sample(at time.Time) sample {
	var datagrams datagramCounts
	var missed missedCounts
	for _, intakes := range c.intakes {
		for _, in := range intakes {
			in.addCounts(&datagrams, &missed)
		}
	}
	sets := c.templates.snapshot()
	stats := c.publisher.Stats()
	s := sample{
		datagrams:       datagrams,
		sets:            sets,
		flowsMissed:     missed.flows,
		packetsMissed:   missed.packets,
		at:              at,
		logLinesDropped: c.logLinesDropped(),
		dropped:         stats.Dropped,
		letters:         stats.DeadLetters,
		decoded:         stats.Decoded,
		delivered:       stats.Delivered,
		buffered:        stats.Buffered,
		duplicated:      stats.PossiblyDuplicated,
		batches:         stats.Batches,
		raw:             stats.BytesRaw,
		wire:            stats.BytesWire,
		produce:         stats.ProduceSeconds,
		throttled:       stats.ThrottleSeconds,
		idempotent:      stats.Idempotent,
		bytes:           stats.BufferBytes,
		limit:           stats.BufferLimitBytes,
		failing:         stats.PartitionsFailing,
		partitions:      stats.Partitions,
		unreached:       stats.Unreached,
	}
	for _, l := range c.listeners {
		s.kernelDropped += l.Stats().KernelDropped
	}
	return s
}

// missedCounts are what never arrived.
type missedCounts struct{ flows, packets uint64 }

// addCounts adds what the socket has counted.
func (in *intake) addCounts(datagrams *datagramCounts, missed *missedCounts) {
	in.mu.Lock()
	defer in.mu.Unlock()
	datagrams.add(&in.counts)
	missed.flows += in.streams.missedRecords
	for _, n := range in.streams.missedPackets {
		missed.packets += n
	}
}
