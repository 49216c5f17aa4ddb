// Package sink is a Kafka broker that keeps nothing: it acknowledges every
// record batch and counts what is in it, by its header alone. It takes a small
// part of the processor time of a broker, so that on one machine a benchmark
// measures the producer and not what is at the other end.
//
// It serves what kafka-go and sarama ask for: ApiVersions, Metadata,
// InitProducerId, Produce (versions 3 to 8), DescribeConfigs and CreateTopics.
// Any other request ends the connection. It does not check checksums, sequence
// numbers or what is in a batch: tests of correctness need a broker that does.
//
//	sink.go     the broker, and what it counts
//	session.go  one connection: requests, answers
//	respond.go  what is answered to all but Produce
//	produce.go  Produce: the headers of batches
package sink
