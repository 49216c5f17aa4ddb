package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// codecs are what flowpub calls them: Kafka's, and its own ways to write two of them.
var codecs = []string{"none", "gzip", "snappy", "lz4", "lz4-fast", "zstd", "zstd-fast"}

// Rates that are no number.
const (
	// rateMax: the generator sends as fast as it can, and most is lost.
	rateMax = 0
	// rateLossless: search for the highest rate at which nothing is lost.
	rateLossless = -1
)

var rateNames = map[int]string{rateMax: "max", rateLossless: "lossless"}

// usageError is a mistake in the command line.
type usageError struct{ error }

// options are what the flags ask for.
type options struct {
	scenarios []scenario
	traffic   []traffic // each scenario is measured with, in turn
	runs      int
	duration  time.Duration // of the load that is measured
	warmup    time.Duration // of the load before it
	flowpub   string        // the program
	versus    string        // another collector's command line, if any
	profile   string        // directory for profiles, if any
	page      bool          // flowpub with its status page open is another product
	format    string
	quick     bool
}

// scenario is one set of conditions.
type scenario struct {
	traffic    traffic
	rate       int // flows a second, or rateMax, or rateLossless
	codec      string
	partitions int
	exporters  int
	delay      time.Duration // added to each answer of the broker
}

// The flags' default values, and those of -quick.
const (
	defaultRates    = "100000,900000,max"
	defaultCodecs   = "none,snappy,lz4,zstd,zstd-fast"
	defaultDuration = 10 * time.Second
	defaultWarmup   = 2 * time.Second
	defaultRuns     = 5
	quickRates      = "20000"
	quickCodecs     = "none,zstd-fast"
	quickDuration   = 2 * time.Second
	quickWarmup     = 500 * time.Millisecond
)

// Output formats.
const (
	formatTable     = "table"
	formatBenchstat = "benchstat"
)

// lists are flags that take several values, separated by commas.
type lists struct{ traffic, rates, codecs, partitions, exporters, delays string }

func parseOptions(args []string, stdout io.Writer) (*options, error) {
	o := &options{}
	var l lists
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&l.traffic, "traffic", "v5", "what exporters send, in turn: v5, v9, ipfix, sflow; v9-ipv6 and so on: flows of IPv6; file:PATH: a recording of v5")
	f.StringVar(&l.rates, "rate", defaultRates, "flows a second: numbers; max: as fast as the generator can; lossless: search for the highest without loss")
	f.StringVar(&l.codecs, "codec", defaultCodecs, "compression: none, gzip, snappy, lz4, lz4-fast, zstd, zstd-fast")
	f.StringVar(&l.partitions, "partitions", "16", "partitions of the topic")
	f.StringVar(&l.exporters, "exporters", "16", "exporters, each with a source address of its own")
	f.StringVar(&l.delays, "delay", "0", "time that the broker adds to each answer")
	f.DurationVar(&o.duration, "duration", defaultDuration, "how long the measured load lasts")
	f.DurationVar(&o.warmup, "warmup", defaultWarmup, "how long the same load lasts before that")
	f.IntVar(&o.runs, "runs", defaultRuns, "how often each measurement is made")
	f.StringVar(&o.flowpub, "flowpub", "bin/flowpub", "the program to measure")
	f.StringVar(&o.versus, "versus", "", "command line of another collector to measure in turn; {listen} {http} {brokers} {topic} {codec} (as Kafka calls it) are replaced")
	f.StringVar(&o.profile, "profile", "", "directory to write CPU and allocation profiles of flowpub to, which costs it a little")
	f.BoolVar(&o.page, "page", false, "measure flowpub with its status page open, too, in turn")
	f.StringVar(&o.format, "format", formatTable, "output: table, benchstat")
	f.BoolVar(&o.quick, "quick", false, "a few seconds at a low rate, to see that it works: fails if a flow is lost")
	if err := f.Parse(args); err != nil {
		if err == flag.ErrHelp { //nolint:errorlint // the flag package returns it as it is
			f.SetOutput(stdout)
			f.Usage()
			return nil, err
		}
		return nil, usageError{err}
	}
	if f.NArg() > 0 {
		return nil, usageError{fmt.Errorf("argument %q: there are only flags", f.Arg(0))}
	}
	o.quicken(f, &l)
	if err := o.complete(&l); err != nil {
		return nil, err
	}
	return o, nil
}

