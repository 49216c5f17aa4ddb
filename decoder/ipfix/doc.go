// Package ipfix turns IPFIX messages that came by UDP into export packets: RFC 7011.
//
// A message is a header of 16 bytes, then sets: templates (id 2), options templates (3) and
// data (256 and above, which is the id of their template). Package template reads what is
// in them.
//
//	decode.go  headers of messages and sets
//	encode.go  a set put below a header again
package ipfix
