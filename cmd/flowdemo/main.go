package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/demo"
	"github.com/flowpub/flowpub/internal/logqueue"
)

// version is set when a release is built, see the Makefile.
var version string

func main() {
	os.Exit(command.UntilSignal(func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}))
}

// run is the program: it shows flows until ctx ends, and returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	queue := logqueue.New(stderr, logqueue.DefaultLimit)
	defer queue.Close(time.Second)
	cfg, err := parse(args)
	if err == nil {
		cfg.Version = command.Version(version)
		cfg.Out = stdout
		cfg.Logger = slog.New(slog.NewTextHandler(queue, &slog.HandlerOptions{Level: slog.LevelWarn}))
		err = demo.Run(ctx, cfg)
	}
	program := command.Program{
		Name: "flowdemo", Linked: version, Usage: usage,
		Hint: "Run flowdemo -h for all flags.",
	}
	return program.Finish(err, stdout, queue)
}
