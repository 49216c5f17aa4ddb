//go:build unix

package memory

import "golang.org/x/sys/unix"

// mapMemory returns n zeroed bytes from the operating system, outside the Go
// heap: the collector then neither scans them nor doubles them as headroom, so
// what the budget says is what the process uses, and unmapMemory gives them
// back at once.
func mapMemory(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// unmapMemory returns what mapMemory gave. b must not be touched again.
func unmapMemory(b []byte) {
	// The only possible failure is a slice that mapMemory did not return.
	if err := unix.Munmap(b[:cap(b)]); err != nil {
		panic("memory: unmapping a batch buffer: " + err.Error())
	}
}
