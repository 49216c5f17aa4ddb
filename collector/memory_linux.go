package collector

import "os"

// ContainerMemoryLimit returns the memory limit in bytes of the control group
// this process runs in, version 1 or 2, and whether there is one. The limits of
// the groups above it count, too, where they can be seen.
func ContainerMemoryLimit() (int64, bool) { return memoryLimit(os.DirFS("/")) }
