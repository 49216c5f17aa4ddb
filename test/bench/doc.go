// Bench measures what a collector costs as a whole: synthetic exporters send to
// it, it sends to a Kafka broker that keeps nothing, and each of the three is a
// process of its own. Beside flowpub it measures, in turn, any other collector
// whose command line it is given. docs/benchmarks.md says how to read what it
// prints; bench -h lists its flags. It needs Linux.
//
//	main.go       the roles of the program
//	options.go    flags: the scenarios
//	benchmark.go  all scenarios, as often as asked
//	bed.go        a collector with its broker and its exporters
//	search.go     the highest rate without loss
//	traffic.go    what the exporters send
//	role.go       this program as a process with a role: generate.go the exporters,
//	              broker.go the broker
//	collector.go  the collector as a process; scrape.go what it says of itself
//	process.go    processor time and memory of a process, as Linux counts them:
//	              process_linux.go, process_other.go
//	kernel.go     receive buffers, and what the kernel dropped
//	result.go     the figures; report.go how they are shown
//	tail.go       the end of what a process wrote
package main
