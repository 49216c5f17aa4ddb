// Package telemetry shows the collector's numbers and its health over HTTP.
//
// A [Snapshot] holds every number at one moment. The metrics page takes one a
// scrape, so that the ledger adds up within a scrape. No label has values that
// a sender of UDP can choose, and every label value is there from the start.
//
// The package knows nothing of NetFlow or Kafka: package
// collector tells it numbers, and functions to ask.
//
//	families.go     which metrics there are
//	snapshot.go     the numbers
//	metrics.go      from a snapshot to the page of metrics
//	server.go       the pages and probes
//	scrapes.go      how many pages of metrics at once
//	connections.go  who may hold a connection
//	notices.go      what is logged of them, not too often
package telemetry
