// Package pcap reads the UDP datagrams in captures: pcap and pcapng files, or a
// bare payload. Memory is bounded, whatever a file claims.
//
//	read.go       which kind of file it is, and its frames
//	link.go       a frame's IP packet
//	unwrap.go     an IP packet's UDP datagram
//	fragments.go  datagrams in pieces
//	recognise.go  what a bare payload of flow export looks like
//
// The file formats are read by gopacket's pcapgo; see decision 25.
package pcap
