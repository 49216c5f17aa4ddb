package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/tail"
	"github.com/flowpub/flowpub/internal/tail/filter"
	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/top"
)

// options are what the command line asks for.
type options struct {
	tail.Config
	// output is the file to write to; empty means standard output.
	output string
	offset *int64
	since  time.Duration
}

// liveEvery is how often sums are shown of flows that go on coming.
const liveEvery = 10 * time.Second

// defaultRows is how many sums are shown.
const defaultRows = 10

// newFlags defines the flags, which set o.
func newFlags(o *options) *flag.FlagSet {
	flags := command.NewFlags()
	flags.Func("brokers", "", func(text string) (err error) {
		o.Brokers, err = parseBrokers(text)
		return err
	})
	flags.StringVar(&o.Topic, "topic", "flows", "")
	flags.TextVar(&o.Value, "value", flow.Auto, "")
	flags.TextVar(&o.From, "from", tail.FromEnd, "")
	flags.Func("until", "", func(text string) (err error) {
		o.Until, err = tail.ParseTime(text, time.Now())
		return err
	})
	flags.DurationVar(&o.since, "since", 0, "")
	flags.Func("partition", "", func(text string) (err error) {
		o.Partitions, err = parsePartitions(text)
		return err
	})
	flags.Func("offset", "", func(text string) error {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("give an offset, or how many before the end as -100")
		}
		o.offset = &n
		return nil
	})
	flags.StringVar(&o.Group, "group", "", "")
	flags.Func("read", "", func(text string) error {
		o.Files = append(o.Files, text)
		return nil
	})
	flags.StringVar(&o.Listen, "listen", "", "")
	flags.BoolVar(&o.Packets, "packets", false, "")
	flags.IntVar(&o.Limit, "n", 0, "")
	flags.IntVar(&o.MaxPerSecond, "pace", 0, "")
	showFlags(flags, o)
	return flags
}

// showFlags defines the flags that say how flows are shown.
func showFlags(flags *flag.FlagSet, o *options) {
	flags.TextVar(&o.Format, "format", tail.FormatTable, "")
	flags.StringVar(&o.output, "output", "", "")
	flags.Func("columns", "", func(text string) error {
		o.Columns = strings.Split(text, ",")
		return tail.CheckColumns(o.Columns)
	})
	flags.BoolVar(&o.Style.Exact, "exact", false, "")
	flags.BoolVar(&o.Style.Services, "services", false, "")
	flags.TextVar(&o.Top.Keys, "top", top.Keys(nil), "")
	flags.TextVar(&o.Top.By, "by", top.Octets, "")
	flags.DurationVar(&o.Every, "every", 0, "")
	flags.BoolVar(&o.Top.Scaled, "scaled", false, "")
}

