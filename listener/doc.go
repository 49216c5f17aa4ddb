// Package listener reads UDP datagrams in batches, and accounts for those the
// kernel threw away.
//
// On Linux several sockets share one address (SO_REUSEPORT). The kernel keeps
// the datagrams of one sender, an address and port, on one socket, and every
// socket is read by one goroutine: so the datagrams of a sender reach one
// handler, in the order in which they arrived. One system call reads many
// (recvmmsg), into memory that is used again for the next batch: nothing is
// allocated while reading, and nothing is truncated. Between reads a socket is
// left alone for some milliseconds, and wakes nobody meanwhile.
//
// Other systems have one socket and one datagram a read. The build tag portable
// selects that code on Linux too, for its tests.
//
// The files, in the order of a socket's life; those that end with _linux and _other
// are one thing on two kinds of systems:
//
//	listener.go   what is promised: the configuration, what a handler gets, the counts
//	address.go    where to listen
//	bind.go       sockets bound to an address, an interface or a group
//	socket.go     one socket, its receive buffer and what the kernel dropped
//	endpoint_*.go how a goroutine waits for it, and is woken
//	serve.go      all sockets, from the first read to the last
//	reader_*.go   reads of one socket; batch_linux.go many datagrams with one call;
//	              pacer_linux.go the pause between two reads
//	drops.go      a counter of the kernel's that wraps
//	drain_*.go    the end: what the kernel had accepted, and nothing after
//
// The package knows nothing of what the datagrams hold.
package listener
