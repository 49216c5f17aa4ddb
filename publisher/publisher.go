package publisher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// The errors of Publish.
var (
	// ErrBufferFull: the budget has no room; the packet's records were dropped
	// and counted.
	ErrBufferFull = errors.New("publisher: buffer is full")
	// ErrClosed: Close has been called; the packet's records were dropped and
	// counted.
	ErrClosed = errors.New("publisher: closed")
)

// ErrGivenUp is what Close returns when flow records had to be given up.
var ErrGivenUp = errors.New("publisher: flow records were given up")

// stallLimit is how long the sender may be silent before it counts as stalled.
const stallLimit = 30 * time.Second

// Publisher delivers flow records to a Kafka topic. It is safe for concurrent
// use.
type Publisher struct {
	cfg      Config
	log      *slog.Logger
	notices  *notices
	budget   *budget
	sealers  chan *sealer
	cluster  *cluster
	sender   *sender
	warnings *topicWarnings

	layout   atomic.Pointer[layout]
	adopting sync.Mutex // guards changes of layout, and flushing
	flushing bool       // new partitions let nothing wait for company

	// moving is held while records go from a stage to a partition, so that no
	// snapshot sees them in both or in neither. It guards stages and past.
	moving sync.Mutex
	stages []*stage
	past   counts

	failures       *failureCounts
	produceSeconds *histogram

	ctx      context.Context // ends when no more attempts are to be made
	cancel   context.CancelFunc
	working  sync.WaitGroup // everything that Close waits for
	progress chan struct{}  // has a token after a batch was settled
	closing  sync.Mutex
	closed   bool
}