// quicken changes what the command line left to the defaults.
func (o *options) quicken(f *flag.FlagSet, l *lists) {
	if !o.quick {
		return
	}
	set := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, change := range map[string]func(){
		"rate":     func() { l.rates = quickRates },
		"codec":    func() { l.codecs = quickCodecs },
		"duration": func() { o.duration = quickDuration },
		"warmup":   func() { o.warmup = quickWarmup },
		"runs":     func() { o.runs = 1 },
	} {
		if !set[name] {
			change()
		}
	}
}

// complete checks the options and makes all combinations of the lists.
func (o *options) complete(l *lists) error {
	switch {
	case o.runs < 1:
		return usageError{fmt.Errorf("-runs %d: it must be at least 1", o.runs)}
	case o.duration < time.Second:
		return usageError{fmt.Errorf("-duration %v: it must be at least 1s", o.duration)}
	case o.warmup < 0:
		return usageError{fmt.Errorf("-warmup %v: it must not be negative", o.warmup)}
	case o.format != formatTable && o.format != formatBenchstat:
		return usageError{fmt.Errorf("-format %s: it must be %s or %s", o.format, formatTable, formatBenchstat)}
	}
	return o.combine(l)
}

func (o *options) combine(l *lists) (err error) {
	if o.traffic, err = parseList("traffic", l.traffic, parseTraffic); err != nil {
		return err
	}
	delays, err := parseList("delay", l.delays, parseDelay)
	if err != nil {
		return err
	}
	exporters, err := parseList("exporters", l.exporters, parseCount)
	if err != nil {
		return err
	}
	partitions, err := parseList("partitions", l.partitions, parseCount)
	if err != nil {
		return err
	}
	chosen, err := parseList("codec", l.codecs, parseCodec)
	if err != nil {
		return err
	}
	rates, err := parseList("rate", l.rates, parseRate)
	if err != nil {
		return err
	}
	for _, s := range combinations(delays, exporters, partitions) {
		for _, s.rate = range rates {
			for _, s.codec = range chosen {
				o.scenarios = append(o.scenarios, s)
			}
		}
	}
	return nil
}

func combinations(delays []time.Duration, exporters, partitions []int) (all []scenario) {
	for _, delay := range delays {
		for _, e := range exporters {
			for _, p := range partitions {
				all = append(all, scenario{delay: delay, exporters: e, partitions: p})
			}
		}
	}
	return all
}

func parseList[T any](name, list string, parse func(string) (T, error)) ([]T, error) {
	var values []T
	for text := range strings.SplitSeq(list, ",") {
		v, err := parse(strings.TrimSpace(text))
		if err != nil {
			return nil, usageError{fmt.Errorf("-%s %q: %w", name, text, err)}
		}
		values = append(values, v)
	}
	return values, nil
}

func parseRate(text string) (int, error) {
	for rate, name := range rateNames {
		if text == name {
			return rate, nil
		}
	}
	rate, err := strconv.Atoi(text)
	if err != nil || rate < 1 {
		return 0, fmt.Errorf("give a number of flows a second, %s or %s", rateNames[rateMax], rateNames[rateLossless])
	}
	return rate, nil
}

func parseCodec(text string) (string, error) {
	if !slices.Contains(codecs, text) {
		return "", fmt.Errorf("it must be one of %s", strings.Join(codecs, ", "))
	}
	return text, nil
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("give a number of at least 1")
	}
	return n, nil
}

func parseDelay(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("give a time such as 10ms, or 0")
	}
	return d, nil
}

// rateName is how a rate is written.
func rateName(rate int) string {
	if name, named := rateNames[rate]; named {
		return name
	}
	return strconv.Itoa(rate)
}
