// Package status shows people what happens to their flows: as a page at /, and as JSON at
// /status.
//
// The package knows nothing of NetFlow or Kafka: a function returns a [Report]. The page
// consists of plain files in web, which are part of the program. It loads nothing from
// other hosts, and shows what senders chose as text, never as markup.
//
//	report.go   what a report holds: the fields of the JSON, documented in docs/status.md
//	history.go  the last 15 minutes, in a ring
//	handler.go  the page and the JSON over HTTP
//	web/        the page; web/uplot is the library that draws, with its licence
package status
