package command

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The exit statuses.
const (
	Done    = 0 // it did what it was asked for, or the user ended it
	Failed  = 1
	Misused = 2 // the command line or the configuration is wrong; nothing was done
)

// sameRequest is for how long after a signal others mean the same: timeout(1) and some
// shells send one to a process and one to its group, both for one Ctrl-C.
const sameRequest = time.Second

// UntilSignal returns what program returns. SIGINT, SIGTERM or SIGHUP ends
// program's context; after a second one, a second later or more, program is not waited
// for, and UntilSignal returns Failed.
//
// SIGHUP does nothing if it was ignored at the start, as below nohup. From here on
// writing to a pipe whose reader has gone is an error, also on the standard outputs,
// and no longer ends the process by SIGPIPE.
func UntilSignal(program func(context.Context) int) int {
	signal.Ignore(syscall.SIGPIPE)
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ending = append(ending, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, ending...)
	defer signal.Stop(signals)
	return endOn(signals, program)
}

// endOn does not leave the second signal to its default action: in a
// container the kernel spares the first process, and Go's runtime would then
// exit with the status that here is Misused.
func endOn(signals <-chan os.Signal, program func(context.Context) int) int {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	status := make(chan int, 1)
	go func() { status <- program(ctx) }()
	select {
	case s := <-status:
		return s
	case <-signals:
		end()
	}
	for first := time.Now(); ; {
		select {
		case s := <-status:
			return s
		case <-signals:
			if time.Since(first) >= sameRequest {
				return Failed
			}
		}
	}
}
