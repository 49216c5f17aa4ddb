package main

import (
	"context"
	"io"
	"strings"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/config"
)

// check looks at all that the collector would need, writes a line for each thing, and
// returns the exit status.
func check(ctx context.Context, environ []string, stdout io.Writer) int {
	printer := checkup.NewPrinter(stdout)
	tell := checkup.Tell(printer.Print)
	if cfg, err := config.Load(environ); err != nil {
		for mistake := range strings.SplitSeq(err.Error(), "\n") {
			tell.Broken("configuration", mistake, "")
		}
	} else {
		tell.OK("configuration", "it has no mistakes")
		collector.Check(ctx, cfg.Collector, tell)
	}
	if ctx.Err() != nil {
		tell.Broken("check", "it ended before everything was checked", "")
	}
	if !printer.Conclude() {
		return command.Failed
	}
	return command.Done
}
