// Package tail reads flow records from a Kafka topic and prints them: as a
// table for people, as JSON lines or as CSV for programs.
//
// It reads every partition, without a consumer group: nothing is committed, and
// no other consumer is disturbed. Records of one partition are printed in their
// order; those of different partitions as they come.
//
// The files, in the path of a flow:
//
//	config.go     what to read and how to print it
//	tail.go       all of a run
//	connect.go    connections; cures.go why there is none
//	source.go     the messages of all partitions
//	flow.go       a message decoded
//	filter.go     which flows are wanted
//	printer.go    flows to lines, not more than are asked for
//	layout.go     the formats; table.go of people; fields.go of JSON and CSV
//	described.go  fields that only some formats of export have, by their descriptors
//	names.go      names of protocols, flags, anomalies
package tail
