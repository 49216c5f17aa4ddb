// Package dissect shows export packets as they are: headers, templates, records, with
// every field and nothing worked out from them.
//
//	dissect.go    a datagram, of whatever format
//	netflow5.go   NetFlow v5
//	templated.go  NetFlow v9 and IPFIX
//	names.go      elements by name
//	value.go      what a field of these holds
//	sflow.go      sFlow v5
package dissect
