package main

import (
	"testing"
	"time"
)

func TestSystemTime(t *testing.T) {
	t.Parallel()
	// proc_pid_stat(5): pid (comm) state ppid pgrp session tty_nr tpgid flags
	// minflt cminflt majflt cmajflt utime stime
	got, err := systemTime("42 (a) b (c) S 1 42 42 0 -1 4194560 11 12 13 14 150 37 0 0 20 0")
	if err != nil || got != 370*time.Millisecond {
		t.Errorf("%v, %v; want 370ms", got, err)
	}
	if got, err := systemTime("42 (a) S 1 42"); err == nil {
		t.Errorf("a line that is cut: %v", got)
	}
}
