// Package flowtest makes export packets as routers send them, for tests, and the
// messages that generated code makes of them.
//
//	packet.go     packets by a seed, and their messages
//	extension.go  the fields that NetFlow v5 has not
//	read.go       from a Kafka message's value back to a message
package flowtest
