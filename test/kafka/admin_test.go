//go:build kafka

package kafka_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testwait"
)

// createTopic makes a topic replicated to all brokers (of ours; else as the
// cluster is configured) and returns its name, which no other run uses.
// config is pairs of a setting and its value.
func (c *cluster) createTopic(t *testing.T, name string, partitions int32, config ...string) string {
	t.Helper()
	name = newName(name)
	c.createNamed(t, name, partitions, config...)
	return name
}

// newName returns a name for a topic that no other test or run uses.
func newName(name string) string {
	return fmt.Sprintf("flowpub-test-%s-%d", name, time.Now().UnixNano())
}

func (c *cluster) createNamed(t *testing.T, name string, partitions int32, config ...string) {
	t.Helper()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, -1
	for i := 0; i < len(config); i += 2 {
		setting := kmsg.NewCreateTopicsRequestTopicConfig()
		setting.Name, setting.Value = config[i], &config[i+1]
		topic.Configs = append(topic.Configs, setting)
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", name, err)
	}
}

func (c *cluster) deleteTopic(t *testing.T, name string) {
	t.Helper()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Topics, request.TopicNames = append(request.Topics, topic), []string{name}
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("deleting topic %s: %v", name, err)
	}
}

// setTopic changes a setting of a topic that exists.
func (c *cluster) setTopic(t *testing.T, name, key, value string) {
	t.Helper()
	setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	setting.Name, setting.Value, setting.Op = key, &value, kmsg.IncrementalAlterConfigOpSet
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, name
	resource.Configs = append(resource.Configs, setting)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Resources[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("setting %s of topic %s: %v", key, name, err)
	}
}

// addPartitions makes the topic one of n partitions.
func (c *cluster) addPartitions(t *testing.T, name string, n int32) {
	t.Helper()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, n
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("adding partitions to topic %s: %v", name, err)
	}
}

// retried repeats a request until it succeeds, as long as the brokers call its
// failure a passing one: not all of them learn of a change at the same time.
func retried(t *testing.T, what string, request func() error) {
	t.Helper()
	var err error
	testwait.Until(t, 30*time.Second, what, func() bool {
		err = request()
		return err == nil || !kerr.IsRetriable(err)
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// partitions returns the cluster's metadata of a topic's partitions, by number.
func (c *cluster) partitions(t *testing.T, name string) []kmsg.MetadataResponseTopicPartition {
	t.Helper()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, topic)
	var sorted []kmsg.MetadataResponseTopicPartition
	retried(t, "metadata of topic "+name, func() error {
		response, err := request.RequestWith(t.Context(), c.admin)
		if err != nil {
			return err
		}
		sorted = make([]kmsg.MetadataResponseTopicPartition, len(response.Topics[0].Partitions))
		for _, p := range response.Topics[0].Partitions {
			sorted[p.Partition] = p
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	})
	return sorted
}

// awaitInSync waits until all replicas of a topic are in sync.
func (c *cluster) awaitInSync(t *testing.T, name string) {
	t.Helper()
	testwait.Until(t, 60*time.Second, "all replicas are in sync", func() bool {
		return !slices.ContainsFunc(c.partitions(t, name), func(p kmsg.MetadataResponseTopicPartition) bool {
			return len(p.ISR) < len(p.Replicas)
		})
	})
}

// limit has the brokers slow a client down to so many bytes a second.
func (c *cluster) limit(t *testing.T, clientID string, bytesPerSecond float64) {
	t.Helper()
	who := kmsg.NewAlterClientQuotasRequestEntryEntity()
	who.Type, who.Name = "client-id", &clientID
	what := kmsg.NewAlterClientQuotasRequestEntryOp()
	what.Key, what.Value = "producer_byte_rate", bytesPerSecond
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity, entry.Ops = append(entry.Entity, who), append(entry.Ops, what)
	request := kmsg.NewPtrAlterClientQuotasRequest()
	request.Entries = append(request.Entries, entry)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Entries[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("limiting client %s: %v", clientID, err)
	}
}

// producers counts the producer ids that the brokers know of a partition.
func (c *cluster) producers(t *testing.T, name string, partition int32) int {
	t.Helper()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = name, []int32{partition}
	request := kmsg.NewPtrDescribeProducersRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("producers of topic %s: %v", name, err)
	}
	return len(response.Topics[0].Partitions[0].ActiveProducers)
}

// leader returns the broker that leads a partition; -1 when there is none.
func (c *cluster) leader(t *testing.T, name string, partition int32) int32 {
	t.Helper()
	return c.partitions(t, name)[partition].Leader
}

// moveLeader makes another replica of a partition its leader, and returns when
// the brokers say that it is.
func (c *cluster) moveLeader(t *testing.T, name string, partition int32) {
	t.Helper()
	was := c.partitions(t, name)[partition]
	c.reassign(t, name, partition, append(was.Replicas[1:], was.Replicas[0]))
	topic := kmsg.NewElectLeadersRequestTopic()
	topic.Topic, topic.Partitions = name, []int32{partition}
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.Topics = append(elect.Topics, topic)
	testwait.Until(t, 20*time.Second, "another replica leads", func() bool {
		if _, err := elect.RequestWith(t.Context(), c.admin); err != nil {
			t.Fatalf("electing a leader of topic %s: %v", name, err)
		}
		now := c.leader(t, name, partition)
		return now >= 0 && now != was.Leader
	})
}

// reassign gives a partition's replicas another order; the first is the one that
// should lead.
func (c *cluster) reassign(t *testing.T, name string, partition int32, replicas []int32) {
	t.Helper()
	p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	p.Partition, p.Replicas = partition, replicas
	topic := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	topic.Topic, topic.Partitions = name, append(topic.Partitions, p)
	request := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), c.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("reassigning topic %s: %v", name, err)
	}
}

// ends returns the offset after the last message of each partition.
func (c *cluster) ends(t *testing.T, name string) []int64 {
	t.Helper()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = name
	for number := range c.partitions(t, name) {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = int32(number), -1 // the latest
		topic.Partitions = append(topic.Partitions, p)
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	request.Topics = append(request.Topics, topic)
	ends := make([]int64, len(topic.Partitions))
	retried(t, "offsets of topic "+name, func() error {
		response, err := request.RequestWith(t.Context(), c.admin)
		if err != nil {
			return err
		}
		for _, p := range response.Topics[0].Partitions {
			ends[p.Partition] = p.Offset
			err = errors.Join(err, kerr.ErrorForCode(p.ErrorCode))
		}
		return err
	})
	return ends
}

func sum(numbers []int64) int64 {
	var total int64
	for _, n := range numbers {
		total += n
	}
	return total
}
