package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/exporter"
)

// job is what the flags ask for.
type job struct {
	sender sender
	// target is where it sends.
	target string
	// duration ends it; 0 lets it go on.
	duration time.Duration
	// status is the collector's address that is asked how it does; empty if none is.
	status string
	// limit, if there is one, is a search in place of the sender.
	limit *limit
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

// numberFlag defines a flag that is a number from 1 to most.
func numberFlag(flags *flag.FlagSet, name string, n *int, standard, most int) {
	*n = standard
	flags.Var(&number{n, most}, name, "")
}

// number is the value of a flag. It does not let 0 through, which stands for
// the default in a configuration.
type number struct {
	n    *int
	most int
}

// Set reads a number.
func (v *number) Set(text string) error {
	n, err := command.ParseWhole(text)
	switch {
	case err == nil && n >= 1 && n <= uint64(v.most):
		*v.n = int(n)
		return nil
	case v.most == math.MaxInt:
		return errors.New("give 1 or more")
	default:
		return fmt.Errorf("give a number from 1 to %d", v.most)
	}
}

// String writes the number.
func (v *number) String() string {
	if v.n == nil { // package flag asks a zero value
		return ""
	}
	return strconv.Itoa(*v.n)
}

// options are what synthetic exporters are asked for beside their configuration.
type options struct {
	duration  time.Duration
	status    string
	findLimit bool
}

// syntheticFlags defines the flags of synthetic exporters.
func syntheticFlags(c *exporter.Config, o *options) *flag.FlagSet {
	flags := command.NewFlags()
	flags.StringVar(&c.Target, "target", exporter.DefaultTarget, "")
	numberFlag(flags, "exporters", &c.Exporters, 4, exporter.MaxExporters)
	addressFlag(flags, "source", &c.FirstSource)
	flags.Func("format", "", func(value string) (err error) {
		c.Formats, err = exporter.ParseFormats(value)
		return err
	})
	c.Rate = 1000
	flags.Func("rate", "", func(value string) error { return setRate(c, value) })
	flags.Float64Var(&c.Elephant, "elephant", 0, "")
	flags.DurationVar(&c.Flap, "flap", 0, "")
	flags.Func("flows", "", func(value string) (err error) {
		c.Flows, err = command.ParseWhole(value)
		return err
	})
	flags.DurationVar(&o.duration, "duration", 0, "")
	flags.IntVar(&c.RecordsPerPacket, "records", 0, "")
	flags.Uint64Var(&c.Seed, "seed", 1, "")
	flags.IntVar(&c.SamplingMode, "sampling-mode", 0, "")
	flags.IntVar(&c.SamplingInterval, "sampling-interval", 0, "")
	templateFlags(flags, c)
	flags.Float64Var(&c.SequenceGaps, "gaps", 0, "")
	flags.Float64Var(&c.MalformedShare, "malformed", 0, "")
	flags.BoolVar(&c.UptimeWrap, "uptime-wrap", false, "")
	flags.StringVar(&o.status, "status", "", "")
	flags.BoolVar(&o.findLimit, "find-limit", false, "")
	return flags
}

// templateFlags defines the flags of formats with templates.
func templateFlags(flags *flag.FlagSet, c *exporter.Config) {
	numberFlag(flags, "template-packets", &c.TemplatePackets, exporter.DefaultTemplatePackets, math.MaxInt)
	flags.DurationVar(&c.TemplateInterval, "template-interval", exporter.DefaultTemplateInterval, "")
	flags.DurationVar(&c.TemplateChange, "template-change", 0, "")
	flags.Float64Var(&c.TemplateLoss, "template-loss", 0, "")
	numberFlag(flags, "domains", &c.Domains, 1, exporter.MaxDomains)
	flags.Float64Var(&c.IPv6Share, "ipv6", 0, "")
	flags.BoolVar(&c.VariableLengths, "variable", false, "")
}

// parseSynthetic makes a job of the flags of synthetic exporters.
func parseSynthetic(args []string) (*job, error) {
	var c exporter.Config
	var o options
	flags := syntheticFlags(&c, &o)
	if err := command.Parse(flags, args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, command.Mistakef("argument %q: there are only flags; a capture is sent with: flowgen replay %[1]s", flags.Arg(0))
	}
	if o.duration < 0 {
		return nil, command.Mistakef("-duration %v: give a time such as 30s, or 0 for no limit", o.duration)
	}
	if c.RateAtEnd > 0 {
		if o.duration == 0 {
			return nil, command.Mistakef("-rate: one that changes needs -duration, within which it does")
		}
		c.RampTime = o.duration
	}
	if err := checkStatus(o.status); err != nil {
		return nil, err
	}
	if o.findLimit {
		return parseLimit(c, o.duration, o.status)
	}
	g, err := exporter.New(c)
	if err != nil {
		return nil, inFlags(err)
	}
	return &job{sender: synthetic{g}, target: c.Target, duration: o.duration, status: o.status}, nil
}

// setRate reads a rate, or two between which it changes.
func setRate(c *exporter.Config, value string) (err error) {
	from, to, changes := strings.Cut(value, "-")
	if from == "" { // a minus
		from, changes = value, false
	}
	c.RateAtEnd = 0
	if c.Rate, err = command.ParseNumber(from); err == nil && changes {
		c.RateAtEnd, err = command.ParseNumber(to)
	}
	return err
}

// parseLimit makes a job of a search for the highest rate.
func parseLimit(c exporter.Config, duration time.Duration, status string) (*job, error) {
	switch {
	case status == "":
		return nil, command.Mistakef("-find-limit: give the collector's HTTP address as -status, such as http://127.0.0.1:8080, which tells what is lost")
	case c.Flows > 0 || c.RateAtEnd > 0 || c.Rate == 0 || c.SequenceGaps > 0 || c.MalformedShare > 0 || c.TemplateLoss > 0:
		return nil, command.Mistakef("-find-limit: it chooses the rate, from -rate on, and sends nothing that is to be lost: leave out -flows, -gaps, -malformed and -template-loss")
	case duration == 0:
		duration = limitStep
	}
	g, err := exporter.New(c)
	if err != nil {
		return nil, inFlags(err)
	}
	return &job{limit: &limit{config: c, step: duration, collector: newCollector(status)}, target: c.Target}, g.Close()
}

// checkStatus refuses what is no address of HTTP.
func checkStatus(status string) error {
	if status == "" {
		return nil
	}
	u, err := url.Parse(status)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return command.Mistakef("-status %q: give the collector's HTTP address, such as http://127.0.0.1:8080", status)
	}
	return nil
}

