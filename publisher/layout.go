package publisher

import (
	"slices"

	"github.com/flowpub/flowpub/publisher/batch"
)

// layout says where a topic's records go. It is immutable but for its stages,
// which end one by one; the topic replaces it when its partitions are first
// known and when there are more of them.
type layout struct {
	generation  int
	partitioner Partitioner
	partitions  []*partition
	// framing is what values are made of. Where there are partitions it is whole:
	// what is in stages has none yet.
	framing batch.Framing
	// stages hold what must wait: at first, with no partitions, there is one,
	// for everything. Later there is one for each of the partitions there were
	// before; it takes the exporters that move away from it, until their last
	// records there are settled.
	stages []*stage
	moving bool // stages are for exporters that move
}

// partition returns where the records of a place belong.
func (l *layout) partition(at place) *partition {
	return l.partitions[at.partition(l.partitioner, len(l.partitions))]
}

// stage returns where the records of a place have to wait now; nil when
// they have not. A layout without partitions always has a stage for them; once
// that has ended it refuses them, and a newer layout is there.
func (l *layout) stage(at place) *stage {
	if len(l.stages) == 0 {
		return nil
	}
	before := at.partition(l.partitioner, len(l.stages))
	if l.moving && before == at.partition(l.partitioner, len(l.partitions)) {
		return nil
	}
	if s := l.stages[before]; !s.ended.Load() || len(l.partitions) == 0 {
		return s
	}
	return nil
}

// settled reports whether no stage holds anything any more.
func (l *layout) settled() bool {
	for _, s := range l.stages {
		if !s.ended.Load() {
			return false
		}
	}
	return true
}

// adopt makes the layout one of n partitions, if that is more than now. Until
// the last change has settled, and it is known what values begin with, nothing
// happens; the caller will ask again, and is the same goroutine for all topics.
func (t *topic) adopt(n int) {
	t.adopting.Lock()
	defer t.adopting.Unlock()
	old := t.layout.Load()
	if n <= len(old.partitions) || (len(old.partitions) > 0 && !old.settled()) || !t.framed() {
		return
	}
	next := &layout{
		generation:  old.generation + 1,
		partitioner: old.partitioner,
		partitions:  slices.Clip(old.partitions),
		framing:     t.framing(),
		stages:      old.stages,
		moving:      len(old.partitions) > 0,
	}
	if next.moving {
		next.stages = t.restage(len(old.partitions), false)
	}
	for i := len(old.partitions); i < n; i++ {
		next.partitions = append(next.partitions, newPartition(t, int32(i), next.generation))
	}
	t.layout.Store(next)
	t.shares.set(map[string]*layout{t.name: next})
	t.startDrains(old, next)
}

// startDrains empties the stages of the layout next, each once what its
// partition took under the layout before is settled.
func (t *topic) startDrains(old, next *layout) {
	if !next.moving {
		next.stages[0].mark(false)
		t.core.working.Go(func() { t.drain(next.stages[0], nil) })
		return
	}
	for i, part := range old.partitions {
		part.mu.Lock()
		part.generation = next.generation
		reached := part.markNow()
		part.mu.Unlock()
		t.core.working.Go(func() { t.drain(next.stages[i], reached) })
	}
}

// restage returns n new stages, which fail until they may empty themselves or not,
// in place of those that have ended, whose counts it keeps.
func (t *topic) restage(n int, failing bool) []*stage {
	t.moving.Lock()
	defer t.moving.Unlock()
	for _, s := range t.stages {
		t.past.add(&s.counts)
	}
	t.stages = make([]*stage, n)
	for i := range t.stages {
		t.stages[i] = newStage(t.core.budget, failing)
		t.stages[i].closed = t.flushing
	}
	return t.stages
}
