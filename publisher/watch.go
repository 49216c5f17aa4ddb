package publisher

import (
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/deadletter"
	"github.com/flowpub/flowpub/publisher/failure"
)

// watch hands on what the cluster tells: to the topic that it is about, to the dead
// letters, to the sender. It is complete before the cluster is asked anything.
type watch struct {
	topics  []*topic
	letters *deadletter.Queue // nil when they are not wanted
	sender  *sender
}

// Learn is part of cluster.Observer.
func (w *watch) Learn(m *cluster.Topic) {
	if t := w.topic(m.Name); t != nil {
		t.learn(m)
	} else {
		w.letters.Learn(len(m.Leaders), m.Err, m.Cure)
	}
}

// Unreached is part of cluster.Observer.
func (w *watch) Unreached(err error) {
	w.sender.core.peers.fault(failure.Sentence(err), failure.Of(err).Cure)
	for _, t := range w.topics {
		t.unreached(err)
	}
}

// Check is part of cluster.Observer.
func (w *watch) Check(name string, s *cluster.Settings) { w.topic(name).judge(s) }

// Ready is part of cluster.Observer.
func (w *watch) Ready() { w.sender.poke() }

// topic returns one of those for flow records; nil if it is none.
func (w *watch) topic(name string) *topic {
	for _, t := range w.topics {
		if t.name == name {
			return t
		}
	}
	return nil
}
