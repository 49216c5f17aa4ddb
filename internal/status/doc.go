// Package status shows people what becomes of their flows: a page at / and the same as
// JSON at /status.
//
// The package knows nothing of NetFlow or Kafka: a function gives it a [Report], which
// says everything. The page is plain files in web, part of the program. Nothing
// that it shows is loaded from elsewhere, and what senders chose is text, never
// markup.
//
//	report.go   what a report holds: the fields of the JSON, documented in docs/status.md
//	history.go  the last 15 minutes, in a ring
//	handler.go  the page and the JSON over HTTP
//	web/        the page; web/uplot is the library that draws, with its licence
package status
