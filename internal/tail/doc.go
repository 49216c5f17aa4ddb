// Package tail reads flow records from a Kafka topic and prints them: as a
// table for people, as JSON lines or as CSV for programs.
//
// It reads every partition, without a consumer group: nothing is committed, and
// no other consumer is disturbed. Records of one partition are printed in their
// order; those of different partitions as they come.
package tail
