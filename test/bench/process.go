package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// process is a process that this one has started.
type process struct{ command *exec.Cmd }

func (p *process) pid() int { return p.command.Process.Pid }

// peakMemory returns the most physical memory that the process had, in bytes.
func (p *process) peakMemory() (uint64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "VmHWM:" {
			kib, err := strconv.ParseUint(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d does not tell its peak of memory", p.pid())
}
