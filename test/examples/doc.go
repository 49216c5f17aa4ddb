// Package examples runs the programs of the folder examples, as their READMEs say,
// against a real Apache Kafka, and compares what they find with what was sent.
package examples
