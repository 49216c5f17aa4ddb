package publisher

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"

	"github.com/flowpub/flowpub/publisher/batch"
	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// topicCheckInterval is how often a topic's settings are looked at.
const topicCheckInterval = 10 * time.Minute

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

// set notes whether a warning stands and tells whether it is new.
func (w *topicWarnings) set(kind string, stands bool) (isNew bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	isNew = stands && !w.standing[kind]
	w.standing[kind] = stands
	return isNew
}

// topicFacts are the settings of a topic that matter here, or why they cannot be
// read.
type topicFacts struct {
	err                                  error
	replicas, minInsync, maxMessageBytes int
	compacted                            bool
}

// checkTopics looks at the settings of the topics whose turn it is, as far as
// this user may, and warns of those that put flows at risk.
func (c *cluster) checkTopics(ctx context.Context) {
	var due []*topic
	for _, t := range c.pub.topics {
		if t.seen.Load().known() && time.Since(t.checked) > topicCheckInterval {
			t.checked = time.Now()
			due = append(due, t)
		}
	}
	if len(due) > 0 {
		c.check(ctx, due)
	}
}

func (c *cluster) check(ctx context.Context, topics []*topic) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	all, err := c.link.Load().facts(ctx, topics)
	for _, t := range topics {
		facts := all[t.name]
		if err != nil {
			facts.err = err
		}
		t.judge(&facts)
	}
}

// judge warns of settings that are new and put flows at risk.
func (t *topic) judge(facts *topicFacts) {
	cfg := &t.pub.cfg
	if facts.err != nil {
		// Whatever a broker refused meanwhile may be mended by now.
		t.messageLimit.Store(0)
		t.pub.log.Debug("cannot read the topic's settings", "topic", t.name, "error", facts.err)
		return
	}
	t.messageLimit.Store(int64(facts.maxMessageBytes))
	for _, w := range facts.warnings(cfg.Acks, cfg.BatchBytes) {
		if t.warnings.set(w.kind, w.stands) {
			t.pub.log.Warn("the topic's settings put flows at risk: "+w.risk, //nolint:sloglint // one of four constant texts
				"topic", t.name, "cure", w.cure)
		}
	}
}

// facts asks the cluster for the settings of topics, by name.
func (l *link) facts(ctx context.Context, topics []*topic) (map[string]topicFacts, error) {
	request := new(describeconfigs.Request)
	var names []string
	for _, t := range topics {
		names = append(names, t.name)
		request.Resources = append(request.Resources, describeconfigs.RequestResource{
			ResourceType: int8(kafka.ResourceTypeTopic),
			ResourceName: t.name,
			ConfigNames:  []string{"cleanup.policy", "min.insync.replicas", "max.message.bytes"},
		})
	}
	meta, err := l.metadata(ctx, names)
	if err != nil {
		return nil, err
	}
	settings, err := exchange[*describeconfigs.Response](ctx, l, request)
	if err != nil {
		return nil, err
	}
	all := make(map[string]topicFacts, len(topics))
	for _, r := range settings.Resources {
		facts := topicFacts{err: l.secret.Discreet(kinds.Code(r.ErrorCode, r.ErrorMessage))}
		for _, e := range r.ConfigEntries {
			facts.set(e.ConfigName, e.ConfigValue)
		}
		all[r.ResourceName] = facts
	}
	for _, t := range meta.Topics {
		facts := all[t.Name]
		for i := range t.Partitions {
			facts.replicas = max(facts.replicas, len(t.Partitions[i].ReplicaNodes))
		}
		all[t.Name] = facts
	}
	return all, nil
}

// set takes over one setting; a number that is none stays 0, as not known.
func (f *topicFacts) set(name, value string) {
	switch name {
	case "cleanup.policy":
		f.compacted = strings.Contains(value, "compact")
	case "min.insync.replicas":
		f.minInsync, _ = strconv.Atoi(value)
	case "max.message.bytes":
		f.maxMessageBytes, _ = strconv.Atoi(value)
	}
}

// topicWarning is a judgement on one setting.
type topicWarning struct {
	kind, risk, cure string
	stands           bool
}

// warnings judges the settings.
func (f *topicFacts) warnings(acks Acks, batchBytes int) []topicWarning {
	return []topicWarning{
		{
			kind: warnCompaction, stands: f.compacted,
			risk: "it is compacted, which keeps only the last flow of each exporter",
			cure: "set cleanup.policy=delete",
		},
		{
			kind: warnOneReplica, stands: f.replicas == 1,
			risk: "it has one replica, and is lost with that broker's disk",
			cure: "reassign its partitions to three brokers",
		},
		{
			kind: warnMinInsync, stands: acks == AcksAll && f.replicas > 1 && f.minInsync == 1,
			risk: "min.insync.replicas is 1, so acks=all may mean one broker only",
			cure: "set min.insync.replicas=2",
		},
		{
			kind: warnMessageSize, stands: f.maxMessageBytes > 0 && f.maxMessageBytes < batchBytes,
			risk: "max.message.bytes is " + strconv.Itoa(f.maxMessageBytes) + ", so batches are small and cost more",
			cure: fmt.Sprintf("set max.message.bytes=%d", MaxBatchBytes+batch.HeaderSize),
		},
	}
}
