package publisher

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// topic owns everything of one Kafka topic: where its records go, what the
// cluster says of it, and what has been counted. One that is missing or fails
// costs the others nothing but its share of the memory.
type topic struct {
	pub  *Publisher
	name string

	layout   atomic.Pointer[layout]
	adopting sync.Mutex // guards changes of layout, and flushing
	flushing bool       // new partitions let nothing wait for company

	// moving is held while records go from a stage to a partition, so that no
	// snapshot sees them in both or in neither. It guards stages and past.
	moving sync.Mutex
	stages []*stage
	past   counts

	// schema is what the registry said; nil when values name no schema.
	schema atomic.Pointer[awaitedSchema]
	// seen is what the cluster last said of the topic.
	seen atomic.Pointer[sighted]
	// messageLimit is the largest record batch the topic takes, in bytes, as
	// far as known; else 0.
	messageLimit atomic.Int64
	warnings     *topicWarnings
}

// sighted is what is known of a topic in the cluster. It is immutable.
type sighted struct {
	// leaders are the broker ids of the partitions' leaders, as last known, -1
	// where there is none; nil until they are first known.
	leaders []int32
	// problem is why its metadata could not be had when last asked for.
	problem error
	// gone: the cluster says that there is no such topic.
	gone bool
}

// errNotAsked is why a topic is not known that nobody has asked about.
var errNotAsked = errors.New("publisher: no broker has been asked yet")

// newTopic returns a topic nothing is known of.
func newTopic(p *Publisher, name string) *topic {
	t := &topic{pub: p, name: name, warnings: newTopicWarnings()}
	t.seen.Store(&sighted{problem: errNotAsked})
	if p.cfg.Value == ValueConfluent {
		t.schema.Store(&awaitedSchema{problem: errRegistryNotAsked})
	}
	t.layout.Store(&layout{partitioner: p.cfg.Partitioner, framing: t.framing(), stages: t.restage(1, true)})
	return t
}

// publish queues a packet, or drops and counts it.
func (t *topic) publish(from netip.AddrPort, received decoder.UnixNano, pkt *decoder.ExportPacket) error {
	var e batch.Encoder
	for {
		l := t.layout.Load()
		e.Framing = l.framing
		e.Reset(from, received, pkt)
		hash := l.partitioner.hash(e.Key())
		var done bool
		var err error
		if s := l.stage(hash); s != nil {
			done, err = s.append(hash, &e)
		} else {
			done, err = l.partition(hash).append(l, hash, &e)
		}
		if done {
			return err
		}
	}
}

// known tells whether the topic was ever reached.
func (s *sighted) known() bool { return s.leaders != nil }

// leader returns the broker that leads a partition.
func (s *sighted) leader(partition int32) (id int32, err error) {
	switch {
	case s.gone:
		return 0, s.problem
	case int(partition) >= len(s.leaders) || s.leaders[partition] < 0:
		return 0, errNoLeader
	}
	return s.leaders[partition], nil
}

// unreached notes why the cluster could not be asked. What was known stays.
func (t *topic) unreached(problem error) {
	before := t.seen.Load()
	t.seen.Store(&sighted{leaders: before.leaders, problem: problem, gone: before.gone})
}

// learn takes over what the cluster says of the topic.
func (t *topic) learn(m *cluster.Topic) {
	if m.Err != nil {
		gone := errors.Is(m.Err, kafka.UnknownTopicOrPartition)
		t.seen.Store(&sighted{leaders: t.seen.Load().leaders, problem: m.Err, gone: gone})
		t.pub.notices.Warn("metadata "+t.name, "no metadata of the topic, trying again", "topic", t.name, "error", sentence(m.Err), "cure", m.Cure)
		return
	}
	t.seen.Store(&sighted{leaders: m.Leaders})
	if known := len(t.layout.Load().partitions); known > len(m.Leaders) {
		t.pub.notices.Warn("fewer_partitions "+t.name, "the topic has fewer partitions than before: records for those that are gone cannot be delivered",
			"topic", t.name, "partitions", len(m.Leaders), "before", known, "cure", "restart this program; it learns the number anew")
	}
	t.adopt(len(m.Leaders))
}

// lowerMessageLimit notes that the topic takes no batch larger than n bytes.
func (t *topic) lowerMessageLimit(n int) {
	for {
		known := t.messageLimit.Load()
		if known > 0 && known <= int64(n) || t.messageLimit.CompareAndSwap(known, int64(n)) {
			return
		}
	}
}

// count adds up what all partitions and stages counted.
func (t *topic) count() (total counts, partitions int) {
	t.moving.Lock()
	defer t.moving.Unlock()
	total = t.past
	for _, s := range t.stages {
		s.mu.Lock()
		total.add(&s.counts)
		s.mu.Unlock()
	}
	all := t.layout.Load().partitions
	for _, part := range all {
		part.mu.Lock()
		total.add(&part.counts)
		if part.fails() && part.counts.buffered > 0 {
			total.failing++
		}
		part.mu.Unlock()
	}
	return total, len(all)
}

// flush closes all stages and partitions to new records, and has everything
// sent without waiting for company.
func (t *topic) flush() {
	t.adopting.Lock() // no partition may come into being unnoticed
	t.flushing = true
	l := t.layout.Load()
	t.adopting.Unlock()
	for _, s := range l.stages {
		s.close()
	}
	for _, part := range l.partitions {
		part.flush()
	}
}

// discard drops all that is left, when nothing else runs any more.
func (t *topic) discard() {
	for _, s := range t.stages {
		s.discard()
	}
	for _, part := range t.layout.Load().partitions {
		part.discard()
	}
}
