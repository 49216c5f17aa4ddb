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
)

// topicCheckInterval is how often the topic's settings are looked at.
const topicCheckInterval = 10 * time.Minute

// The kinds of kafka_topic_warnings.
const (
	warnCompaction  = "compaction"
	warnOneReplica  = "one_replica"
	warnMinInsync   = "min_insync_replicas"
	warnMessageSize = "max_message_bytes"
)

// topicWarnings is which of the topic's settings put flows at risk. It is safe
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

// topicFacts are the settings of the topic that matter here.
type topicFacts struct {
	replicas, minInsync, maxMessageBytes int
	compacted                            bool
}

// checkTopic looks at the topic's settings, as far as this user may, and warns
// of those that put flows at risk.
func (c *cluster) checkTopic(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	facts, err := c.topicFacts(ctx)
	if err != nil {
		// Whatever a broker refused meanwhile may be mended by now.
		c.messageLimit.Store(0)
		c.pub.log.Debug("cannot read the topic's settings", "topic", c.pub.cfg.Topic, "error", err)
		return
	}
	c.messageLimit.Store(int64(facts.maxMessageBytes))
	for _, w := range facts.warnings(c.pub.cfg.Acks, c.pub.cfg.BatchBytes) {
		if c.pub.warnings.set(w.kind, w.stands) {
			c.pub.log.Warn("the topic's settings put flows at risk: "+w.risk, //nolint:sloglint // one of four constant texts
				"topic", c.pub.cfg.Topic, "cure", w.cure)
		}
	}
}

// topicFacts asks the cluster.
func (c *cluster) topicFacts(ctx context.Context) (topicFacts, error) {
	var facts topicFacts
	topic := c.pub.cfg.Topic
	meta, err := c.link.Load().client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return facts, err
	}
	for _, t := range meta.Topics {
		for i := range t.Partitions {
			facts.replicas = max(facts.replicas, len(t.Partitions[i].Replicas))
		}
	}
	response, err := c.link.Load().client().DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic,
			ConfigNames:  []string{"cleanup.policy", "min.insync.replicas", "max.message.bytes"},
		}},
	})
	if err != nil {
		return facts, err
	}
	for _, r := range response.Resources {
		if r.Error != nil {
			return facts, r.Error
		}
		for _, e := range r.ConfigEntries {
			facts.set(e.ConfigName, e.ConfigValue)
		}
	}
	return facts, nil
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
			cure: fmt.Sprintf("set max.message.bytes=%d", MaxBatchBytes+batchHeaderSize),
		},
	}
}
