// Package kafka tests the publisher with a real Apache Kafka, which accepts and
// refuses what an imitation might not: it looks into the records, keeps producer
// state on disk, and has the clients that most consumers use.
//
// The tests need the build tag kafka, Java and Maven; kafka.sh downloads the
// brokers and starts them on loopback. Some need kcat and lz4: without these they
// are skipped, or fail when the variable CI is set. With KAFKA_BROKERS set, to host:port
// addresses separated by commas, they use that cluster instead, leave their
// topics in it, and pass over the tests that need brokers of their own.
// compose.yaml is such a cluster, for Docker. KAFKA_VERSION chooses the release of
// the brokers that kafka.sh starts.
package kafka
