// Package tail reads flow records and shows them: as a table for people, as lines of
// JSON or CSV and as Parquet for programs, or as a list of who has most.
//
// It reads a Kafka topic, captures, or datagrams that exporters send to it. Of a topic
// it reads every partition, without a consumer group unless one is named: nothing is
// committed, and no other consumer is disturbed. Records of one partition are shown in
// their order; those of different partitions as they come.
//
// The files, in the path of a flow:
//
//	config.go     what to read and how to show it; position.go where to begin
//	tail.go       all of a run; sink.go what becomes of a message
//	kafka.go      the messages of a topic; offsets.go where they begin and end
//	connect.go    connections; login.go authentication; cures.go why there is none
//	datagrams.go  the messages of captures, and of exporters
//	layout.go     flows to text; columns.go and table.go for people; fields.go of JSON and CSV
//	printer.go    lines of text as an output
//	parquet.go    flows to a Parquet file
//	ranking.go    who has most, now and then
//	packets.go    datagrams as they are
//
// Its rooms: flow reads a message, wire makes messages of datagrams, filter says which flows
// are wanted, top adds them up, names has names for numbers, dissect shows a datagram.
package tail
