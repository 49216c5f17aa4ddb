// Package decoder turns NetFlow version 5 export packets into Go values, and
// back.
//
// A version 5 packet describes itself: a header of 24 bytes, then records of 48
// bytes, 1 to 30 by the specification and more in the field. No templates, no
// state: any replica may decode any packet. The layout is that of Cisco's
// "NetFlow Export Datagram Formats", the two tables for version 5; see layout.go.
//
// Decode is tolerant and invents nothing: it returns the records that are
// really in the datagram, and Anomalies says what was odd about them. A datagram
// without any is an error. Values are given as exported; only wall-clock times
// are worked out, since records hold uptimes, which mean nothing without the
// header.
//
// The package uses the standard library only. It has no clock, no sockets, no
// goroutines and no global state; its functions may run concurrently on
// different packets.
package decoder
