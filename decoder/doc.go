// Package decoder is the model that every export format fills: an export packet
// with its header and flow records, what was odd about them, and their times.
// It holds no format: each has a package below this one that turns datagrams
// into packets, such as [github.com/flowpub/flowpub/decoder/netflow5].
//
// The files in the order of a packet's parts:
//
//	packet.go     the packet, its header, a flow record
//	extension.go  what only some formats carry
//	anomaly.go    what was odd
//	sequence.go   what the numbers of packets count
//	time.go       exporters' clocks and wall-clock time
//	errors.go     why a datagram is refused
//
// Decoders are tolerant and invent nothing: a packet holds the records that are
// really in the datagram, with values as exported. Only wall-clock times are
// computed. A datagram without any record is an error.
//
// The package uses the standard library only. It has no clock, no sockets, no
// goroutines and no global state; its functions may run concurrently on
// different packets.
package decoder
