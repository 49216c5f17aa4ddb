// Package collector joins listener, decoder and publisher: datagrams in, flow
// records out, and every one of them in the books.
//
// The files in the order of a datagram's way:
//
//	collector.go   the parts and how they are joined
//	config.go      the configuration; memory.go how much memory it may take
//	check.go       whether all is there that a collector would need, for flowpub -check
//	intake.go      one socket: allow list, decode, publish
//	formats.go     the formats, and which decoder is for which datagram
//	templates.go   data sets: those that wait for their templates, and what became of all
//	store.go       the topic for templates, for as long as the collector runs
//	samples.go     samples of sFlow, and what became of them
//	sources.go     what the numbers of sFlow's data sources tell
//	allow.go       who may send
//	ledger.go      what became of the datagrams
//	foreign.go     names of what else senders speak, where no decoder takes it
//	sequence.go    what one stream's flow sequence tells
//	streams.go     the bounded table of streams
//	exporters.go   the exporters behind the streams
//	survey.go      the regular look at all of them
//	accounts.go    what each exporter has sent, as surveys add it up
//	metered.go     which exporters have metrics of their own
//	refused.go     the bounded table of senders whose datagrams were refused
//	notices.go     what is logged about exporters, once and not too often
//	snapshot.go    all numbers at one moment
//	status.go      the same for people; monitor.go the last minutes of it
//	log.go         what is logged at the start
//	watch.go       what the numbers tell the operator, from second to second
//	losses.go      what is lost, since when, and that it has ended
//	outage.go      flows that wait for Kafka, and a buffer that fills
//	summary.go     a line now and then, on request
//	spell.go       when such a thing is worth a line of the log
//	health.go      the probes
//	shutdown.go    the end, in order
//
// Memory that a sender of UDP can make the collector use is bounded by constants:
// [maxStreams] streams, [sourcesOfStream] times as many data sources, [maxNotices]
// remembered log lines of each standing, the limits of package template, and one
// decoded packet a socket, which keeps the memory of [keptRecords] records.
package collector
