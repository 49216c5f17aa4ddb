// Package batch turns the flow records of export packets into record batches as
// Kafka stores and sends them. Encoding and appending allocate nothing, and their result
// is a pure function of what went in.
//
// The files, in the path of a record:
//
//   - value.go: what a Kafka message's value is made of; header.go: its header, if one is asked for
//   - record.go: [Encoder], from a packet to Kafka records
//   - fields.go: the fields of a message, whatever they hold
//   - window.go: the same without a branch, for what most records hold
//   - extension.go: the fields of a message that NetFlow v5 has not, by a table
//   - json.go: the same in JSON
//   - staged.go: [Staged], messages that wait for their partition
//   - batch.go: [Batch], which takes records
//   - lz4fast.go: the same in LZ4, written while they are appended
//   - mark.go: where the parts of a batch's records are, for zstd
//   - format.go: the layout of batches and records
//   - compression.go: which codecs there are, and their names; codec.go: what they do
//   - sealer.go: [Sealer], which compresses and completes batches, or splits them
package batch
