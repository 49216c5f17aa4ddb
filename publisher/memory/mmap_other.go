//go:build !unix

package memory

// mapMemory returns n zeroed bytes; without mmap they come from the Go heap.
func mapMemory(n int) ([]byte, error) { return make([]byte, n), nil }

// unmapMemory leaves b to the garbage collector.
func unmapMemory([]byte) {}
