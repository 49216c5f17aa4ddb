package publisher

import (
	"fmt"
	"maps"
	"strconv"
	"sync"

	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// The kinds of kafka_topic_warnings.
const (
	warnCompaction  = "compaction"
	warnOneReplica  = "one_replica"
	warnMinInsync   = "min_insync_replicas"
	warnMessageSize = "max_message_bytes"
)

// topicWarnings is which of a topic's settings put flows at risk. It is safe
// for concurrent use.
type topicWarnings struct {
	mu       sync.Mutex
	standing map[string]bool
	last     []topicWarning // that were looked at
}

func newTopicWarnings() *topicWarnings {
	return &topicWarnings{standing: map[string]bool{
		warnCompaction: false, warnOneReplica: false, warnMinInsync: false, warnMessageSize: false,
	}}
}

// snapshot returns a copy.
func (w *topicWarnings) snapshot() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.standing)
}

// views returns those that stand, for people.
func (w *topicWarnings) views() (all []TopicWarning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.last {
		if w.last[i].stands {
			all = append(all, TopicWarning{Risk: w.last[i].risk, Cure: w.last[i].cure})
		}
	}
	return all
}

// keep notes all warnings that were looked at.
func (w *topicWarnings) keep(all []topicWarning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = all
}

// set notes whether a warning stands and reports whether it is new.
func (w *topicWarnings) set(kind string, stands bool) (isNew bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	isNew = stands && !w.standing[kind]
	w.standing[kind] = stands
	return isNew
}

// judge warns of settings that are new and put flows at risk.
func (t *topic) judge(s *cluster.Settings) {
	cfg := &t.core.cfg
	if s.Err != nil {
		// Whatever a broker refused meanwhile may be mended by now.
		t.messageLimit.Store(0)
		t.core.log.Debug("cannot read the topic's settings", "topic", t.name, "error", s.Err)
		return
	}
	t.messageLimit.Store(int64(s.MaxMessageBytes))
	all := warningsOf(s, cfg.Acks, cfg.BatchBytes)
	t.warnings.keep(all)
	for _, w := range all {
		if t.warnings.set(w.kind, w.stands) {
			t.core.log.Warn("the topic's settings put flows at risk: "+w.risk, //nolint:sloglint // one of four constant texts
				"topic", t.name, "cure", w.cure)
		}
	}
}

// topicWarning is a judgement on one setting.
type topicWarning struct {
	kind, risk, cure string
	stands           bool
}

// warningsOf judges the settings.
func warningsOf(s *cluster.Settings, acks Acks, batchBytes int) []topicWarning {
	return []topicWarning{
		{
			kind: warnCompaction, stands: s.Compacted,
			risk: "it is compacted, which keeps only the last flow of each exporter",
			cure: "set cleanup.policy=delete",
		},
		{
			kind: warnOneReplica, stands: s.Replicas == 1,
			risk: "it has one replica, and is lost with that broker's disk",
			cure: "reassign its partitions to three brokers",
		},
		{
			kind: warnMinInsync, stands: acks == AcksAll && s.Replicas > 1 && s.MinInsync == 1,
			risk: "min.insync.replicas is 1, so acks=all may mean one broker only",
			cure: "set min.insync.replicas=2",
		},
		{
			kind: warnMessageSize, stands: s.MaxMessageBytes > 0 && s.MaxMessageBytes < batchBytes,
			risk: "max.message.bytes is " + strconv.Itoa(s.MaxMessageBytes) + ", so batches are small and cost more",
			cure: fmt.Sprintf("set max.message.bytes=%d", MaxBatchBytes+batch.HeaderSize),
		},
	}
}
