// Package batch turns the flow records of export packets into record batches as
// Kafka stores and sends them. Encoding and appending allocate nothing, and their result
// is a pure function of what went in.
//
// The files, in the path of a record:
//
//   - value.go: what a Kafka message's value is made of; header.go: its header, if one is asked for
//   - record.go: [Encoder], from a packet to Kafka records
//   - fields.go: the message's fields that NetFlow v5 has, for any values
//   - window.go: these fields without a branch, for the values that most records have
//   - extension.go: all other fields, by a table: a new field goes there
//   - json.go: all fields in JSON
//   - staged.go: [Staged], messages that wait for their partition
//   - batch.go: [Batch], which takes records
//   - lz4fast.go: how a Batch of the codec lz4-fast writes them
//   - mark.go: the marks of zstd-fast, for package zstdframe: where a record's parts are
//   - format.go: the layout of batches and records
//   - compression.go: the codecs and their names, which the configuration takes; codec.go: the libraries behind them
//   - sealer.go: [Sealer], which compresses and completes batches, or splits them
package batch
