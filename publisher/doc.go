// Package publisher delivers flow records to Kafka: to one topic, or to one for
// each network of exporters.
//
// A record counts as delivered only when the brokers acknowledge it, and a
// retry never repeats it. When the buffer's budget is used up the newest packet
// is dropped and counted. What is in memory when the process dies is lost.
//
// The way of a record: [Publisher.Publish] finds its exporter's topic, and encodes
// it straight into the open batch of its partition there. The sender decides when the batch goes and
// with which others; it is sealed (compressed, completed with its header),
// stamped with a producer id and sequence numbers, and sent. What the broker
// answers, or fails to, decides whether it is delivered, sent again as it is,
// split, or given up, and is counted.
//
// Datagrams that held no flow record can go to a topic of their own, see
// [Publisher.PublishDeadLetter]; nothing of the above waits for them.
//
// The package writes its own record batches, see package batch, and leaves the rest of Kafka's
// protocol to kafka-go.
package publisher
