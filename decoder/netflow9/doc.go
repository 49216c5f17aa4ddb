// Package netflow9 turns NetFlow version 9 datagrams into export packets: RFC 3954.
//
// A packet is a header of 20 bytes, then FlowSets: templates (id 0), options templates
// (1) and data (256 and above, which is the id of their template). Package template
// reads what is in them.
//
//	decode.go  headers of packets and FlowSets
//	encode.go  a set put below a header again
package netflow9