// parse makes options of the command line. Its errors are those of command.Parse.
func parse(args []string) (options, error) {
	o := options{Config: tail.Config{Brokers: []string{"127.0.0.1:9092"}}}
	flags := newFlags(&o)
	if err := command.Parse(flags, args); err != nil {
		return o, err
	}
	if err := o.parseFilter(flags.Args()); err != nil {
		return o, err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	err := o.resolve(given)
	return o, err
}

// parseFilter reads what is behind the flags.
func (o *options) parseFilter(words []string) (err error) {
	if len(words) > 0 && strings.HasPrefix(words[0], "-") {
		return command.Mistakef("argument %q: flags come before the filter", words[0])
	}
	o.Filter, err = filter.Parse(strings.Join(words, " "))
	if err != nil {
		return command.Mistakef("%w", err)
	}
	return nil
}

// resolve sets what follows from the flags that were given, and finds the mistakes that flags
// can be parsed with.
func (o *options) resolve(given map[string]bool) error {
	return errors.Join(o.resolveBegin(given), o.compare(given), o.resolveTop(given))
}

// resolveBegin does so for where to begin in a topic.
func (o *options) resolveBegin(given map[string]bool) error {
	begins := 0
	for _, name := range []string{"from", "since", "offset"} {
		if given[name] {
			begins++
		}
	}
	switch {
	case begins > 1:
		return command.Mistakef("-from, -since and -offset: each says where to begin, so give one of them")
	case given["since"] && o.since <= 0:
		return command.Mistakef("-since %v: give a time such as 10m", o.since)
	case given["since"]:
		o.From = tail.FromTime(time.Now().Add(-o.since))
	case o.offset != nil:
		o.From = tail.FromOffset(*o.offset)
	}
	return nil
}

// compare finds flags that do not go together, and values out of range.
func (o *options) compare(given map[string]bool) error {
	var errs []error
	mistake := func(format string, args ...any) { errs = append(errs, command.Mistakef(format, args...)) }
	elsewhere := len(o.Files) > 0 || o.Listen != ""
	for _, name := range []string{"brokers", "topic", "value", "from", "until", "since", "partition", "offset", "group"} {
		if elsewhere && given[name] {
			mistake("-%s: it is about Kafka; leave it out, or -read and -listen", name)
		}
	}
	if o.Group != "" && (len(o.Partitions) > 0 || o.offset != nil || !o.Until.IsZero()) {
		mistake("-group: the group shares out what is read; leave out -partition, -offset and -until, or -group")
	}
	if !elsewhere && o.Group == "" && given["until"] && o.From.NothingUntil(o.Until, time.Now()) {
		mistake("-until: nothing lies between %v and then; begin earlier, with -from start or -since 1h", o.From)
	}
	if o.Packets && !elsewhere {
		mistake("-packets: a topic has none; name captures with -read, or a port with -listen")
	}
	if len(o.Files) > 0 && o.Listen != "" {
		mistake("-read and -listen: choose one")
	}
	if o.Topic == "" {
		mistake(`-topic "": give the name of the topic, such as flows`)
	}
	if o.Limit < 0 {
		mistake("-n %d: give a number of flows, or 0 for no end", o.Limit)
	}
	if o.MaxPerSecond < 0 {
		mistake("-pace %d: give a number of flows a second, or 0 for all", o.MaxPerSecond)
	}
	if o.Format == tail.FormatParquet && o.output == "" {
		mistake("-format parquet: it is not for reading as text; name a file with -output")
	}
	return errors.Join(errs...)
}

// resolveTop does so for sums.
func (o *options) resolveTop(given map[string]bool) error {
	if len(o.Top.Keys) == 0 {
		for _, name := range []string{"by", "every", "scaled"} {
			if given[name] {
				return command.Mistakef("-%s: it is about sums; say of what with -top, such as -top src", name)
			}
		}
		return nil
	}
	if o.Format == tail.FormatParquet || o.Format == tail.FormatNone || o.Packets {
		return command.Mistakef("-top: sums are shown with -format table, csv or json, and without -packets")
	}
	if o.Every < 0 || o.Every > 0 && len(o.Files) > 0 {
		return command.Mistakef("-every %v: give a time such as 10s, and leave it out for captures, whose sums are shown in the end", o.Every)
	}
	o.Top.Rows = defaultRows
	if given["n"] {
		o.Top.Rows = o.Limit
	}
	o.Limit = 0
	if !given["every"] && len(o.Files) == 0 && o.Until.IsZero() {
		o.Every = liveEvery
	}
	return nil
}

// parseBrokers reads a comma-separated list of addresses.
func parseBrokers(text string) ([]string, error) {
	brokers := strings.Split(text, ",")
	for i, broker := range brokers {
		brokers[i] = strings.TrimSpace(broker)
		if host, port, err := net.SplitHostPort(brokers[i]); err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is no address: give host:port, such as kafka.example.net:9092", brokers[i])
		}
	}
	return brokers, nil
}

// parsePartitions reads a list of numbers and ranges.
func parsePartitions(text string) ([]int, error) {
	const most = 100_000
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		lower, upper, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			upper = lower
		}
		from, errFrom := strconv.Atoi(lower)
		to, errTo := strconv.Atoi(upper)
		if errFrom != nil || errTo != nil || from < 0 || to < from || to > most {
			return nil, fmt.Errorf("%q is no partition: give numbers and ranges, such as 0,3-5", part)
		}
		for p := from; p <= to; p++ {
			all = append(all, p)
		}
	}
	return all, nil
}
