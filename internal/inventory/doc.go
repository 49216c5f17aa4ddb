// Package inventory knows what exporters do not say of themselves: a file gives
// networks of them a name and a sampling interval.
//
// It promises that finding an exporter never waits and allocates nothing, that the
// size of the file bounds the memory, and that a mistake in it changes nothing: what
// was read before stays in force.
//
// The files, in the path of a line:
//
//   - file.go: [File], which is read again when it changes
//   - parse.go: [Parse], from text to networks, and what is wrong with it by line
//   - table.go: [Table], which finds the exporters of an address
package inventory
