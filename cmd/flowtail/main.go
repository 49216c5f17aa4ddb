// Flowtail reads flow records from a Kafka topic and prints them. Run it with
// -h for its flags.
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

	"github.com/flowpub/flowpub/internal/tail"
)

// version is set when the program is built, see the Makefile.
var version = "unknown"

// Exit statuses.
const (
	exitDone   = 0 // the user, the limit or the reader of the output ended it
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

// run is the program: it prints flows until ctx ends, and returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		return exitDone
	case errors.Is(err, errVersion):
		fmt.Fprintln(stdout, "flowtail", version)
		return exitDone
	case err != nil:
		mistakes := strings.ReplaceAll(err.Error(), "\n", "\nflowtail: ")
		fmt.Fprintf(stderr, "flowtail: %s\nRun flowtail -h for all flags.\n", mistakes)
		return exitUsage
	}
	cfg.Out = stdout
	cfg.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	return follow(ctx, cfg, stderr)
}

// follow prints flows, and tells on stderr what there is to tell in the end.
func follow(ctx context.Context, cfg tail.Config, stderr io.Writer) int {
	summary, err := tail.Run(ctx, cfg)
	if err != nil {
		fmt.Fprintln(stderr, "flowtail:", err)
		return exitFailed
	}
	if cfg.Format == tail.FormatTable {
		fmt.Fprintln(stderr, summary)
	}
	if summary.Undecodable > 0 {
		fmt.Fprintf(stderr, "flowtail: messages left out, not being flow records: %d\n", summary.Undecodable)
	}
	return exitDone
}
