//go:build !linux

package collector

// ContainerMemoryLimit returns false: control groups are Linux's.
func ContainerMemoryLimit() (int64, bool) { return 0, false }
