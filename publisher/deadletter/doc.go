// Package deadletter takes datagrams that could not be decoded to a topic of their
// own: a bounded number, in a bounded memory, and flow records never wait for them.
//
//	letter.go  what a letter is, its limits and outcomes
//	queue.go   the goroutine that delivers them
package deadletter
