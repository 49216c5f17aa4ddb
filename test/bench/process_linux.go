package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clockScheduler marks the clock of a process that counts what the scheduler
// gave it, see clock_getcpuclockid(3) and the kernel's posix-timers.h.
const clockScheduler = 2

// cpu returns the processor time, user and system, that all threads of the
// process have used so far. It is what wait4 will tell in the end, in
// nanoseconds, where /proc/PID/stat has ticks of 10 ms.
func (p *process) cpu() (time.Duration, error) {
	var now unix.Timespec
	clock := int32(^p.pid()<<3 | clockScheduler)
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", p.pid(), err)
	}
	return time.Duration(now.Nano()), nil
}
