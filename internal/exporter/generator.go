package exporter

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder/netflow5"
)

// burstBytes bounds what is sent at once, so that a receive buffer of 200 KiB
// is never filled by a single burst: the system charges about half more than
// the payload for a datagram.
const burstBytes = maxBatch * (netflow5.HeaderLen + netflow5.MaxRecords*netflow5.RecordLen)

// exportersStream tells the random numbers of the exporters from those of the
// traffic, which have the same seed.
const exportersStream = 2

// Generator sends the packets of synthetic exporters.
type Generator struct {
	config  Config
	target  netip.AddrPort
	out     transmitter
	formats *formats
	sources []*source
	next    int    // whose turn it is
	flow    uint32 // number of the next flow
	left    uint64 // flows still to be numbered, if config.Flows
	burst   int    // most datagrams at once
	// Of the packets being made: all of them, their memory, and those to send.
	made     [maxBatch]datagram
	memory   [maxBatch][]byte
	payloads [][]byte
	// began is when Run began, heard when something was last sent that was not refused.
	began, heard time.Time
	elephant     share
}

// New makes the exporters and opens their sockets, so that their addresses are
// known; Run or Close closes them. Mistakes in the configuration are returned
// all at once, each a *FieldError.
func New(c Config) (*Generator, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	target, err := resolveTarget(c.Target)
	if err != nil {
		return nil, err
	}
	plan, err := planAddresses(target, c.FirstSource, firstSynthetic, c.Exporters)
	if err != nil {
		return nil, err
	}
	t, err := newTraffic(c.Seed)
	if err != nil {
		return nil, err
	}
	g := &Generator{config: c, target: target, left: c.Flows, elephant: share{of: c.Elephant}}
	g.formats = newFormats(&g.config, t)
	if err := g.formats.fit(); err != nil {
		return nil, err
	}
	g.out = &network{batch: newBatch()}
	g.allocate(g.formats.packetLen(g.config.RecordsPerPacket, longName))
	if err := g.open(&plan); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// allocate gives each packet of a burst its memory: size bytes, and what damage adds.
func (g *Generator) allocate(size int) {
	g.burst = max(1, min(maxBatch, burstBytes/size))
	g.payloads = make([][]byte, 0, g.burst)
	for i := range g.burst {
		g.memory[i] = make([]byte, size+maxDamage)
	}
}

func (g *Generator) open(plan *addressPlan) error {
	r := rand.New(rand.NewPCG(g.config.Seed, exportersStream))
	for i := range g.config.Exporters {
		socket, err := plan.open(i, 0)
		if err != nil {
			return err
		}
		s := newSource(&g.config, i, socket, r)
		if s.maker, err = g.formats.maker(i, s); err != nil {
			return errors.Join(err, socket.close())
		}
		g.sources = append(g.sources, s)
	}
	return nil
}

// Close closes the sockets. Run does it too; a second time does nothing.
func (g *Generator) Close() error {
	var errs []error
	for _, s := range g.sources {
		s.socket.noteRefusal()
		errs = append(errs, s.socket.close())
	}
	return errors.Join(errs...)
}

// Run sends until Config.Flows are numbered or ctx ends, and returns nil for
// both; then it closes the sockets. A target where nobody listens is no error,
// see Stats.Refused. Run may be called once.
func (g *Generator) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, g.Close()) }()
	defer awaitRefusals(ctx, g.target)
	stop := context.AfterFunc(ctx, g.interrupt)
	defer stop()
	now := g.config.Now()
	for _, s := range g.sources {
		s.start(now)
	}
	g.began, g.heard = now, now
	pace := g.newPacer()
	defer pace.stop()
	for !g.done() {
		datagrams := pace.take(ctx)
		if datagrams == 0 {
			return nil
		}
		if err := g.send(ctx, datagrams); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// newPacer starts a clock for the datagrams of all exporters.
func (g *Generator) newPacer() *pacer {
	records := float64(g.config.RecordsPerPacket)
	pace := newPacer(max(g.config.Rate, g.config.RateAtEnd)/records, g.burst, g.config.Now)
	if g.config.RateAtEnd > 0 {
		pace.ramp = ramp{g.config.Rate / records, g.config.RateAtEnd / records, g.config.RampTime}
	}
	return pace
}

func (g *Generator) interrupt() {
	for _, s := range g.sources {
		s.socket.interrupt()
	}
}

// done reports whether all flows asked for are numbered.
func (g *Generator) done() bool { return g.config.Flows > 0 && g.left == 0 }

// packetsLeft is how many packets the flows still to be numbered make.
func (g *Generator) packetsLeft() int {
	if g.config.Flows == 0 {
		return math.MaxInt
	}
	records := uint64(g.config.RecordsPerPacket)
	return int(min(g.left/records+min(g.left%records, 1), math.MaxInt))
}

// send sends this many datagrams, a few of each exporter in turn, or those that
// are left.
func (g *Generator) send(ctx context.Context, datagrams int) error {
	datagrams = min(datagrams, g.packetsLeft())
	each := max(1, min(datagrams/len(g.sources), g.burst))
	for datagrams > 0 {
		s := g.turn()
		n := min(datagrams, each)
		datagrams -= n
		if err := g.export(ctx, s, n); err != nil {
			return err
		}
	}
	return nil
}

// turn returns the exporter that sends next.
func (g *Generator) turn() *source {
	if g.config.Elephant > 0 && len(g.sources) > 1 {
		if g.elephant.next() {
			return g.sources[0]
		}
		g.next = max(1, g.next)
	}
	for range g.sources {
		i := g.next
		g.next = (g.next + 1) % len(g.sources)
		if !g.silent(i) && (i > 0 || g.config.Elephant == 0) {
			return g.sources[i]
		}
	}
	return g.sources[g.next]
}

// silent reports whether exporter i is silent now.
func (g *Generator) silent(i int) bool {
	if g.config.Flap == 0 {
		return false
	}
	phase := int(g.config.Now().Sub(g.began) / g.config.Flap)
	return (phase+i)%2 != 0
}

// unheardLimit is how long a target may refuse everything before it is given up.
const unheardLimit = 10 * time.Second

// ErrUnheard is the error of a target at which nobody listens. Only Linux tells.
var ErrUnheard = errors.New("exporter: nobody listens at the target")

// listens notes whether something was refused while an exporter sent, and returns ErrUnheard if all
// has been for long. What is refused is known when the next is sent.
func (g *Generator) listens(s *source, refused uint64, now time.Time) error {
	first := !s.begun
	s.begun = true
	switch {
	case first:
	case s.socket.refused.Load() == refused:
		g.heard = now
	case now.Sub(g.heard) > unheardLimit:
		return ErrUnheard
	}
	return nil
}

// export makes n packets of one exporter and sends them, and before them what it has
// to announce.
func (g *Generator) export(ctx context.Context, s *source, n int) error {
	for n > 0 {
		now := g.config.Now()
		if err := g.announce(ctx, s, now); err != nil {
			return err
		}
		few := min(n, s.maker.quiet())
		if err := g.exportFlows(ctx, s, few, now); err != nil {
			return err
		}
		n -= few
	}
	return nil
}

// announce sends what an exporter has to announce, but for what is to be lost.
func (g *Generator) announce(ctx context.Context, s *source, now time.Time) error {
	for _, a := range s.maker.announce(now) {
		if a.losable && s.templateLoss.next() {
			s.counters.withheldTemplates.Add(1)
			continue
		}
		g.payloads = append(g.payloads[:0], a.payload)
		sent, err := g.out.transmit(ctx, s.socket, g.payloads)
		s.counters.datagrams.Add(uint64(sent))
		s.counters.templates.Add(uint64(sent))
		if err != nil {
			return err
		}
	}
	return nil
}

// exportFlows makes n packets of one exporter and sends them.
func (g *Generator) exportFlows(ctx context.Context, s *source, n int, now time.Time) error {
	made := g.fill(s, n, now)
	g.payloads = g.payloads[:0]
	for i := range made {
		if !made[i].withheld {
			g.payloads = append(g.payloads, made[i].payload)
		}
	}
	refused := s.socket.refused.Load()
	sent, err := g.out.transmit(ctx, s.socket, g.payloads)
	s.count(made, sent)
	if err == nil && len(g.payloads) > 0 {
		err = g.listens(s, refused, now)
	}
	return err
}

// fill makes n packets of one exporter. The last of all may hold fewer flows.
func (g *Generator) fill(s *source, n int, now time.Time) []datagram {
	made := g.made[:0]
	for i := range n {
		records := g.config.RecordsPerPacket
		if g.config.Flows > 0 {
			records = int(min(uint64(records), g.left))
			g.left -= uint64(records)
		}
		made = append(made, s.export(g.memory[i], g.flow, records, now))
		g.flow += uint32(records)
	}
	return made
}
