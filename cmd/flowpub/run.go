package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/config"
	"github.com/flowpub/flowpub/internal/logqueue"
	"github.com/flowpub/flowpub/internal/systemd"
)

// lastLines is how long the end waits for standard error to take what is logged.
const lastLines = time.Second

// run is the program: it collects until ctx ends, and returns the exit status. It
// never waits for whoever reads stderr, but for the last lines, and then not long.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	queue := logqueue.New(stderr, logqueue.DefaultLimit)
	defer queue.Close(lastLines)
	flags := command.NewFlags()
	onlyCheck := flags.Bool("check", false, "")
	if err := command.ParseAll(flags, args); err != nil {
		program := command.Program{
			Name: "flowpub", Linked: version, Usage: help(),
			Hint: "It is configured by environment variables; flowpub -h lists them.",
		}
		return program.Finish(err, stdout, queue)
	}
	if *onlyCheck {
		return check(ctx, environ, stdout)
	}
	return collect(ctx, environ, queue)
}

// collect runs the collector. Its log goes to the queue.
func collect(ctx context.Context, environ []string, queue *logqueue.Queue) int {
	cfg, err := config.Load(environ)
	if err != nil {
		fmt.Fprintf(queue, "flowpub: nothing was started, the configuration is wrong; flowpub -h explains the variables:\n  %s\n",
			strings.ReplaceAll(err.Error(), "\n", "\n  "))
		return command.Misused
	}
	limitGoMemory(environ, cfg.Collector.GoMemoryLimit, debug.SetMemoryLimit)
	logger := cfg.Log.Logger(queue)
	cfg.Collector.Logger = logger
	cfg.Collector.LogLinesDropped = queue.Dropped
	cfg.Collector.Version = command.Version(version)
	cfg.Collector.Settings = config.InForce(environ, &cfg)

	c, err := collector.New(cfg.Collector) //nolint:contextcheck // it waits for nothing that ctx could end; Run does
	if err != nil {
		logger.Error("cannot start", "error", err)
		return command.Failed
	}
	if err := serve(ctx, systemd.FromEnvironment(environ), cfg.Collector, c); err != nil {
		logger.Error("ended", "error", err)
		return command.Failed
	}
	return command.Done
}
