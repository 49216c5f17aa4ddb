// Package zstdframe writes record batches as frames of Zstandard (RFC 8878) for about
// half of what a general codec costs. That one searches for what repeats; here the
// batch's author marks where a record's parts are, and only these places are looked at.
// Marks are hints: whatever they say, the frame holds the bytes that were given.
//
// The files, in the path of a frame:
//
//   - mark.go: [Mark], where the parts of a record are
//   - encoder.go: [Encoder], from bytes and marks to a frame of blocks
//   - search.go: what of a record stood earlier, and where
//   - block.go: a block's literals and sequences
//   - sequence.go: the codes of sequences, and their bits
//   - fse.go: tables of finite state entropy
package zstdframe
