package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/pcap"
)

// version is set when a release is built, see the Makefile.
var version string

// replayCommand, as the first argument, asks for a replay.
const replayCommand = "replay"

func main() {
	os.Exit(command.UntilSignal(func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}))
}

// run is the program. It ends by itself or when ctx does, and returns the exit
// status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	program := command.Program{
		Name: "flowgen", Linked: version, Usage: syntheticUsage,
		Hint: "Run flowgen -h or flowgen replay -h for all flags.",
	}
	parse := parseSynthetic
	if len(args) > 0 && args[0] == replayCommand {
		parse, program.Usage, args = parseReplay, replayUsage, args[1:]
	}
	job, err := parse(args)
	if err == nil {
		err = job.run(ctx, stdout, stderr)
	}
	return program.Finish(err, stdout, stderr)
}

// run sends, or searches.
func (j *job) run(ctx context.Context, stdout, stderr io.Writer) error {
	if j.limit != nil {
		return j.limit.find(ctx, stdout)
	}
	return send(ctx, j, stdout, stderr)
}

// send sends, says how it goes, and sums it up in the end.
func send(ctx context.Context, j *job, stdout, stderr io.Writer) error {
	if j.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.duration)
		defer cancel()
	}
	var collector *collector
	if j.status != "" {
		collector = newCollector(j.status)
		if err := collector.begin(ctx); err != nil {
			return err
		}
	}
	seen := watch(ctx, j.sender, collector, stderr, command.IsTerminal(stderr))
	err := j.sender.Run(ctx)
	took := seen()
	for _, line := range summary(j.sender, took) {
		fmt.Fprintln(stdout, line)
	}
	if collector != nil {
		fmt.Fprintln(stdout, collector.sinceBegin(ctx))
	}
	if errors.Is(err, exporter.ErrUnheard) {
		err = nil // said below
	}
	if errors.Is(err, pcap.ErrNoCapture) {
		err = fmt.Errorf("%w, or add -payloads to send it as it is", err)
	}
	if j.sender.unheard() {
		err = errors.Join(err, nobodyListens(j.target))
	}
	return err
}

func nobodyListens(target string) error {
	return fmt.Errorf("nobody listens at %s: start the collector, or give its address as -target", target)
}
