package cluster

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

const testTopic = "flows"

// startBroker runs an embedded cluster of one broker with the topic.
func startBroker(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, testTopic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
