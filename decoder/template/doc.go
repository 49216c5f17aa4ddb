// Package template holds the templates of NetFlow v9 and IPFIX, and decodes data by them.
//
// Both formats describe their records in templates, which an exporter sends now and
// then. A [Table] holds those of all exporters, and what their options have told;
// a [Reader] decodes the sets of one packet after the other; a [Room] is where data
// sets wait whose template has not come yet.
//
// The files in the order of a packet's way:
//
//	reader.go      the sets of a packet: templates, options, data
//	definition.go  templates as they are exported
//	elements.go    the table of elements: what fills which field
//	selection.go   elements that are copied as they are
//	plan.go        what decoding a record takes
//	compile.go     from a definition to a plan
//	plans.go       equal definitions share a plan
//	record.go      a record of fixed length, by its plan
//	walk.go        a record of variable length made one of fixed length
//	options.go     what options records tell
//	sampling.go    how a record was sampled
//	table.go       templates by exporter, port, domain and id: learned, looked for, expired; limits
//	shard.go       a part of the table with a lock of its own
//	evict.go       who gives way when there is no room
//	recency.go     the order of their use
//	shared.go      what options have told, and what domains of an exporter agree on
//	stats.go       what is counted; summary.go what an exporter has
//	changes.go     what a store outside the process is told
//	restore.go     what such a store tells
//	waiting.go     data sets before their templates
//
// A collector has one Table and one Room, and a Reader for each goroutine that decodes.
// For a datagram it calls the Decode of netflow9 or ipfix with its Reader, and then
// looks at the Reader's Sets:
//
//   - each of Missing goes into the Room by [Room.Add], or is dropped if that has no room;
//   - if Learned is not empty, [Room.Take] returns the sets that have waited for it: each is
//     decoded by [Reader.Waited] into another packet, and published before the datagram's
//     own records, unless the reader's Sets say that it is missing still;
//   - a packet without records is a success: templates, options, or sets that wait.
//
// Now and then it calls [Table.Expire] and [Room.Expire], whose sets have no template.
//
// Everything is bounded, whatever exporters send: the limits are constants, those of templates and
// samplers in table.go, of what waits in waiting.go. The package has no clock and no goroutine. Moments are passed in, durations since
// any fixed one.
package template
