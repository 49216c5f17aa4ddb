package cluster

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describeconfigs"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/flowpub/flowpub/publisher/failure"
)

// checkInterval is how often a topic's settings are looked at, checkPause how long after
// an attempt that failed by chance.
const (
	checkInterval = 10 * time.Minute
	checkPause    = 5 * time.Second
)

// Settings are those of a topic that matter to whoever publishes, or why they cannot
// be read.
type Settings struct {
	Err error
	// Replicas, MinInsync and MaxMessageBytes are 0 where they are not known.
	Replicas, MinInsync, MaxMessageBytes int
	// InSync is how many replicas of a partition are in sync, where there are fewest; -1
	// where that is not known.
	InSync int
	// Compression is what brokers compress by; producer: nothing, it stays as it comes.
	Compression string
	// Compacted: of each key only the last message is kept. Deleted: what is older than
	// Retention goes; that is negative for ever, and 0 if it is not known.
	Compacted, Deleted bool
	Retention          time.Duration

	values [len(settingNames)]string
}

// settingNames are the settings that are asked for.
var settingNames = [...]string{"cleanup.policy", "min.insync.replicas", "max.message.bytes", "compression.type", "retention.ms"}

// text lists the settings, and how many replicas there are.
func (s *Settings) text() string {
	texts := []string{count(s.Replicas, "replica")}
	if s.InSync >= 0 {
		texts = append(texts, fmt.Sprintf("at least %d in sync", s.InSync))
	}
	for i, name := range settingNames {
		if s.values[i] != "" {
			texts = append(texts, name+"="+s.values[i])
		}
	}
	return strings.Join(texts, ", ")
}

// checkTopics reads the settings of the topics whose turn it is, as far as this user may.
func (c *Cluster) checkTopics(ctx context.Context) {
	var due []string
	for _, name := range c.cfg.Topics {
		if at, reached := c.nextCheck[name]; reached && time.Until(at) <= 0 {
			due = append(due, name)
		}
	}
	if len(due) > 0 {
		c.check(ctx, due)
	}
}

func (c *Cluster) check(ctx context.Context, topics []string) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	all, err := c.link.Load().settings(ctx, topics)
	for _, name := range topics {
		s := all[name]
		if err != nil {
			s.Err = err
		}
		c.nextCheck[name] = time.Now().Add(untilNextCheck(s.Err))
		c.observer.Check(name, &s)
	}
}

// untilNextCheck is how long until the next check, after an error or none. A broker that was away,
// or did not know a new topic yet, is asked again soon; what somebody has to permit is asked for
// later.
func untilNextCheck(err error) time.Duration {
	if err == nil || failure.Of(err).Slow {
		return checkInterval
	}
	return checkPause
}

// settings asks for the settings of topics, by name.
func (l *link) settings(ctx context.Context, topics []string) (map[string]Settings, error) {
	request := new(describeconfigs.Request)
	for _, name := range topics {
		request.Resources = append(request.Resources, describeconfigs.RequestResource{
			ResourceType: int8(kafka.ResourceTypeTopic),
			ResourceName: name,
			ConfigNames:  settingNames[:],
		})
	}
	meta, err := l.metadata(ctx, topics)
	if err != nil {
		return nil, err
	}
	answer, err := exchange[*describeconfigs.Response](ctx, l, request)
	if err != nil {
		return nil, err
	}
	all := make(map[string]Settings, len(topics))
	for _, r := range answer.Resources {
		s := Settings{Err: l.secret.Discreet(failure.Code(r.ErrorCode, r.ErrorMessage))}
		for _, e := range r.ConfigEntries {
			s.set(e.ConfigName, e.ConfigValue)
		}
		all[r.ResourceName] = s
	}
	for _, t := range meta.Topics {
		s := all[t.Name]
		s.InSync = fewestInSync(t.Partitions)
		for i := range t.Partitions {
			s.Replicas = max(s.Replicas, len(t.Partitions[i].ReplicaNodes))
		}
		all[t.Name] = s
	}
	return all, nil
}

// fewestInSync is how many replicas are in sync where there are fewest. Partitions without
// a leader have another fault; if there are no others, it is -1.
func fewestInSync(partitions []metadata.ResponsePartition) int {
	fewest := -1
	for i := range partitions {
		if p := &partitions[i]; p.LeaderID >= 0 && (fewest < 0 || len(p.IsrNodes) < fewest) {
			fewest = len(p.IsrNodes)
		}
	}
	return fewest
}

// set takes over one setting; a number that is none stays 0, as not known.
func (s *Settings) set(name, value string) {
	if i := slices.Index(settingNames[:], name); i >= 0 {
		s.values[i] = value
	}
	switch name {
	case "compression.type":
		s.Compression = value
	case "cleanup.policy":
		s.Compacted, s.Deleted = strings.Contains(value, "compact"), strings.Contains(value, "delete")
	case "retention.ms":
		ms, _ := strconv.ParseInt(value, 10, 64)
		s.Retention = time.Duration(max(-1, min(ms, math.MaxInt64/int64(time.Millisecond)))) * time.Millisecond
	case "min.insync.replicas":
		s.MinInsync, _ = strconv.Atoi(value)
	case "max.message.bytes":
		s.MaxMessageBytes, _ = strconv.Atoi(value)
	}
}
