// Package encoder writes flow exports: NetFlow version 9 and IPFIX packets, with their
// templates, options and data, and sFlow version 5 datagrams. It is for synthetic
// exporters, and shares nothing with the decoders, so that these can be tested with it.
//
// In path order:
//
//   - elements.go: the information elements it can fill, and how long each is
//   - flow.go: the values of a flow, and those of them that differ from flow to flow
//   - layout.go: a template made ready: records of a conversation are written once, and
//     patched for each of its flows
//   - packet.go: packets, sets, and templates in them
//   - sflow.go: sFlow datagrams, and the sampled packets in them
package encoder
