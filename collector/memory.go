package collector

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// memoryAllowance is what the process needs beside the budget and the receive
// buffers, in bytes: the Go runtime and its headroom, the tables of this package
// (see maxStreams), the codecs' work space, and the slots that datagrams are
// read into. Those are 4 MiB a socket if somebody fills all of them to the end,
// and a fraction of that with export packets.
const memoryAllowance = 128 << 20

// templateAllowance is what templates, samplings, and data sets that wait for their
// template may take on top, in bytes, if a format has templates: measured, the
// templates take 51 MiB at the worst that was tried, and 15 MiB if 2,048 exporters have 32
// each; the limits of package template let 16 MiB wait.
const templateAllowance = 64 << 20

// receiveBufferFactor: the kernel charges a socket for up to twice the receive
// buffer that was asked for, see socket(7), SO_RCVBUF, and counts that as the
// container's memory.
const receiveBufferFactor = 2

// outsideGo is the part of memoryAllowance that Go's collector neither sees nor
// can give back, in bytes: the slots, the kernel's side of the connections to
// brokers, page tables, the program itself.
const outsideGo = 32 << 20

// unlimited is where the limits of a version 1 control group begin that mean
// none: the largest int64, rounded down to a page of up to 64 KiB.
const unlimited = math.MaxInt64 - 64<<10

// memoryNeed returns the most memory the collector is meant to use, in bytes.
func (c Config) memoryNeed() int64 {
	return int64(c.Publisher.BufferBytes) + receiveBufferFactor*c.receiveBuffers() + c.allowance()
}

// allowance is the part of memoryNeed that is not for a variable to say.
func (c Config) allowance() int64 {
	if setOf(c.Formats).haveTemplates() {
		return memoryAllowance + templateAllowance
	}
	return memoryAllowance
}

// GoMemoryLimit returns the memory in bytes that the container's limit leaves to
// Go's heap, for debug.SetMemoryLimit, and whether there is such a limit. Batch
// buffers and datagram slots lie outside of that heap, so that Go could not know.
// It is at least 160 MiB for a configuration that Validate lets through, 96 MiB if no format has templates.
func (c Config) GoMemoryLimit() (int64, bool) {
	limit, limited := ContainerMemoryLimit()
	return c.goMemory(limit), limited
}

// goMemory is what limit leaves when all that is not Go's is used up. The
// client's copies of requests are Go's, and part of the budget: they count twice
// here, which errs to the safe side.
func (c Config) goMemory(limit int64) int64 {
	return limit - c.memoryNeed() + c.allowance() - outsideGo
}

// receiveBuffers is the sum over all addresses.
func (c Config) receiveBuffers() int64 {
	return int64(c.ReceiveBuffer) * int64(len(c.Listen))
}

// validateMemory refuses a configuration that may need more than limit bytes: a
// container above its limit is killed, and everything buffered is lost.
func (c Config) validateMemory(limit int64) error {
	need := c.memoryNeed()
	if need <= limit {
		return nil
	}
	return fmt.Errorf("collector: memory: buffer %s + receive buffers %d x %s + %s for the rest = %s, above the container's limit of %s: "+
		"lower the buffer or the receive buffer, or raise the limit to %s",
		mebibytes(int64(c.Publisher.BufferBytes)), receiveBufferFactor, mebibytes(c.receiveBuffers()), mebibytes(c.allowance()),
		mebibytes(need), mebibytes(limit), mebibytes(need))
}

// mebibytes writes n bytes with two decimals at most, rounded up.
func mebibytes(n int64) string {
	hundredths := (n*100 + 1<<20 - 1) >> 20
	return strconv.FormatFloat(float64(hundredths)/100, 'f', -1, 64) + "MiB"
}

// memoryLimit returns the least memory limit in bytes of the control group that
// the process is in and of those above it, as far as they can be seen, and
// whether there is one. root is the root of the file system.
//
// Version 2 and version 1 hierarchies are both read, as both may be mounted:
// see cgroups(7) for /proc/self/cgroup, and proc_pid_mountinfo(5).
func memoryLimit(root fs.FS) (limit int64, limited bool) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, false
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, false
	}
	limit = math.MaxInt64
	for line := range bytes.Lines(mounts) {
		if h, ok := parseHierarchy(string(line)); ok {
			limit = min(limit, h.limit(root, groupPath(string(groups), h.controller)))
		}
	}
	return limit, limit < unlimited
}

// hierarchy is a mounted control group hierarchy that may limit memory.
type hierarchy struct {
	controller string // as /proc/self/cgroup names it: empty in version 2
	file       string // holds a group's limit
	root       string // the group that is mounted
	mountPoint string // where, without the leading slash
}

// parseHierarchy reads a line of mountinfo: six fields, optional ones, a dash,
// then type, source and options of the file system.
func parseHierarchy(line string) (hierarchy, bool) {
	mount, system, ok := strings.Cut(line, " - ")
	fields, kind := strings.Fields(mount), strings.Fields(system)
	if !ok || len(fields) < 6 || len(kind) < 3 {
		return hierarchy{}, false
	}
	h := hierarchy{root: fields[3], mountPoint: strings.TrimPrefix(path.Clean(fields[4]), "/")}
	switch {
	case kind[0] == "cgroup2":
		h.file = "memory.max"
		return h, true
	case kind[0] == "cgroup" && has(kind[2], "memory"):
		h.controller, h.file = "memory", "memory.limit_in_bytes"
		return h, true
	default:
		return hierarchy{}, false
	}
}

// groupPath returns the process's group in the hierarchy of a controller, from
// lines of the form id:controllers:path.
func groupPath(groups, controller string) string {
	for line := range strings.Lines(groups) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		if controllers, group, ok := strings.Cut(rest, ":"); ok && has(controllers, controller) {
			return group
		}
	}
	return "/"
}

// has reports whether name is in a list separated by commas. The empty list has
// the empty name.
func has(list, name string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		if entry == name {
			return true
		}
	}
	return false
}

// limit returns the least limit from group up to what is mounted.
func (h hierarchy) limit(root fs.FS, group string) int64 {
	least := int64(math.MaxInt64)
	for dir := h.directory(group); ; dir = path.Dir(dir) {
		least = min(least, readLimit(root, path.Join(dir, h.file)))
		if dir == h.mountPoint || dir == "." {
			return least
		}
	}
}

// directory returns where group is found below the mount point. A group outside
// of what is mounted is seen by its container as the mounted one.
func (h hierarchy) directory(group string) string {
	below, inside := strings.CutPrefix(group, strings.TrimSuffix(h.root, "/"))
	if !inside || (below != "" && !strings.HasPrefix(below, "/")) || strings.Contains(below, "..") {
		return h.mountPoint
	}
	return path.Join(h.mountPoint, below)
}

// readLimit returns the limit that a file holds; the largest int64 when there
// is no such file, as at the root of version 2, or it says "max".
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
