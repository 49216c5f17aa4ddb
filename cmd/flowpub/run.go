package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/config"
)

// run is the program: it collects until ctx ends, and returns the exit status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("flowpub", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	showVersion := flags.Bool("version", false, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		printHelp(stdout)
		return statusDone
	case err != nil:
		return misused(stderr, err.Error())
	case flags.NArg() > 0:
		return misused(stderr, fmt.Sprintf("unexpected argument %q", flags.Arg(0)))
	case *showVersion:
		printVersion(stdout)
		return statusDone
	}
	return collect(ctx, environ, stderr)
}

// misused explains what is wrong with the command line.
func misused(stderr io.Writer, problem string) int {
	fmt.Fprintf(stderr, "flowpub: %s: it is configured by environment variables; flowpub -h lists them\n", problem)
	return statusUsage
}

// collect runs the collector. Its log goes to stderr.
func collect(ctx context.Context, environ []string, stderr io.Writer) int {
	cfg, err := config.Load(environ)
	if err != nil {
		fmt.Fprintf(stderr, "flowpub: nothing was started, the configuration is wrong; flowpub -h explains the variables:\n  %s\n",
			strings.ReplaceAll(err.Error(), "\n", "\n  "))
		return statusUsage
	}
	logger := cfg.Log.Logger(stderr)
	cfg.Collector.Logger = logger
	cfg.Collector.Version = programVersion()

	c, err := collector.New(cfg.Collector) //nolint:contextcheck // it waits for nothing that ctx could end; Run does
	if err != nil {
		logger.Error("cannot start", "error", err)
		return statusFailed
	}
	if err := c.Run(ctx); err != nil {
		logger.Error("ended", "error", err)
		return statusFailed
	}
	return statusDone
}
