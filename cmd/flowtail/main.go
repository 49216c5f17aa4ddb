// Flowtail reads flow records from a Kafka topic and prints them. Run it with
// -h for its flags.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/config"
	"github.com/flowpub/flowpub/internal/tail"
	"github.com/flowpub/flowpub/publisher/auth"
)

// version is set when a release is built, see the Makefile.
var version string

func main() {
	os.Exit(command.UntilSignal(func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	}))
}

// run is the program: it prints flows until ctx ends, and returns the exit
// status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args)
	if err == nil {
		cfg.Security, err = security(ctx, environ)
	}
	if err == nil {
		cfg.Out = stdout
		cfg.Logger = slog.New(slog.NewTextHandler(stderr, nil))
		err = follow(ctx, cfg, stderr)
	}
	program := command.Program{
		Name: "flowtail", Linked: version, Usage: usage,
		Hint: "Run flowtail -h for all flags.",
	}
	return program.Finish(err, stdout, stderr)
}

// security makes of the environment how connections to brokers are made.
func security(ctx context.Context, environ []string) (tail.Security, error) {
	cfg, err := config.LoadSecurity(environ)
	if err != nil {
		return nil, command.Mistakef("%w", err)
	}
	return auth.NewLogin(ctx, cfg)
}

// follow prints flows, and tells on stderr what there is to tell in the end.
func follow(ctx context.Context, cfg tail.Config, stderr io.Writer) error {
	summary, err := tail.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if cfg.Format == tail.FormatTable || cfg.Format == tail.FormatWide {
		fmt.Fprintln(stderr, summary)
	}
	if complaint := summary.Complaint(); complaint != "" {
		fmt.Fprintf(stderr, "flowtail: %s\n", complaint)
	}
	return nil
}
