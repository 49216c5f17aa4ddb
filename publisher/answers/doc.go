// Package answers checks what brokers answer before the Kafka client decodes it.
//
// The client takes every count and length of an answer for true: it allocates and
// loops by them, in goroutines that nothing recovers. So a [Conn] stands between the
// network, above TLS, and the client. It notes which answer each request is due,
// reads that answer whole, within a limit of size and time, and walks it. The client
// sees the answer only when each count and length in it is true of the bytes that are
// there, and its values are such as a broker may send. Otherwise it sees an [Error],
// which tells what the peer seems to speak instead and what to do about it. What a well-formed
// answer means, its error codes above all, is for package failure.
//
// The files, in the path of an answer: checker.go has the limits and whom throttling
// is told; conn.go notes requests and reads frames; apis.go knows the answers;
// walker.go walks their bytes; peer.go names what is no Kafka; probe.go asks a peer
// that says nothing.
package answers
