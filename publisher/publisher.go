package publisher

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/deadletter"
	"github.com/flowpub/flowpub/publisher/failure"
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

// Publisher delivers flow records to Kafka topics. It is safe for concurrent use.
//
// What a topic has of its own is in its topic; memory, sealers, the sender, and
// the way to the cluster are there once, for all of them.
type Publisher struct {
	*core
	sender  *sender
	topics  []*topic // the first is Config.Topic's
	routes  *networks[*topic]
	shares  *shares
	letters *deadletter.Queue // nil when they are not wanted
	schemas *schemas          // nil when values name none

	closing sync.Mutex
	closed  bool
}

// New starts a publisher. It does not wait for Kafka. The error is
// Config.Validate's.
func New(cfg Config) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := newCore(&cfg)
	p := &Publisher{core: c, sender: newSender(c), shares: newShares(c)}
	w := &watch{sender: p.sender}
	var err error
	if c.cluster, err = cluster.New(c.ctx, cfg.cluster(c.log, c.notices), w); err != nil {
		c.cancel()
		return nil, err
	}
	c.warnOfSecurity()
	layouts := make(map[string]*layout)
	for _, name := range cfg.topics() {
		t := newTopic(c, p.sender, p.shares, name)
		p.topics, layouts[name] = append(p.topics, t), t.layout.Load()
	}
	p.shares.set(layouts)
	p.routes = newRoutes(cfg.Routes, p.topics)
	p.sender.topics, w.topics = p.topics, p.topics
	if cfg.DeadLetterTopic != "" {
		p.letters = deadletter.New(c.deadLetters())
		w.letters = p.letters
		c.working.Go(func() { p.letters.Run(c.ctx) })
	}
	if cfg.Registry != nil {
		p.schemas = &schemas{core: c, topics: p.topics, registry: cfg.Registry}
		p.schemas.warn()
		c.working.Go(func() { p.schemas.run(c.ctx) })
	}
	c.working.Go(func() { c.cluster.Run(c.ctx) })
	c.working.Go(func() { p.sender.run(c.ctx) })
	return p, nil
}

// deadLetters is what dead letters need.
func (c *core) deadLetters() *deadletter.Config {
	return &deadletter.Config{
		Topic: c.cfg.DeadLetterTopic, Brokers: kafka.TCP(c.cfg.Brokers...), Kafka: c.cluster, Acks: kafka.RequiredAcks(c.cfg.Acks),
		Partition: c.cfg.Partitioner.of, Log: c.log, Notices: c.notices,
	}
}

// warnOfSecurity warns of what the configuration leaves open to others.
func (c *core) warnOfSecurity() {
	for _, w := range securityWarnings(&c.cfg) {
		args := slices.Concat(w.args, []any{"cure", w.cure})
		c.log.Warn(w.risk, args...) //nolint:sloglint // one of three constant texts
	}
}

// securityWarning is something that a configuration leaves open to others.
type securityWarning struct {
	risk, cure string
	args       []any
}

// securityWarnings are all of a configuration.
func securityWarnings(cfg *Config) []securityWarning {
	var all []securityWarning
	if cfg.TLS != nil && cfg.TLS.Insecure {
		all = append(all, securityWarning{
			risk: "the brokers' certificates are not checked: anybody on the way can read and change what is sent",
			cure: "name the authority that signs them in " + variable.TLSCAFile + ", and set " + variable.TLSInsecure + "=false",
		})
	}
	if cfg.SASL != nil && cfg.TLS == nil && cfg.SASL.SendsSecret() {
		all = append(all, securityWarning{
			risk: "brokers are sent the password or token without TLS: anybody on the way can read it",
			cure: "set " + variable.TLS + "=true, and brokers to a listener with TLS",
			args: []any{"mechanism", cfg.SASL.Mechanism},
		})
	}
	if cfg.SASL != nil && cfg.SASL.OAuth.TokenURL != "" && !cfg.SASL.OAuth.Encrypted() {
		all = append(all, securityWarning{
			risk: "the token URL is not https: anybody on the way can read the client secret",
			cure: "have the token endpoint serve https, and name that in " + variable.SASLOAuthTokenURL,
		})
	}
	return all
}

