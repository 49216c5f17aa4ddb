// Package exporter stands in for exporters of NetFlow version 5, version 9, IPFIX and sFlow: a
// Generator sends the packets of synthetic ones, a Replay sends those of a capture, of
// whatever format. It is for tests, load measurements and demonstrations.
//
// # Source addresses
//
// A collector tells exporters apart by their source address, so each exporter
// here has a source of its own:
//
//   - The target is an IPv4 loopback address: one address of 127.0.0.0/8 each,
//     counted up from FirstSource. Synthetic exporters begin at 127.1.0.1,
//     replayed ones at 127.10.0.1: the 300th synthetic one is 127.1.1.44. Linux
//     has all of 127.0.0.0/8 without any set-up.
//   - Any other target, or a system that lacks those addresses: the system's
//     own address, and one source port each.
//
// Generator.Stats and Replay.Sources tell which exporter became which.
//
// # Identity of a flow
//
// A generated flow is identified by its exporter's address and port, engine
// type and ID or observation domain, flow sequence and index in the packet. The
// sequence counts flows, packets or data records, as the format has it, those that
// were withheld too.
//
// Flow numbers make flows, whatever the format: with the same seed the exporters of one
// format export what those of another do, but for families, and of sFlow one packet of each
// flow. Those may be equal in all that a packet tells.
//
// # The files
//
//	config.go         what a Generator is to send; format.go in which formats
//	generator.go      Generator; source.go one exporter; stats.go what was done
//	traffic.go        a flow by its number: conversations.go who with whom, services.go
//	                  to which service, shapes.go how large and how long
//	netflow5.go       packets of version 5
//	templated.go      of version 9 and IPFIX; forms.go their templates
//	sflow.go          of sFlow
//	damage.go         damaged on purpose; damage_templated.go version 9 and IPFIX
//	replay.go         Replay; replay_config.go and replay_pace.go what and when,
//	                  files.go the captures
//	address.go        the exporters' addresses; socket.go their sockets; send_*.go many
//	                  datagrams with one call; pace.go how fast
package exporter
