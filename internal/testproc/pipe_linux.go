package testproc

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// FillLog writes junk to the pipe that is the process's standard error until it
// is full, while nobody reads it: the process's next line has no room.
func (p *Process) FillLog(t *testing.T) {
	t.Helper()
	fd, err := syscall.Open(fmt.Sprintf("/proc/%d/fd/2", p.Command.Process.Pid), syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	// A page each, and then what is left of it.
	for _, line := range [][]byte{append(bytes.Repeat([]byte{junk}, 4095), '\n'), []byte("\n")} {
		for err = nil; err == nil; {
			_, err = syscall.Write(fd, line)
		}
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatal(err)
		}
	}
}
