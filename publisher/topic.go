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
	"github.com/flowpub/flowpub/publisher/failure"
)

// topic owns everything of one Kafka topic: where its records go, what the
// cluster says of it, and what has been counted. One that is missing or fails
// costs the others nothing but its share of the memory.
type topic struct {
	core   *core
	agenda agenda
	shares *shares
	target

	layout   atomic.Pointer[layout]
	adopting sync.Mutex // guards changes of layout, and flushing
	flushing bool       // new partitions do not wait for more records

	// moving is held while records go from a stage to a partition, so that no
	// snapshot sees them in both or in neither. It guards stages and past.
	moving sync.Mutex
	stages []*stage
	past   counts

	// schema is what the registry said; nil when values name no schema.
	schema   atomic.Pointer[awaitedSchema]
	warnings *topicWarnings
}

// newTopic returns a topic nothing is known of.
func newTopic(c *core, a agenda, s *shares, name string) *topic {
	t := &topic{core: c, agenda: a, shares: s, target: target{name: name}, warnings: newTopicWarnings()}
	t.seen.Store(&sighted{problem: errNotAsked})
	if c.cfg.Value == ValueConfluent {
		t.schema.Store(&awaitedSchema{problem: errRegistryNotAsked})
	}
	t.layout.Store(&layout{partitioner: c.cfg.Partitioner, framing: t.framing(), stages: t.restage(1, true)})
	return t
}

// publish queues a packet, or drops and counts it.
func (t *topic) publish(from netip.AddrPort, received decoder.UnixNano, pkt *decoder.ExportPacket) error {
	var e batch.Encoder
	for {
		l := t.layout.Load()
		e.Framing = l.framing
		e.Reset(from, received, pkt)
		at := t.core.placer.place(from, &pkt.Header, e.Key())
		var done bool
		var err error
		if s := l.stage(at); s != nil {
			done, err = s.append(at, &e)
		} else {
			done, err = l.partition(at).append(l, at, &e)
		}
		if done {
			return err
		}
	}
}

// learn takes over what the cluster says of the topic.
func (t *topic) learn(m *cluster.Topic) {
	if m.Err != nil {
		t.core.peers.fault(failure.Sentence(m.Err), m.Cure)
		gone := errors.Is(m.Err, kafka.UnknownTopicOrPartition)
		t.seen.Store(&sighted{leaders: t.seen.Load().leaders, problem: m.Err, gone: gone})
		t.core.notices.Warn("metadata "+t.name, "no metadata of the topic, trying again", "topic", t.name, "error", failure.Sentence(m.Err), "cure", m.Cure)
		return
	}
	t.seen.Store(&sighted{leaders: m.Leaders})
	if known := len(t.layout.Load().partitions); known > len(m.Leaders) {
		t.core.notices.Warn("fewer_partitions "+t.name, "the topic has fewer partitions than before: records for those that are gone cannot be delivered",
			"topic", t.name, "partitions", len(m.Leaders), "before", known, "cure", "restart this program; it learns the number anew")
	}
	t.adopt(len(m.Leaders))
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
// sent without waiting for more records.
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
