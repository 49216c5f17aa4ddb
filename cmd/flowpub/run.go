package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/config"
)

// run is the program: it collects until ctx ends, and returns the exit status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	if err := command.ParseAll(command.NewFlags(), args); err != nil {
		program := command.Program{
			Name: "flowpub", Linked: version, Usage: help(),
			Hint: "It is configured by environment variables; flowpub -h lists them.",
		}
		return program.Finish(err, stdout, stderr)
	}
	return collect(ctx, environ, stderr)
}

// collect runs the collector. Its log goes to stderr.
func collect(ctx context.Context, environ []string, stderr io.Writer) int {
	cfg, err := config.Load(environ)
	if err != nil {
		fmt.Fprintf(stderr, "flowpub: nothing was started, the configuration is wrong; flowpub -h explains the variables:\n  %s\n",
			strings.ReplaceAll(err.Error(), "\n", "\n  "))
		return command.Misused
	}
	limitGoMemory(environ, cfg.Collector.GoMemoryLimit, debug.SetMemoryLimit)
	logger := cfg.Log.Logger(stderr)
	cfg.Collector.Logger = logger
	cfg.Collector.Version = command.Version(version)

	c, err := collector.New(cfg.Collector) //nolint:contextcheck // it waits for nothing that ctx could end; Run does
	if err != nil {
		logger.Error("cannot start", "error", err)
		return command.Failed
	}
	if err := c.Run(ctx); err != nil {
		logger.Error("ended", "error", err)
		return command.Failed
	}
	return command.Done
}
