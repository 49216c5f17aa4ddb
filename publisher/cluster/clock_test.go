package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/checkup"
)

// quorumOf encodes an answer by another client's package, without its size.
func quorumOf(change func(*kmsg.DescribeQuorumResponse)) []byte {
	r := kmsg.NewPtrDescribeQuorumResponse()
	r.Version = describeQuorumVersion
	follower := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	follower.ReplicaID, follower.LastFetchTimestamp = 1, 5
	leader := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
	leader.ReplicaID, leader.LastFetchTimestamp, leader.LastCaughtUpTimestamp = 3, 1_700_000_000_123, 1_700_000_000_123
	p := kmsg.NewDescribeQuorumResponseTopicPartition()
	p.LeaderID, p.CurrentVoters = 3, append(p.CurrentVoters, follower, leader)
	topic := kmsg.NewDescribeQuorumResponseTopic()
	topic.Topic, topic.Partitions = metadataTopic, append(topic.Partitions, p)
	r.Topics = append(r.Topics, topic)
	change(r)
	return append([]byte{0, 0, 0, 0, 0}, r.AppendTo(nil)...)
}

// The leader's own time is the controller's.
func TestLeaderTime(t *testing.T) {
	t.Parallel()
	valid := quorumOf(func(*kmsg.DescribeQuorumResponse) {})
	if got, err := leaderTime(valid); err != nil || !got.Equal(time.UnixMilli(1_700_000_000_123)) {
		t.Errorf("%v, %v", got, err)
	}
	for name, test := range map[string]struct {
		change func(*kmsg.DescribeQuorumResponse)
		want   error
	}{
		"an error":                {func(r *kmsg.DescribeQuorumResponse) { r.ErrorCode = int16(kafka.ClusterAuthorizationFailed) }, kafka.ClusterAuthorizationFailed},
		"an error of a partition": {func(r *kmsg.DescribeQuorumResponse) { r.Topics[0].Partitions[0].ErrorCode = int16(kafka.NotController) }, kafka.NotController},
		"no topic":                {func(r *kmsg.DescribeQuorumResponse) { r.Topics = nil }, errNoTime},
		"no partition":            {func(r *kmsg.DescribeQuorumResponse) { r.Topics[0].Partitions = nil }, errNoTime},
		"no leader":               {func(r *kmsg.DescribeQuorumResponse) { r.Topics[0].Partitions[0].LeaderID = -1 }, errNoTime},
		"no time": {func(r *kmsg.DescribeQuorumResponse) {
			r.Topics[0].Partitions[0].CurrentVoters[1].LastFetchTimestamp = -1
		}, errNoTime},
	} {
		if _, err := leaderTime(quorumOf(test.change)); !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
	}
	for n := range valid {
		leaderTime(valid[:n]) // must end
	}
}

func TestJudgeClock(t *testing.T) {
	t.Parallel()
	for offset, want := range map[time.Duration]checkup.Line{
		20 * time.Millisecond:   {Verdict: checkup.OK, Found: "it is 20ms ahead of that of Kafka's controller"},
		-time.Second:            {Verdict: checkup.OK, Found: "it is 1s behind that of Kafka's controller"},
		-2 * time.Hour:          {Verdict: checkup.Risk, Found: "it is 2h0m0s behind"},
		90 * time.Second:        {Verdict: checkup.Risk, Found: "it is 1m30s ahead of"},
		time.Hour + time.Second: {Verdict: checkup.Broken, Found: "brokers refuse messages from the future"},
	} {
		got := judgeClock("clock", &quorumAnswer{offset: offset, took: 10 * time.Millisecond})
		if got.Verdict != want.Verdict || !strings.Contains(got.Found, want.Found) || got.Verdict != checkup.OK && got.Cure == "" {
			t.Errorf("%v: %+v, want %+v", offset, got, want)
		}
	}
}
