// Package demo runs everything in one process, for a first look: an embedded
// Kafka-protocol broker, the collector, exporters of synthetic flows, and a
// consumer that prints what arrives in the topic.
//
// The parts are those of the real programs and meet over UDP and TCP on
// loopback, so that others can join: routers as exporters, any Kafka client as
// a consumer. In the end the ledger is printed, and compared with what the
// broker got.
//
//	config.go  what is shown
//	demo.go    all of it, from start to end
//	start.go   the parts, on free ports if need be
//	banner.go  what is printed at the start
//	ledger.go  what is printed in the end
package demo
