// Package flow reads flow records as flowpub publishes them, in every form of a
// Kafka message's value, fast enough to look at each record of a busy topic.
//
//	flow.go   a record: its fields by their numbers
//	read.go   from the encoded message to them
//	form.go   the forms of a value, and which one it is
//	json.go   values in JSON
//	field.go  the numbers that are used by name
package flow
