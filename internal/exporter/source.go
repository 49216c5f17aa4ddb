package exporter

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Uptime clocks of synthetic exporters at the start.
const (
	// minUptime and maxUptime bound them, so that none wraps for a week.
	minUptime = 24 * time.Hour
	maxUptime = 40 * 24 * time.Hour
	// wrapAfter is when a clock wraps that was asked to.
	wrapAfter = time.Second
	// uptimeRange is where it wraps: 2^32 ms.
	uptimeRange = 1 << 32 * time.Millisecond
)

// source is a synthetic exporter: its socket, its clock, what makes its packets. It
// belongs to the goroutine that runs the generator, but for its counters.
type source struct {
	socket       *socket
	format       Format
	engineID     uint8
	maker        maker
	uptime       time.Duration // at the start of the run
	first        uint32        // of its sequences
	withheld     share
	damaged      share
	templateLoss share
	damages      uint32 // datagrams damaged so far
	begun        bool   // it has sent something
	counters     counters
}

// counters are a source's own. All are written by the generator's goroutine and
// read by any.
type counters struct {
	datagrams, flows, malformed, malformedFlows, withheldFlows atomic.Uint64
	templates, withheldTemplates                               atomic.Uint64
	sequence                                                   atomic.Uint32
}

// newSource makes exporter i of those that c describes.
func newSource(c *Config, i int, s *socket, r *rand.Rand) *source {
	made := &source{
		socket:   s,
		format:   c.Formats[i%len(c.Formats)],
		engineID: uint8(i),
		uptime:   minUptime + time.Duration(r.Int64N(int64(maxUptime-minUptime))),
		first:    r.Uint32(),
		withheld: share{of: c.SequenceGaps, sum: r.Float64()},
		damaged:  share{of: c.MalformedShare, sum: r.Float64()},
		damages:  r.Uint32N(uint32(damageCount)),
	}
	made.templateLoss = share{of: c.TemplateLoss, sum: made.damaged.sum}
	if c.UptimeWrap {
		made.uptime = uptimeRange - wrapAfter
	}
	made.counters.sequence.Store(made.first)
	return made
}

// start sets the exporter's clock going.
func (s *source) start(now time.Time) { s.maker.start(now.Add(-s.uptime)) }

// datagram is a packet to be sent, or one to be withheld.
type datagram struct {
	payload  []byte
	numbered int // flows in the sequence
	readable int // flows that payload holds whole, when it is malformed
	damaged  bool
	withheld bool
}

// export makes the next packet of records flows, the first of which has number
// flow, in b, which has room for it and for maxDamage bytes more.
func (s *source) export(b []byte, flow uint32, records int, now time.Time) datagram {
	d := datagram{numbered: records, withheld: s.withheld.next()}
	if d.withheld {
		s.maker.skip(records)
		return d
	}
	d.payload = s.maker.packet(b, flow, records, now)
	if s.damaged.next() {
		d.damaged = true
		d.payload, d.readable = s.maker.damage(d.payload, records, s.damages)
		s.damages++
	}
	return d
}

// count adds to the counters what became of made, of which the first datagrams
// were sent that were not withheld.
func (s *source) count(made []datagram, sent int) {
	for i := range made {
		if !made[i].withheld {
			if sent == 0 {
				return
			}
			sent--
		}
		s.counters.add(&made[i])
	}
}

// add adds a datagram that was sent or withheld.
func (c *counters) add(d *datagram) {
	c.sequence.Add(uint32(d.numbered))
	switch {
	case d.withheld:
		c.withheldFlows.Add(uint64(d.numbered))
		return
	case d.damaged:
		c.malformed.Add(1)
		c.malformedFlows.Add(uint64(d.readable))
		c.withheldFlows.Add(uint64(d.numbered - d.readable))
	default:
		c.flows.Add(uint64(d.numbered))
	}
	c.datagrams.Add(1)
}

// share picks a share of things, spread as evenly as can be.
type share struct{ of, sum float64 }

// next reports whether the next thing is picked.
func (s *share) next() bool {
	s.sum += s.of
	if s.sum < 1 {
		return false
	}
	s.sum--
	return true
}
