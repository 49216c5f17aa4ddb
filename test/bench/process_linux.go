package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// clockScheduler marks the clock of a process that counts what the scheduler
// gave it, see clock_getcpuclockid(3) and the kernel's posix-timers.h.
const clockScheduler = 2

// cpu returns the processor time, user and system, that all threads of the
// process have used so far, and the system's part of it. All is what wait4 will
// tell in the end, in nanoseconds; the part is in ticks.
func (p *process) cpu() (all, system time.Duration, err error) {
	var now unix.Timespec
	clock := int32(^p.pid()<<3 | clockScheduler)
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0, 0, fmt.Errorf("processor time of process %d: %w", p.pid(), err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid()))
	if err != nil {
		return 0, 0, err
	}
	system, err = systemTime(string(stat))
	return time.Duration(now.Nano()), system, err
}

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every
// architecture that Go knows.
const tick = 10 * time.Millisecond

// systemTime returns stime of a /proc/PID/stat, see proc_pid_stat(5). What comes
// before the last bracket is the program's name, which may hold anything.
func systemTime(stat string) (time.Duration, error) {
	const stime = 15 - 3 // the third field is the first after the name
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime {
		return 0, fmt.Errorf("/proc/PID/stat has no stime: %q", stat)
	}
	ticks, err := strconv.ParseInt(fields[stime], 10, 64)
	return time.Duration(ticks) * tick, err
}

// ownCPU returns the processor time, user and system, that this process used.
func ownCPU() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("own processor time: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
