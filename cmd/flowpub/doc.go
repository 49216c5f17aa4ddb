// Command flowpub collects NetFlow v5 and v9, IPFIX and sFlow v5 over UDP and publishes
// every flow record to a Kafka topic.
//
// It is configured by environment variables; flowpub -h lists them. SIGTERM, SIGINT and
// SIGHUP shut it down gracefully; a second signal quits immediately. Exit status:
//
//	0  everything decoded was delivered, or dropped for a counted reason before shutdown
//	1  something fatal happened, or flows had to be given up at shutdown
//	2  the configuration or the command line is wrong; nothing was started
//
// The files, from the start to the end of a run:
//
//	main.go     signals and the exit status
//	run.go      the command line, the log, the collector
//	memory.go   the memory limit of Go's runtime
//	service.go  what the service manager is told
//	help.go     what -h prints
//	check.go    flowpub -check
package main
