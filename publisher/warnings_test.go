package publisher

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/cluster"
)

func TestTopicWarnings(t *testing.T) {
	t.Parallel()
	good := cluster.Settings{Replicas: 3, MinInsync: 2, MaxMessageBytes: 1 << 20}
	tests := []struct {
		name   string
		change func(*cluster.Settings)
		acks   Acks
		want   []string
	}{
		{"good", func(*cluster.Settings) {}, AcksAll, nil},
		{"compacted", func(f *cluster.Settings) { f.Compacted = true }, AcksAll, []string{warnCompaction}},
		{"one replica", func(f *cluster.Settings) { f.Replicas, f.MinInsync = 1, 1 }, AcksAll, []string{warnOneReplica}},
		{"one in sync", func(f *cluster.Settings) { f.MinInsync = 1 }, AcksAll, []string{warnMinInsync}},
		{"one in sync, acks=1", func(f *cluster.Settings) { f.MinInsync = 1 }, AcksLeader, nil},
		{"small messages", func(f *cluster.Settings) { f.MaxMessageBytes = 100000 }, AcksAll, []string{warnMessageSize}},
		{"size not known", func(f *cluster.Settings) { f.MaxMessageBytes = 0 }, AcksAll, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts := good
			test.change(&facts)
			var got []string
			for _, w := range warningsOf(&facts, test.acks, 512<<10) {
				if w.stands {
					got = append(got, w.kind)
				}
				if w.risk == "" || w.cure == "" {
					t.Errorf("%s has no risk or cure", w.kind)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("warnings %v, want %v", got, test.want)
			}
		})
	}
}

// The settings of a real topic arrive, and a warning ends when its reason does.
func TestTopicIsChecked(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	if err := broker.CreateTopic("odd", 1, map[string]string{"cleanup.policy": "compact", "max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Topic = "odd" })
	eventually(t, 10*time.Second, "the topic is checked", func() bool { return p.topics[0].messageLimit.Load() == 5000 })
	// The embedded broker, being one, keeps one replica of everything.
	want := map[string]bool{warnCompaction: true, warnOneReplica: true, warnMinInsync: false, warnMessageSize: true}
	eventually(t, 5*time.Second, "the warnings stand", func() bool { return maps.Equal(p.Stats().TopicWarnings, want) })
	if p.topics[0].warnings.set(warnCompaction, true) || p.topics[0].warnings.set(warnCompaction, false) || !p.topics[0].warnings.set(warnCompaction, true) {
		t.Error("a warning is new only when it did not stand before")
	}
}

// A broker that does not know a new topic yet when it is asked for the settings is asked again soon.
func TestTopicIsCheckedAgain(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 1)
	broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.UnknownTopicOrPartition})
	p := startPublisher(t, broker.ListenAddrs(), nil)
	eventually(t, time.Minute, "the topic is checked", func() bool { return p.topics[0].messageLimit.Load() > 0 })
}

// Not being allowed to read the settings is no reason to warn.
func TestTopicCannotBeChecked(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	eventually(t, 10*time.Second, "the topic is checked", func() bool { return p.topics[0].messageLimit.Load() > 0 })
	p.topics[0].lowerMessageLimit(777)
	p.topics[0].lowerMessageLimit(888)
	if got := p.topics[0].messageLimit.Load(); got != 777 {
		t.Errorf("limit %d, want the lower of the two", got)
	}
	(&watch{topics: p.topics}).Check(testTopic, &cluster.Settings{Err: kafka.TopicAuthorizationFailed})
	if got := p.topics[0].messageLimit.Load(); got != 0 {
		t.Errorf("limit %d, want what was refused before to be tried again", got)
	}
}
