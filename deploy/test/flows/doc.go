// Flows is the two ends of a delivery test: it sends as an exporter, and counts in
// Kafka, by identity, which of the flows it sent are there. Run it with -h for its
// commands.
//
//	main.go   commands and flags
//	send.go   flows send: the exporter, and its report of what it sent
//	count.go  flows count: the reports against the topic
//	topic.go  the records of the topic
//	tally.go  which flows of a report are there, how often
package main
