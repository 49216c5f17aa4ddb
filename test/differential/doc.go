// Package differential compares the decoders of NetFlow v9, IPFIX and sFlow with goflow2's, which others
// wrote: what they find in the same packets, and what that costs. It is a module of its own, so that
// goflow2 is no dependency of flowpub.
//
//	goflow2_test.go   the same packets for both decoders
//	generate_test.go  packets made of a fuzzer's bytes
//	fields_test.go    which element a field of flowpub's comes from, told once more
//	fuzz_test.go      the comparison
//	flowgen_test.go   what goflow2 reads of flowgen's exporters
//	sflow_test.go     the comparison of sFlow; sflow_generate_test.go makes its datagrams
//	bench_test.go     the costs
package differential
