package cluster

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// The settings of a topic are read as the broker writes them; a refusal is told.
func TestSettings(t *testing.T) {
	t.Parallel()
	broker := startBroker(t)
	if err := broker.CreateTopic("odd", 1, map[string]string{"cleanup.policy": "compact,delete", "max.message.bytes": "5000"}); err != nil {
		t.Fatal(err)
	}
	l := newLink(t.Context(), &Config{Topics: []string{"odd"}}, new(auth.Credentials), new(answers.Checker), broker.ListenAddrs()[0])
	defer l.close()
	all, err := l.settings(t.Context(), []string{"odd", testTopic})
	if err != nil {
		t.Fatal(err)
	}
	const week = 7 * 24 * time.Hour // Kafka's default
	if got, want := all["odd"], (Settings{
		Replicas: 1, MinInsync: 1, MaxMessageBytes: 5000, InSync: 1, Compression: "producer", Compacted: true, Deleted: true, Retention: week,
		values: [5]string{"compact,delete", "1", "5000", "producer", "604800000"},
	}); got != want {
		t.Errorf("settings %+v, want %+v", got, want)
	}
	if all[testTopic].Compacted {
		t.Error("a topic that is deleted by age is called compacted")
	}
	broker.Fault(kfake.Fault{Resource: testTopic, Err: kerr.TopicAuthorizationFailed, Count: -1})
	all, err = l.settings(t.Context(), []string{testTopic})
	if err == nil {
		err = all[testTopic].Err
	}
	if !errors.Is(err, kafka.TopicAuthorizationFailed) {
		t.Errorf("error %v", err)
	}
	var s Settings
	if s.set("max.message.bytes", "many"); s.MaxMessageBytes != 0 {
		t.Errorf("a limit of %d was read from what is no number", s.MaxMessageBytes)
	}
}

// What a broker may know soon is asked for again soon; what somebody has to permit is not.
func TestUntilNextCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want time.Duration
	}{
		{nil, 10 * time.Minute},
		{kafka.TopicAuthorizationFailed, 10 * time.Minute},
		{kafka.UnknownTopicOrPartition, 5 * time.Second},
		{context.DeadlineExceeded, 5 * time.Second},
		{io.EOF, 5 * time.Second},
	} {
		if got := untilNextCheck(test.err); got != test.want {
			t.Errorf("after %v it is %v, want %v", test.err, got, test.want)
		}
	}
}
