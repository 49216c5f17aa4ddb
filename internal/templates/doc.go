// Package templates keeps the templates of NetFlow v9 and IPFIX in a Kafka topic, so that a
// process can decode from its first datagram on, by templates that other processes, or the one
// before, have learned.
//
// The files in the order of a template's way:
//
//	store.go    start and end
//	writer.go   from the table to the topic
//	form.go     keys and values
//	reader.go   from the topic to the table
//	batches.go  record batches, within bounds
//	check.go    the settings that the topic should have
//	stats.go    what is counted
//
// What is worth storing, and what a stored template may do, is decided by package
// decoder/template. The store has connections of its own: whatever becomes of its topic, flow
// records never wait for it.
package templates
