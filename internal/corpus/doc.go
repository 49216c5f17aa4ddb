// Package corpus reads recordings of NetFlow v9, IPFIX and sFlow, with what an independent
// decoder found in them, for tests.
//
// Beside X.pcap.gz is X.pcap.expected.jsonl.gz, with an object for each flow record.
// Captures with cases made by hand have an X.index.json.
//
//	find.go    where recordings are
//	corpus.go  datagrams, and what was found in them
//	sflow.go   the same for sFlow
package corpus