// New starts a publisher. It does not wait for Kafka. The error is
// Config.Validate's.
func New(cfg Config) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p := &Publisher{
		cfg:            cfg,
		log:            cfg.Logger,
		warnings:       newTopicWarnings(),
		failures:       newFailureCounts(),
		produceSeconds: newHistogram(),
		progress:       make(chan struct{}, 1),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.notices = &notices{log: p.log, kept: make(map[string]kept)}
	p.budget = newBudget(int64(cfg.BufferBytes), 1)
	p.sealers = make(chan *sealer, runtime.GOMAXPROCS(0))
	for range cap(p.sealers) {
		p.sealers <- newSealer(cfg.Compression, p.budget)
	}
	var err error
	if p.cluster, err = newCluster(p); err != nil {
		return nil, err
	}
	p.sender = newSender(p)
	if cfg.TLS != nil && cfg.TLS.Insecure {
		p.log.Warn("the brokers' certificates are not checked: anybody on the way can read and change what is sent")
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.layout.Store(&layout{partitioner: cfg.Partitioner, stages: p.restage(1, p.budget.forEverything())})
	p.working.Go(func() { p.cluster.run(p.ctx) })
	p.working.Go(func() { p.sender.run(p.ctx) })
	return p, nil
}

// Publish queues every record of pkt, received from an exporter at a time, or
// none. It never waits for Kafka: when the budget has no room the records are
// dropped and counted, and the error is ErrBufferFull. It keeps no reference to
// pkt. Records of one exporter are delivered in the order of the calls. A packet
// has at most 1,364 records: what a datagram of 65,535 bytes holds.
func (p *Publisher) Publish(from netip.AddrPort, received decoder.UnixNano, pkt *decoder.ExportPacket) error {
	if len(pkt.Records) == 0 {
		return nil
	}
	var e packetEncoder
	e.reset(from, received, pkt)
	hash := p.cfg.Partitioner.hash(e.key())
	for {
		l := p.layout.Load()
		var done bool
		var err error
		if s := l.stage(hash); s != nil {
			done, err = s.append(hash, &e)
		} else {
			done, err = l.partition(hash).append(l, &e)
		}
		if done {
			return err
		}
	}
}

// Stats returns a snapshot whose flow counts add up exactly.
func (p *Publisher) Stats() Stats {
	total, partitions := p.count()
	s := Stats{
		Decoded:            total.decoded,
		Delivered:          total.delivered,
		Dropped:            make(map[DropReason]uint64, dropReasons),
		Buffered:           total.buffered,
		PossiblyDuplicated: total.duplicated,
		BufferBytes:        p.budget.bytes(),
		BufferLimitBytes:   p.budget.limit,
		Batches:            total.batches,
		BytesRaw:           total.raw,
		BytesWire:          total.wire,
		ProduceErrors:      p.failures.snapshot(),
		ProduceSeconds:     p.produceSeconds.snapshot(),
		TopicWarnings:      p.warnings.snapshot(),
		Idempotent:         p.cluster.idempotent(),
		Partitions:         partitions,
	}
	for _, reason := range DropReasons() {
		s.Dropped[reason] = total.dropped[reason]
	}
	return s
}

// count adds up what all partitions and stages counted.
func (p *Publisher) count() (total counts, partitions int) {
	p.moving.Lock()
	defer p.moving.Unlock()
	total = p.past
	for _, s := range p.stages {
		s.mu.Lock()
		total.add(&s.counts)
		s.mu.Unlock()
	}
	all := p.layout.Load().partitions
	for _, part := range all {
		part.mu.Lock()
		total.add(&part.counts)
		part.mu.Unlock()
	}
	return total, len(all)
}

// Missing tells what is not there yet of what the first delivery needs, one
// thing a string: the topic with its partitions, a producer id. Once it
// returned nothing it always will.
func (p *Publisher) Missing() []string { return p.cluster.missing() }

// Stalled names what stands still though it should not, one thing a string. A
// Kafka that does not answer is no reason.
func (p *Publisher) Stalled() []string {
	if pulse := p.sender.pulse.Load(); pulse != 0 && p.ctx.Err() == nil {
		if silent := time.Since(time.Unix(0, pulse)); silent > stallLimit {
			return []string{fmt.Sprintf("the Kafka sender has not moved for %v", silent.Round(time.Second))}
		}
	}
	return nil
}

// Close takes no more records, sends what is queued, and returns when all of it
// is settled, or ctx ends; then what is left is dropped and counted, and the
// error is an ErrGivenUp that says how much.
func (p *Publisher) Close(ctx context.Context) error {
	p.closing.Lock()
	defer p.closing.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.flush()
	p.awaitEmpty(ctx)
	p.cancel()
	p.working.Wait()
	p.cluster.link.Load().close()
	shutdown, unconfirmed := p.discard()
	p.budget.close()
	if shutdown+unconfirmed > 0 {
		return fmt.Errorf("%w: %d never reached Kafka, %d may have", ErrGivenUp, shutdown, unconfirmed)
	}
	return nil
}

// flush closes all stages and partitions to new records, and has everything
// sent without waiting for company.
func (p *Publisher) flush() {
	p.adopting.Lock() // no partition may come into being unnoticed
	p.flushing = true
	l := p.layout.Load()
	p.adopting.Unlock()
	for _, s := range l.stages {
		s.close()
	}
	for _, part := range l.partitions {
		part.flush()
	}
}

// awaitEmpty waits until nothing is buffered, or ctx ends.
func (p *Publisher) awaitEmpty(ctx context.Context) {
	for {
		if total, _ := p.count(); total.buffered == 0 {
			return
		}
		select {
		case <-p.progress:
		case <-ctx.Done():
			return
		}
	}
}

// poke tells Close that something was settled.
func (p *Publisher) poke() {
	select {
	case p.progress <- struct{}{}:
	default:
	}
}

// discard drops all that is left, when nothing else runs any more.
func (p *Publisher) discard() (shutdown, unconfirmed uint64) {
	before, _ := p.count()
	for _, s := range p.stages {
		s.discard()
	}
	for _, part := range p.layout.Load().partitions {
		part.discard()
	}
	after, _ := p.count()
	return after.dropped[DropShutdown] - before.dropped[DropShutdown],
		after.dropped[DropUnconfirmed] - before.dropped[DropUnconfirmed]
}
