// Package sflow turns sFlow version 5 datagrams into export packets: the
// specification is sflow.org's "sFlow Version 5" with its errata, "sFlow Dropped
// Packet Notification Structures" and "sFlow VXLAN Structures".
//
// A datagram describes itself: a header, then samples. A flow sample is one packet
// that the agent chose of so many, with the first bytes of it and what the agent
// knows about its way. It becomes a record of one packet. No templates, no state:
// any replica may decode any datagram.
//
// The files in the order of a packet's way:
//
//	layout.go     formats, sizes and limits
//	decode.go     datagrams and their samples
//	sample.go     flow samples, discarded packets, and what records they have
//	extended.go   what the agent adds: switch, router, gateway, NAT, MPLS, VNI
//	frame.go      the sampled packet's header
//	transport.go  what is behind its IP header
//
// The functions may run concurrently on different packets.
package sflow
