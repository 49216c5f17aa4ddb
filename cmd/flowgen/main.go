// Flowgen sends NetFlow version 5 to a collector: that of synthetic exporters,
// or that of a capture. Run it with -h for its flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set when the program is built, see the Makefile.
var version = "unknown"

// Exit statuses.
const (
	exitDone   = 0 // all was sent, or the user ended it
	exitFailed = 1
	exitUsage  = 2
)

// replayCommand, as the first argument, asks for a replay.
const replayCommand = "replay"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It ends by itself or when ctx does, and returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	parse, usage := parseSynthetic, syntheticUsage
	if len(args) > 0 && args[0] == replayCommand {
		parse, usage, args = parseReplay, replayUsage, args[1:]
	}
	job, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case errors.Is(err, errVersion):
		fmt.Fprintln(stdout, "flowgen", version)
		return exitDone
	case err != nil:
		return explain(stderr, err)
	}
	return send(ctx, job, stdout, stderr)
}

// send sends, says how it goes, and sums it up in the end.
func send(ctx context.Context, j *job, stdout, stderr io.Writer) int {
	if j.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.duration)
		defer cancel()
	}
	seen := watch(j.sender, stderr, isTerminal(stderr))
	err := j.sender.Run(ctx)
	took := seen()
	for _, line := range summary(j.sender, took) {
		fmt.Fprintln(stdout, line)
	}
	if err != nil {
		fmt.Fprintln(stderr, "flowgen:", err)
		return exitFailed
	}
	return exitDone
}
