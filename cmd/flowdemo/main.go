// Flowdemo runs broker, collector, exporters and a consumer in one process, to
// see flows within a second. Run it with -h for its flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/flowpub/flowpub/internal/demo"
)

// version is set when the program is built, see the Makefile.
var version = "unknown"

// Exit statuses.
const (
	exitDone   = 0 // it was ended, and the ledger adds up
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	// Writing to a closed pipe is to be an error, as it is for other files, so
	// that the program ends in order when its reader does.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it shows flows until ctx ends, and returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case errors.Is(err, errVersion):
		fmt.Fprintln(stdout, "flowdemo", version)
		return exitDone
	case err != nil:
		explain(stderr, err)
		fmt.Fprintln(stderr, "Run flowdemo -h for all flags.")
		return exitUsage
	}
	cfg.Version = version
	cfg.Out = stdout
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := demo.Run(ctx, cfg); err != nil {
		explain(stderr, err)
		return exitFailed
	}
	return exitDone
}

// explain prints err, a line for each of those that were joined.
func explain(stderr io.Writer, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(stderr, "flowdemo:", line)
	}
}
