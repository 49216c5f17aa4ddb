// Flowtail shows flow records of a Kafka topic, of captures, or of datagrams that
// exporters send to it. Run it with -h for its flags.
//
//	main.go   signals, output files, the exit status
//	flags.go  from flags to what is read and shown
//	usage.go  what -h prints
package main
