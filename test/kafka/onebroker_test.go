//go:build kafka

package kafka_test

import "testing"

// TestOneBroker has all tests that stop no broker: one is enough for them, or
// the cluster that KAFKA_BROKERS names.
func TestOneBroker(t *testing.T) {
	t.Parallel()
	c := anyCluster(t)
	t.Run("CodecsAndAcks", c.codecsAndAcks)
	t.Run("Values", c.values)
	t.Run("BrokerCompressesAgain", c.brokerCompressesAgain)
	t.Run("BrokerStampsTime", c.brokerStampsTime)
	t.Run("PartitionsAsOthersChoose", c.partitionsAsOthersChoose)
	t.Run("TopicCreatedLater", c.topicCreatedLater)
	t.Run("TopicCreatedByPublisher", c.topicCreatedByPublisher)
	t.Run("TopicCannotBeCreated", c.topicCannotBeCreated)
	t.Run("TopicsAreApart", c.topicsAreApart)
	t.Run("DeadLetters", c.deadLetters)
	t.Run("TopicCreatedAnew", c.topicCreatedAnew)
	t.Run("PartitionsAdded", c.partitionsAdded)
	t.Run("Spread", c.spread)
	t.Run("SmallMessages", c.smallMessages)
	t.Run("TopicWarnings", c.topicWarnings)
	t.Run("TimeRefused", c.timeRefused)
	t.Run("ClientSlowedDown", c.clientSlowedDown)
	t.Run("TemplateTopicMissing", c.templateTopicMissing)
	t.Run("TemplateTopicNotCompacted", c.templateTopicNotCompacted)
	t.Run("TemplateTopicReplaced", c.templateTopicReplaced)
	t.Run("TemplatesWithoutEnd", c.templatesWithoutEnd)
	t.Run("TemplatesAmongGarbage", c.templatesAmongGarbage)
	t.Run("TemplatesOfTwoClusters", c.templatesOfTwoClusters)
}