// replayFlags defines the flags of a replay.
func replayFlags(c *exporter.ReplayConfig) *flag.FlagSet {
	flags := command.NewFlags()
	flags.StringVar(&c.Target, "target", exporter.DefaultTarget, "")
	flags.BoolVar(&c.OwnSources, "own-sources", false, "")
	addressFlag(flags, "source", &c.FirstSource)
	flags.BoolVar(&c.KeepPorts, "keep-ports", false, "")
	flags.Func("rate", "", func(value string) error { return setPace(c, value) })
	numberFlag(flags, "loops", &c.Loops, 1, math.MaxInt)
	flags.BoolVar(&c.Payloads, "payloads", false, "")
	flags.BoolVar(&c.OnlyV5, "only-v5", false, "")
	return flags
}

// recordedPace is the -rate of a replay that keeps the capture's pauses.
const recordedPace = "recorded"

func setPace(c *exporter.ReplayConfig, value string) (err error) {
	if value == recordedPace {
		c.Pace = exporter.PaceRecorded
		return nil
	}
	c.Pace = exporter.PaceFixed
	if c.Rate, err = command.ParseNumber(value); err != nil {
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
	flags := replayFlags(&c)
	if err := command.Parse(flags, args); err != nil {
		return nil, err
	}
	c.Files = flags.Args()
	for _, file := range c.Files {
		if strings.HasPrefix(file, "-") {
			return nil, command.Mistakef("FILE %q: flags come before FILE; write a file of that name as ./%[1]s", file)
		}
	}
	r, err := exporter.NewReplay(c)
	if err != nil {
		return nil, inFlags(err)
	}
	return &job{sender: replay{r, c.OwnSources}, target: c.Target}, nil
}
