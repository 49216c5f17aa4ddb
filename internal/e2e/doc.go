// Package e2e tests the whole of flowpub: exporters send over UDP, the collector
// publishes to an embedded broker of several partitions, and what independent
// consumers read from it is held against what was sent.
//
// The files:
//
//	captures_test.go   recordings: every field of every flow
//	corpus_test.go     the same for formats with templates, sflow_test.go for sFlow
//	exporters_test.go  the file of exporters
//	topics_test.go     several topics
//	malformed_test.go  datagrams that are wrong, and a million random ones
//	load_test.go       the rate that flowpub is made for
//	templates_*.go     templates under load, in a flood, and the largest packets
//	shutdown_test.go   SIGTERM in the middle of it
//	outage_test.go     the broker is away, for a time that the budget covers; cut connections
//	secrets_test.go    nothing that is written or served shows a secret
//	stderr_test.go     nobody reads the log
//	shortage_test.go   too little of something: budget, leaders, receive buffer
//
// and what they share:
//
//	main_test.go       builds the program
//	process_test.go    runs it
//	ledger_test.go     its numbers, from its log and its metrics
//	profile_test.go    its heap and goroutines
//	kernel_test.go     what the kernel says of all datagrams
//	forger_test.go     datagrams from any source address
//	rows_test.go       flows as rows of text
//	broker_test.go     the embedded broker, which can be cut off
//	sequence_test.go   whether generated flows are all there, once, in order
//	verdict_test.go    what is to become of a datagram
//
// Tests that push load run one after the other. They assert what became of every
// flow, never a speed; achieved rates are in the log of a test (go test -v).
//
// The tests need Linux: sources of 127.0.0.0/8 without set-up, /proc, signals
// that stop a process. With privileges (CAP_NET_ADMIN) the receive buffers are
// as large as asked for and the kernel may drop nothing; without, what it drops
// must be counted.
package e2e
