// Package netflow5 turns NetFlow version 5 datagrams into export packets, and
// back.
//
// A version 5 packet describes itself: a header of 24 bytes, then records of 48
// bytes, 1 to 30 by the specification and more in the field. No templates, no
// state: any replica may decode any packet. The layout is that of Cisco's
// "NetFlow Export Datagram Formats", the two tables for version 5.
//
//	layout.go  sizes and offsets
//	decode.go  datagram to packet
//	encode.go  packet to datagram, for exporters and tests
//
// The functions may run concurrently on different packets.
package netflow5
