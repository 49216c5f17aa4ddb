// Package cluster is the way to the Kafka cluster: connections, metadata, producer
// ids, topics that are missing. What it learns it tells an Observer; it knows
// nothing of flow records.
//
//	config.go      which cluster, and who is told what of it
//	cluster.go     the loop that keeps all of it fresh
//	link.go        connections, by way of one broker
//	dial.go        one connection, checked
//	sole.go        one connection a broker, where nothing is acknowledged
//	producerid.go  producer ids, and doing without
//	create.go      topics that are missing
//	settings.go    settings of topics, as brokers tell them; observers judge them
//	fetch.go       what a partition holds
//	identity.go    which of the topics of one name it is
//	throttle.go    pauses that brokers ask for
//	inspect.go     one look at all of it, for flowpub -check
//	permissions.go what this user may do, for the same
//	certificates.go when certificates end, for the same
//	clock.go       Kafka's time, for the same
package cluster
