// Package broker is a Kafka-protocol broker inside the process, for the demo
// and for tests: twmb/franz-go's kfake with one node and one topic.
//
// Producers, consumers and tools of any kind can use it over TCP as they use a
// broker of Kafka 4. It replicates nothing, keeps records in memory and forgets
// the oldest, and is gone with the process: flowpub itself never links it.
package broker
