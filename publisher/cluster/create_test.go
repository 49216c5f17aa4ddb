package cluster

import (
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/publisher/failure"
)

func TestTopicShapeText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want TopicShape
		ok   bool
	}{
		{"12,3", TopicShape{12, 3}, true},
		{" 1 , 1 ", TopicShape{1, 1}, true},
		{"12", TopicShape{}, false},
		{"12,", TopicShape{}, false},
		{"0,3", TopicShape{}, false},
		{"12,-1", TopicShape{}, false},
		{"12,3,2", TopicShape{}, false},
		{"", TopicShape{}, false},
	}
	for _, tt := range tests {
		var got TopicShape
		if err := got.UnmarshalText([]byte(tt.text)); (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%q: %v, error %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for shape, want := range map[TopicShape]string{{}: "", {12, 3}: "12,3"} {
		if got, err := shape.MarshalText(); string(got) != want || err != nil {
			t.Errorf("%v as text is %q, error %v; want %q", shape, got, err, want)
		}
	}
}

// The command is one that Kafka's own tool takes, for the cluster there is.
func TestCommandForMissingTopic(t *testing.T) {
	t.Parallel()
	const create = "kafka-topics.sh --bootstrap-server a:9092,b:9093 --create --topic flows"
	c := Config{Brokers: []string{"a:9092", "b:9093"}}
	for brokers, want := range map[int]string{
		1: "create it: " + create + " --partitions 12 --replication-factor 1 --config cleanup.policy=delete; or set FLOWPUB_KAFKA_CREATE_TOPIC=12,1 to have it created",
		5: "create it: " + create + " --partitions 12 --replication-factor 3 --config cleanup.policy=delete --config min.insync.replicas=2; " +
			"or set FLOWPUB_KAFKA_CREATE_TOPIC=12,3 to have it created",
	} {
		if got := c.missingCure("flows", brokers); got != want {
			t.Errorf("%d brokers:\n got %s\nwant %s", brokers, got, want)
		}
	}
	c.CreateTopic = TopicShape{24, 2}
	want := "it is being created, as FLOWPUB_KAFKA_CREATE_TOPIC asks for; or run: " + create +
		" --partitions 24 --replication-factor 2 --config cleanup.policy=delete"
	if got := c.missingCure("flows", 5); got != want {
		t.Errorf("to be created:\n got %s\nwant %s", got, want)
	}
}

func TestCreationCure(t *testing.T) {
	t.Parallel()
	c := Config{Brokers: []string{"a:9092"}, CreateTopic: TopicShape{12, 3}}
	for err, want := range map[error]string{
		kafka.TopicAuthorizationFailed:    "allow this user CREATE on the topic, or run as one who may: kafka-topics.sh ",
		kafka.InvalidReplicationFactor:    "1 brokers are there: set a replication of at most that in FLOWPUB_KAFKA_CREATE_TOPIC",
		kafka.PolicyViolation:             "the brokers' rules refuse it: change FLOWPUB_KAFKA_CREATE_TOPIC",
		kafka.Unknown:                     failure.Of(kafka.Unknown).Cure,
		kafka.InvalidReplicaAssignment:    "look at the controller's log, or run: kafka-topics.sh ",
		&failure.Error{Kind: failure.DNS}: failure.DNS.Cure,
	} {
		if got := c.creationCure(err, "flows", 1); !strings.HasPrefix(got, want) {
			t.Errorf("the cure is %q, want %q", got, want)
		}
	}
}
