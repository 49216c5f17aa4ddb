// Flowgen sends NetFlow, IPFIX and sFlow to a collector: that of synthetic exporters, or
// what a capture holds. Run it with -h for its flags.
//
//	main.go       signals, a run, the exit status
//	usage.go      what -h prints
//	flags.go      from flags to what is sent; mistakes.go names flags in errors
//	progress.go   what is printed meanwhile; summary.go in the end
//	collector.go  what a flowpub says it received
//	limit.go      the search for the highest rate without loss
package main
