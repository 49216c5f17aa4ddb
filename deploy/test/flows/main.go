package main

import (
	"context"
	"io"
	"os"

	"github.com/flowpub/flowpub/internal/command"
)

const usage = `Flows is the two ends of a delivery test.

    flows send [flags]               be one exporter; prints a report, a line of JSON
    flows count [flags] REPORT...    look for the flows of reports in Kafka

Flags of send:
  -target host:port        the collector (127.0.0.1:2055)
  -rate n                  datagrams a second (1000)
  -format v5|v9|ipfix      what it speaks (v5)
  -templates time          v9 and ipfix: repeat templates so often (10m)
  -records n               flows in a datagram (30)
  -duration time           end after so long (30s)

Flags of count:
  -brokers host:port,...   of Kafka (127.0.0.1:9092)
  -topic name              with the flows (flows)
  -lost n|n..m             how many flows may and must be missing (0)
  -quiet time              the topic has all that will come when it has grown no more
                           for so long (5s)

Count fails when other than so many flows are missing, when one is there twice, and
when there are flows of exporters that no report tells of.
`

func main() {
	os.Exit(command.UntilSignal(func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}))
}

// run is the program. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	program := command.Program{Name: "flows", Usage: usage, Hint: "Run flows -h for all flags."}
	return program.Finish(do(ctx, args, stdout), stdout, stderr)
}

func do(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "send":
			return send(ctx, args[1:], stdout)
		case "count":
			return count(ctx, args[1:], stdout)
		}
	}
	if err := command.ParseAll(command.NewFlags(), args); err != nil {
		return err
	}
	return command.Mistakef("no command: give send or count")
}
