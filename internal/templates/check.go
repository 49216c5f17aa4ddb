package templates

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// The kinds of warnings about the topic.
const (
	warnCleanup    = "template_cleanup"
	warnRetention  = "template_retention"
	warnReplicas   = "template_one_replica"
	warnPartitions = "template_partitions"
)

// leastRetention is the shortest safe retention: each template is written again within 20 hours.
const leastRetention = 48 * time.Hour

// topicSettings are those that the topic needs. Segments are small, since only closed ones are compacted.
// retention.bytes bounds what endless forged templates can fill.
func topicSettings() []cluster.Setting {
	return []cluster.Setting{
		{Name: "cleanup.policy", Value: "compact,delete"},
		{Name: "retention.ms", Value: "604800000"},
		{Name: "retention.bytes", Value: "268435456"},
		{Name: "segment.ms", Value: "3600000"},
		{Name: "segment.bytes", Value: "8388608"},
		{Name: "min.cleanable.dirty.ratio", Value: "0.1"},
		{Name: "max.message.bytes", Value: "1048588"},
	}
}

// warning is a judgement on one setting.
type warning struct {
	kind, risk, cure string
	stands           bool
}

// warningsOf judges the settings of the topic.
func warningsOf(topic string, set *cluster.Settings) []warning {
	alter := func(setting string) string {
		return fmt.Sprintf("kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s", topic, setting)
	}
	var policy []string
	if !set.Compacted {
		policy = append(policy, "is not compacted, so reading it takes ever longer")
	}
	if !set.Deleted {
		policy = append(policy, "never deletes the templates of exporters that are gone")
	}
	return []warning{
		{
			kind: warnCleanup, stands: policy != nil, risk: strings.Join(policy, ", and "),
			cure: alter("cleanup.policy=[compact,delete]"),
		},
		{
			kind: warnRetention, stands: set.Deleted && set.Retention > 0 && set.Retention < leastRetention,
			risk: fmt.Sprintf("keeps templates for %v only, and each is written again only once in most of a day", set.Retention),
			cure: alter("retention.ms=604800000"),
		},
		{
			kind: warnReplicas, stands: set.Replicas == 1,
			risk: "has one replica, and is lost with that broker's disk",
			cure: "reassign its partition to three brokers",
		},
	}
}

// Inspect checks the topic once: whether it exists, its settings, and what this user may do with it.
// It reads and writes no records.
func Inspect(ctx context.Context, cfg *Config, tell checkup.Tell) {
	cluster.InspectTopics(ctx, cfg.cluster(notice.New(cfg.Log)), tell, func(topic string, set *cluster.Settings) {
		for _, w := range warningsOf(topic, set) {
			if w.stands {
				tell.Risk("settings of topic "+topic, "it "+w.risk, w.cure)
			}
		}
	})
}

// Check is part of cluster.Observer: it warns once of each setting that puts templates at risk.
func (s *Store) Check(topic string, set *cluster.Settings) {
	if set.Err != nil {
		s.cfg.Log.Debug("cannot read the settings of the topic for templates", "topic", topic, "error", set.Err)
		return
	}
	for _, w := range warningsOf(topic, set) {
		s.warn(&w)
	}
}

// warn notes whether a warning stands, and logs it if it is new.
func (s *Store) warn(w *warning) {
	isNew := false
	s.counts.do(func() {
		isNew = w.stands && !s.counts.warnings[w.kind].stands
		s.counts.warnings[w.kind] = *w
	})
	if isNew {
		s.cfg.Log.Warn("the topic for templates is not as it should be: it "+w.risk, "topic", s.cfg.Topic, "cure", w.cure) //nolint:sloglint // one of a few texts
	}
}

// countPartitions warns if the topic has more than one.
func (s *Store) countPartitions(n int) {
	s.warn(&warning{
		kind: warnPartitions, stands: n > 1, risk: "has more than one partition, of which only the first is used",
		cure: "nothing has to be done; a new topic should have one",
	})
}
