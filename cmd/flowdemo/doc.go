// Flowdemo runs broker, collector, exporters and a consumer in one process, to show
// flows within a second. Run it with -h for its flags.
//
//	main.go   signals and the exit status
//	flags.go  from flags to the demo's configuration
//	usage.go  what -h prints
package main