// Publish queues the records of pkt, which came from an exporter at the time received. It never
// waits for Kafka. When the budget has no room, all records of a packet of usual size are
// dropped and counted, and of a larger packet those from the first without room on; the error
// is then ErrBufferFull. After Close it is ErrClosed. Publish keeps no reference to pkt.
// Records of one exporter are delivered in the order of the calls, unless they are spread.
func (p *Publisher) Publish(from netip.AddrPort, received decoder.UnixNano, pkt *decoder.ExportPacket) error {
	if len(pkt.Records) == 0 {
		return nil
	}
	return p.routes.of(from.Addr()).publish(from, received, pkt)
}

// PublishDeadLetter queues a datagram that could not be decoded for the topic of dead
// letters, if there is one. The key is the exporter's address as text, the value the
// datagram, Kafka's timestamp the time of receipt; headers have the reason, receive_time
// (RFC 3339, nanoseconds) and exporter_port. Reasons must be a small fixed set. It never
// waits, and keeps no reference to datagram. What is over the limits is counted and
// dropped. A letter may be delivered more than once.
func (p *Publisher) PublishDeadLetter(from netip.AddrPort, received decoder.UnixNano, reason string, datagram []byte) {
	if p.letters != nil {
		p.letters.Offer(from, received, reason, datagram)
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
		BufferBytes:        p.budget.Bytes(),
		BufferLimitBytes:   p.budget.Limit(),
		BufferEnoughBytes:  p.shares.enough.Load(),
		Batches:            total.batches,
		BytesRaw:           total.raw,
		BytesWire:          total.wire,
		ProduceErrors:      p.failures.snapshot(),
		ProduceSeconds:     p.produceSeconds.snapshot(),
		TopicWarnings:      p.warnings(),
		Idempotent:         p.cluster.Idempotent(),
		ThrottleSeconds:    p.cluster.ThrottleSeconds(),
		Partitions:         partitions,
		PartitionsFailing:  total.failing,
		Unreached:          p.cluster.Problem() != nil,
		DeadLetters:        p.letters.Snapshot(),
		SchemasMissing:     p.schemas.missing(),
	}
	for _, reason := range DropReasons() {
		s.Dropped[reason] = total.dropped[reason]
	}
	return s
}

// count adds up what all topics counted.
func (p *Publisher) count() (total counts, partitions int) {
	for _, t := range p.topics {
		n, parts := t.count()
		total.add(&n)
		partitions += parts
	}
	return total, partitions
}

// warnings tells for each kind of topic warning whether it stands for any topic.
func (p *Publisher) warnings() map[string]bool {
	all := make(map[string]bool)
	for _, t := range p.topics {
		for kind, stands := range t.warnings.snapshot() {
			all[kind] = all[kind] || stands
		}
	}
	return all
}

// Missing lists what the first delivery still lacks, one item per string: each topic with its
// partitions, the id of its schema, a producer id. Once it has returned nothing it always will.
func (p *Publisher) Missing() []string {
	var missing []string
	for _, t := range p.topics {
		if s := t.seen.Load(); !s.known() {
			missing = append(missing, fmt.Sprintf("Kafka topic %q has not been reached: %s", t.name, failure.Sentence(s.problem)))
		}
		if s := t.schema.Load(); s != nil && s.problem != nil {
			missing = append(missing, fmt.Sprintf("the schema registry has given no id for subject %q: %v", t.subject(), s.problem))
		}
	}
	if missing == nil && !p.cluster.Sendable() {
		missing = append(missing, "Kafka has given no producer id yet")
	}
	return missing
}

// Stalled lists components that are stuck, one item per string. Waiting for a Kafka that does not
// answer is not being stuck.
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
	for _, t := range p.topics {
		t.flush()
	}
	p.awaitEmpty(ctx)
	p.letters.Close(ctx)
	p.cancel()
	p.working.Wait()
	p.letters.Discard()
	p.cluster.Close()
	shutdown, unconfirmed := p.discard()
	p.budget.Close()
	if shutdown+unconfirmed > 0 {
		return fmt.Errorf("%w: %d never reached Kafka, %d may have", ErrGivenUp, shutdown, unconfirmed)
	}
	return nil
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

// discard drops all that is left, when nothing else runs any more.
func (p *Publisher) discard() (shutdown, unconfirmed uint64) {
	before, _ := p.count()
	for _, t := range p.topics {
		t.discard()
	}
	after, _ := p.count()
	return after.dropped[DropShutdown] - before.dropped[DropShutdown],
		after.dropped[DropUnconfirmed] - before.dropped[DropUnconfirmed]
}
