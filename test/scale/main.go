package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// page is where the tables are, seen from the root of the repository.
const page = "docs/scaling.md"

// options say how the tables are made. Those of the page are of the zero value.
type options struct {
	seed uint64
	// more multiplies how often what is random is drawn.
	more int
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, messages io.Writer) int {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(messages)
	var o options
	var write bool
	flags.Uint64Var(&o.seed, "seed", 0, "another seed gives other exporters")
	flags.IntVar(&o.more, "more", 1, "how many times as often as for the page everything random is drawn")
	flags.BoolVar(&write, "write", false, "write the tables into "+page)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitDone
	} else if err != nil {
		return exitUsage
	}
	if o.more < 1 || o.more > 1000 || flags.NArg() > 0 {
		fmt.Fprintf(messages, "scale: -more is %d, and %d arguments follow: it must be from 1 to 1000, and none\n", o.more, flags.NArg())
		return exitUsage
	}
	tables := makeTables(o)
	if !write {
		for _, t := range tables {
			fmt.Fprintf(out, "%s\n\n%s\n", t.name, t.markdown())
		}
		return exitDone
	}
	if err := rewrite(tables); err != nil {
		fmt.Fprintln(messages, "scale:", err)
		return exitFailed
	}
	return exitDone
}

// makeTables returns all tables, in the order of the page.
func makeTables(o options) []table {
	o.more = max(o.more, 1)
	return []table{skewTable(o), streamsTable(o), rolloutTable(o), fleetTable(o), topicTable(), requestsTable(o)}
}
