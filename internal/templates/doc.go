// Package templates keeps the templates of NetFlow v9 and IPFIX in a Kafka topic, so that a
// process decodes from its first datagram on what exporters have told to others, or to the
// one before.
//
// The files in the order of a template's way:
//
//	store.go    what runs, and ends
//	writer.go   what the table has learned goes into the topic
//	form.go     keys and values
//	reader.go   what the topic has goes into the table
//	batches.go  record batches, within bounds
//	check.go    what the topic should be like
//	stats.go    what is counted
//
// What is worth storing, and what a stored template may do, is decided by package
// decoder/template. The store has connections of its own: whatever becomes of its topic, flow
// records never wait for it.
package templates
