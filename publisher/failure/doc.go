// Package failure tells what an error, or a broker's answer, means: its name in
// metrics, what an operator can do about it, and what becomes of the batch.
//
//	outcome.go   what becomes of a batch
//	kind.go      the kinds of failures, with their cures, and the kind of an error
//	codes.go     Kafka's error codes, with their cures
//	sentence.go  errors as operators read them
package failure
