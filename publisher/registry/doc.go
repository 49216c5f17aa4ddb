// Package registry asks a schema registry that speaks Confluent's protocol for the
// id of the flow records' schema. No error repeats what was sent or received.
//
//	registry.go  where it is, the requests, and what went wrong
package registry
