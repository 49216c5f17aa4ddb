package publisher

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/failure"
	"github.com/flowpub/flowpub/publisher/registry"
)

// schemas gets the id of each topic's schema from the registry. Until a topic has
// its own, its flow records wait in a stage as if nothing were known of its
// partitions.
type schemas struct {
	core     *core
	topics   []*topic
	registry *registry.Config
}

// awaitedSchema is the state of a topic whose values name a schema.
type awaitedSchema struct {
	id      uint32
	problem error // why there is no id; nil when there is
}

// errRegistryNotAsked is why there is no id that nobody has asked for.
var errRegistryNotAsked = errors.New("it has not been asked yet")

// subject is the name for the values of the topic in the registry.
func (t *topic) subject() string { return subjectOf(t.name) }

// subjectOf is the name for the values of a topic, as Confluent's own producers choose
// it.
func subjectOf(topic string) string { return topic + "-value" }

// framed reports whether it is known what the topic's values begin with.
func (t *topic) framed() bool {
	s := t.schema.Load()
	return s == nil || s.problem == nil
}

// framing is what the topic's values are made of.
func (t *topic) framing() batch.Framing {
	f := t.core.cfg.framing()
	if s := t.schema.Load(); s != nil {
		f.Schema = s.id
	}
	return f
}

// run asks until every topic has its id, or ctx ends.
func (s *schemas) run(ctx context.Context) {
	for s.ask(ctx) {
		timer := time.NewTimer(failure.SlowPause/2 + rand.N(failure.SlowPause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// ask asks once for each topic that has no id, and reports whether one is left
// without. What is wrong with the registry itself ends it.
func (s *schemas) ask(ctx context.Context) (left bool) {
	for _, t := range s.topics {
		if t.framed() {
			continue
		}
		id, err := s.registry.SchemaID(ctx, t.subject())
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			s.learn(t, id)
			continue
		}
		left = true
		if s.fail(t, err) {
			break
		}
	}
	return left
}

// learn notes a topic's id, and has its partitions looked at again: now they can
// be used.
func (s *schemas) learn(t *topic, id uint32) {
	t.schema.Store(&awaitedSchema{id: id})
	s.core.log.Info("the schema of the flow records is in the registry", "topic", t.name, "subject", t.subject(), "schema_id", id)
	s.core.cluster.Refresh()
}

// fail notes and tells why a topic has no id, and reports whether that holds for all
// that have none.
func (s *schemas) fail(t *topic, err error) (everywhere bool) {
	args := []any{"url", s.registry.URL, "subject", t.subject(), "error", err}
	everywhere = true
	if known, ok := errors.AsType[*registry.Error](err); ok { // else its text has the cure
		args = append(args, "cure", known.Cure)
		everywhere = !known.Refused()
	}
	for _, other := range s.topics {
		if other == t || everywhere && !other.framed() {
			other.schema.Store(&awaitedSchema{problem: err})
		}
	}
	s.core.notices.Warn("schema "+t.name, "the schema registry gives no id for the flow records' schema, trying again", args...)
	return everywhere
}

// warn tells of a password that everybody on the way can read.
func (s *schemas) warn() {
	if s.registry.Username != "" && !s.registry.Encrypted() {
		s.core.log.Warn("the password for the schema registry is sent without encryption", "url", s.registry.URL, "cure", "use https")
	}
}

// missing counts the topics without the id of their schema. s may be nil.
func (s *schemas) missing() int {
	if s == nil {
		return 0
	}
	n := 0
	for _, t := range s.topics {
		if !t.framed() {
			n++
		}
	}
	return n
}
