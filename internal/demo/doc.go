// Package demo runs everything in one process, for a first look: an embedded
// Kafka-protocol broker, the collector, exporters of made-up flows, and a
// consumer that prints what arrives in the topic.
//
// The parts are those of the real programs and meet over UDP and TCP on
// loopback, so that others can join: routers as exporters, any Kafka client as
// a consumer. In the end the ledger is printed, and compared with what the
// broker got.
package demo
