// Package scram is the SASL mechanism SCRAM (RFC 5802, RFC 7677), as Kafka's clients
// use it: without channel binding, and for nobody but the user who logs in.
//
// How much work a login is, the broker decides: it names the number of iterations. So
// more than [MaxIterations] are refused, and the work ends with its context.
//
// mechanism.go has the messages, and derive.go the work.
package scram
