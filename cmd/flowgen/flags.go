package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/flowpub/flowpub/internal/exporter"
)

// errVersion: the version is asked for.
var errVersion = errors.New("flowgen: version")

// job is what the flags ask for.
type job struct {
	sender sender
	// duration ends it; 0 lets it go on.
	duration time.Duration
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// newFlags makes a set that says nothing by itself, with the flags that all
// commands have.
func newFlags(command string) (flags *flag.FlagSet, version *bool) {
	flags = flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = nil
	version = flags.Bool("version", false, "")
	return flags, version
}

// parseFlags parses args, and turns -version into errVersion.
func parseFlags(flags *flag.FlagSet, args []string, version *bool) error {
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return usageError{err}
	case *version:
		return errVersion
	}
	return nil
}

// addressFlag defines a flag that is an IP address.
func addressFlag(flags *flag.FlagSet, name string, address *netip.Addr) {
	flags.Func(name, "", func(value string) (err error) {
		*address, err = netip.ParseAddr(value)
		if err != nil {
			return errors.New("give an address such as 127.5.0.1")
		}
		return nil
	})
}

// syntheticFlags defines the flags of synthetic exporters.
func syntheticFlags(c *exporter.Config, duration *time.Duration) (flags *flag.FlagSet, version *bool) {
	flags, version = newFlags("flowgen")
	flags.StringVar(&c.Target, "target", exporter.DefaultTarget, "")
	flags.IntVar(&c.Exporters, "exporters", 4, "")
	addressFlag(flags, "source", &c.FirstSource)
	flags.Float64Var(&c.Rate, "rate", 1000, "")
	flags.Uint64Var(&c.Flows, "flows", 0, "")
	flags.DurationVar(duration, "duration", 0, "")
	flags.IntVar(&c.RecordsPerPacket, "records", 30, "")
	flags.Uint64Var(&c.Seed, "seed", 1, "")
	flags.IntVar(&c.SamplingMode, "sampling-mode", 0, "")
	flags.IntVar(&c.SamplingInterval, "sampling-interval", 0, "")
	flags.Float64Var(&c.SequenceGaps, "gaps", 0, "")
	flags.Float64Var(&c.MalformedShare, "malformed", 0, "")
	flags.BoolVar(&c.UptimeWrap, "uptime-wrap", false, "")
	return flags, version
}

// parseSynthetic makes a job of the flags of synthetic exporters.
func parseSynthetic(args []string) (*job, error) {
	var c exporter.Config
	var duration time.Duration
	flags, version := syntheticFlags(&c, &duration)
	if err := parseFlags(flags, args, version); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, usageError{fmt.Errorf("argument %q: there are only flags; a capture is sent with: flowgen replay %[1]s", flags.Arg(0))}
	}
	if duration < 0 {
		return nil, usageError{fmt.Errorf("-duration %v: give a time such as 30s, or 0 for no limit", duration)}
	}
	g, err := exporter.New(c)
	if err != nil {
		return nil, err
	}
	return &job{sender: synthetic{g}, duration: duration}, nil
}

// replayFlags defines the flags of a replay.
func replayFlags(c *exporter.ReplayConfig) (flags *flag.FlagSet, version *bool) {
	flags, version = newFlags("flowgen replay")
	flags.StringVar(&c.Target, "target", exporter.DefaultTarget, "")
	flags.BoolVar(&c.OwnSources, "own-sources", false, "")
	addressFlag(flags, "source", &c.FirstSource)
	flags.BoolVar(&c.KeepPorts, "keep-ports", false, "")
	flags.Func("rate", "", func(value string) error { return setPace(c, value) })
	flags.IntVar(&c.Loops, "loops", 1, "")
	flags.BoolVar(&c.OnlyV5, "only-v5", false, "")
	return flags, version
}

// recordedPace is the -rate of a replay that keeps the capture's pauses.
const recordedPace = "recorded"

func setPace(c *exporter.ReplayConfig, value string) (err error) {
	if value == recordedPace {
		c.Pace = exporter.PaceRecorded
		return nil
	}
	c.Pace = exporter.PaceFixed
	if c.Rate, err = strconv.ParseFloat(value, 64); err != nil {
		return errors.New(`give "recorded" or a number of datagrams a second`)
	}
	if c.Rate == 0 {
		c.Pace = exporter.PaceUnlimited
	}
	return nil
}

// parseReplay makes a job of the flags and files of a replay.
func parseReplay(args []string) (*job, error) {
	var c exporter.ReplayConfig
	flags, version := replayFlags(&c)
	if err := parseFlags(flags, args, version); err != nil {
		return nil, err
	}
	c.Files = flags.Args()
	r, err := exporter.NewReplay(c)
	if err != nil {
		return nil, err
	}
	return &job{sender: replay{r, c.OwnSources}}, nil
}
