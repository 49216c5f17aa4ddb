// Package publisher delivers flow records to Kafka: to one topic, or to one for
// each network of exporters.
//
// A record counts as delivered only when the brokers acknowledge it, and a
// retry never repeats it. When the buffer's budget is used up the newest records
// are dropped and counted. What is in memory when the process dies is lost.
//
// In the order in which a record meets them:
//
//	publisher.go    New, Publish, Close: what belongs together
//	config.go       the configuration
//	core.go         what all parts share
//	route.go        an exporter's topic; networks.go what holds for an exporter
//	topic.go        all of one topic; target.go what the cluster says of it
//	layout.go       the topic's partitions, and what changes when there are more
//	partitioner.go  a key's partition; spread.go an exporter that several partitions share
//	stage.go        records whose partition is not known yet; chunk.go how they wait
//	partition.go    one partition: the batch being filled, how large it gets, and those
//	                that wait
//	pending.go      one batch, until its last attempt
//	sender.go       which batches go together, and when; broker.go how many at a time
//	request.go      one produce request; prepare.go what its batches still need;
//	                recordset.go their bytes, for the client
//	answer.go       what the broker's answer says of each batch
//	settle.go       what becomes of the batch then: done, dropped, or tried again after a
//	                pause; complaint.go what operators are told
//
// Beside the path:
//
//	watch.go        what the cluster tells; warnings.go settings that put flows at risk
//	schemas.go      the ids of schemas
//	check.go        whether all is there that a publisher would need, for flowpub -check
//	shares.go       who shares the memory
//	view.go         what is known of brokers and of what waits, for people
//	counters.go     counts of flows and failures; stats.go how they are told, and the
//	                reasons for which flows are dropped
//
// One lock order holds: a topic's changes, then moves from stages, then one partition
// or stage, then the budget.
//
// Rooms: batch and zstdframe (bytes), memory (buffers), cluster (connections), auth (TLS,
// SASL), answers (what brokers say is checked), failure (what errors mean), registry (ids
// of schemas), deadletter (datagrams that could not be decoded).
package publisher
