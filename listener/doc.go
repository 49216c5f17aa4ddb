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
// The package knows nothing of what the datagrams hold.
package listener
