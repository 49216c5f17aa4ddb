package exporter

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"
)

// Defaults and limits of a Config.
const (
	// DefaultTarget is where a collector on this machine listens: 2055 is the
	// customary port for NetFlow.
	DefaultTarget = "127.0.0.1:2055"
	// MaxExporters is bounded by what one process may hold open: each exporter
	// has a socket.
	MaxExporters = 16384
	// MaxRecordsPerPacket is what the largest UDP payload over IPv4, 65,507
	// bytes, has room for.
	MaxRecordsPerPacket = 1364
	// MaxSamplingMode and MaxSamplingInterval are what the header's 2 and 14
	// bits can say.
	MaxSamplingMode     = 1<<2 - 1
	MaxSamplingInterval = 1<<14 - 1
	// DefaultTemplatePackets is what many routers have.
	DefaultTemplatePackets = 20
	// DefaultTemplateInterval is shorter than theirs, for those who watch.
	DefaultTemplateInterval = time.Minute
	// MaxDomains bounds what is sent at once: templates of all domains.
	MaxDomains = 256
	// minTemplateChange keeps changes apart: collectors ignore faster ones.
	minTemplateChange = time.Second
	// etherPayload is what an Ethernet frame leaves for UDP over IPv4, and maxPayload
	// what the largest datagram does.
	etherPayload = 1472
	maxPayload   = 65507
)

// firstSynthetic is the address of the first synthetic exporter.
var firstSynthetic = netip.AddrFrom4([4]byte{127, 1, 0, 1})

// Config says what synthetic exporters send, and where to. Its zero value is
// one exporter that sends to DefaultTarget as fast as it can without end.
type Config struct {
	// Target is the collector's host:port. Empty means DefaultTarget.
	Target string
	// Exporters is how many exporters take turns, 1 to MaxExporters. Zero
	// means one.
	Exporters int
	// FirstSource is the first exporter's address, of 127.0.0.0/8; the others
	// follow it. It needs an IPv4 loopback target. Zero means 127.1.0.1, or
	// own source ports where that cannot be; see the package comment.
	FirstSource netip.Addr
	// Formats are what the exporters speak, in turn. None means NetFlow version 5.
	Formats []Format
	// Rate is how many flows a second all exporters together number, whether
	// they are sent or not. Zero means as fast as possible.
	Rate float64
	// RateAtEnd, if it is not zero, is what the rate rises or falls to, evenly, within RampTime.
	RateAtEnd float64
	RampTime  time.Duration
	// Elephant is the share of the packets, 0 to 1, that the first exporter sends; zero means as many
	// as each of the others.
	Elephant float64
	// Flap is for how long an exporter sends before it is silent for as long, and so on. Neighbours
	// take turns. The others send what it would have sent. Zero means that all send all the time.
	Flap time.Duration
	// Flows is how many flows they number before Run returns. Zero means that
	// only Run's context ends it.
	Flows uint64
	// RecordsPerPacket is how many flows a packet holds, 1 to MaxRecordsPerPacket, and
	// no more than a UDP payload does in all Formats. Version 5's specification ends
	// at 30. Zero means as many as an Ethernet frame holds, in version 5 just 30.
	RecordsPerPacket int
	// Seed chooses the traffic. With the same seed and the same clock the same
	// packets are made.
	Seed uint64
	// SamplingMode and SamplingInterval are put into each header of version 5. An
	// interval above 0 makes exporters of formats with templates tell both in options; in
	// sFlow it is each sample's rate. The counters are not scaled by them.
	SamplingMode     int
	SamplingInterval int
	// An exporter repeats its templates and options after TemplatePackets packets or
	// after TemplateInterval, whichever comes first. Zero means DefaultTemplatePackets
	// and DefaultTemplateInterval.
	TemplatePackets  int
	TemplateInterval time.Duration
	// TemplateChange is how often an exporter changes its templates, keeping their IDs:
	// at least a second. Zero means never.
	TemplateChange time.Duration
	// TemplateLoss is the share of datagrams with templates, 0 to 1, that are numbered and
	// then not sent. Those with a change are always sent.
	TemplateLoss float64
	// Domains is how many observation domains, or sub-agents, the packets of an exporter
	// belong to, in turn. Neighbours have different templates with the same IDs. Zero
	// means one.
	Domains int
	// IPv6Share is the share of flows, 0 to 1, that are IPv6. Version 5 has none.
	IPv6Share float64
	// VariableLengths adds elements of variable length and one of an enterprise to IPFIX
	// records.
	VariableLengths bool
	// SequenceGaps is the share of packets, 0 to below 1, that are numbered and
	// then not sent, as if the network had lost them.
	SequenceGaps float64
	// MalformedShare is the share of datagrams, 0 to 1, that are damaged before
	// they are sent. The kinds of damage take turns.
	MalformedShare float64
	// UptimeWrap lets each exporter's uptime clock, which has 32 bits of
	// milliseconds, wrap one second after the start.
	UptimeWrap bool
	// Now is the exporters' clock. Nil means time.Now.
	Now func() time.Time
}

// FieldError is a mistake in a Config or a ReplayConfig.
type FieldError struct {
	// Field is the name of the field, Value what it holds.
	Field string
	Value any
	// Cure says what to give instead.
	Cure string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("exporter: %s is %v: %s", e.Field, e.Value, e.Cure)
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	if c.Target == "" {
		c.Target = DefaultTarget
	}
	if c.Exporters == 0 {
		c.Exporters = 1
	}
	if len(c.Formats) == 0 {
		c.Formats = []Format{NetFlow5}
	}
	if c.TemplatePackets == 0 {
		c.TemplatePackets = DefaultTemplatePackets
	}
	if c.TemplateInterval == 0 {
		c.TemplateInterval = DefaultTemplateInterval
	}
	if c.Domains == 0 {
		c.Domains = 1
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// validate returns all mistakes at once, each a *FieldError.
func (c Config) validate() error {
	mistakes := []error{
		inRange("Exporters", c.Exporters, 1, MaxExporters),
		inRange("SamplingMode", c.SamplingMode, 0, MaxSamplingMode),
		inRange("SamplingInterval", c.SamplingInterval, 0, MaxSamplingInterval),
		validRate("Rate", c.Rate),
		validRate("RateAtEnd", c.RateAtEnd),
		c.rampMistake(),
		validShare("Elephant", c.Elephant, c.Elephant <= 1, "give a share from 0 to 1, such as 0.9"),
		c.flapMistake(),
		validShare("SequenceGaps", c.SequenceGaps, c.SequenceGaps < 1, "give a share from 0 to below 1, such as 0.01"),
		validShare("MalformedShare", c.MalformedShare, c.MalformedShare <= 1, "give a share from 0 to 1, such as 0.01"),
		inRange("TemplatePackets", c.TemplatePackets, 1, math.MaxInt),
		validTime("TemplateInterval", c.TemplateInterval, time.Millisecond, "give a time of 1ms or more, such as 10s"),
		validTime("TemplateChange", c.TemplateChange, minTemplateChange, "give a time of 1s or more, or 0 for never"),
		validShare("TemplateLoss", c.TemplateLoss, c.TemplateLoss <= 1, "give a share from 0 to 1, such as 0.5"),
		inRange("Domains", c.Domains, 1, MaxDomains),
		validShare("IPv6Share", c.IPv6Share, c.IPv6Share <= 1, "give a share from 0 to 1, such as 0.5"),
	}
	return errors.Join(append(mistakes, c.formatMistakes()...)...)
}

// rampMistake refuses a rate that changes without a rate to begin with, or a time.
func (c Config) rampMistake() error {
	if c.RateAtEnd == 0 || c.Rate > 0 && c.RampTime > 0 {
		return nil
	}
	return &FieldError{"RateAtEnd", c.RateAtEnd, "give a rate above 0 to begin with, and how long it takes"}
}

// minFlap keeps phases apart from the pauses between packets.
const minFlap = 100 * time.Millisecond

func (c Config) flapMistake() error {
	switch {
	case c.Flap != 0 && c.Flap < minFlap:
		return &FieldError{"Flap", c.Flap, "give a time of 100ms or more, or 0 for never"}
	case c.Flap != 0 && c.Exporters < 2:
		return &FieldError{"Flap", c.Flap, "give two exporters or more, which take turns"}
	default:
		return nil
	}
}

// formatMistakes are formats that are none, and what no format of c can show.
func (c Config) formatMistakes() (mistakes []error) {
	for _, f := range c.Formats {
		if f >= formatCount {
			mistakes = append(mistakes, &FieldError{"Formats", f, "give " + formatList})
		}
	}
	templates := slices.ContainsFunc(c.Formats, Format.hasTemplates)
	domains := templates || slices.Contains(c.Formats, SFlow)
	variable := slices.Contains(c.Formats, IPFIX)
	for _, n := range []struct {
		field       string
		value       any
		asked, able bool
		formats     string
	}{
		{"IPv6Share", c.IPv6Share, c.IPv6Share > 0, domains, "v9, ipfix or sflow"},
		{"Domains", c.Domains, c.Domains > 1, domains, "v9, ipfix or sflow"},
		{"TemplateChange", c.TemplateChange, c.TemplateChange > 0, templates, "v9 or ipfix"},
		{"TemplateLoss", c.TemplateLoss, c.TemplateLoss > 0, templates, "v9 or ipfix"},
		{"VariableLengths", c.VariableLengths, c.VariableLengths, variable, "ipfix"},
	} {
		if n.asked && !n.able {
			mistakes = append(mistakes, &FieldError{n.field, n.value, "leave it out, or give a format that has it: " + n.formats})
		}
	}
	return mistakes
}

// validTime refuses times below least, except for none.
func validTime(field string, d, least time.Duration, cure string) error {
	if d == 0 || d >= least {
		return nil
	}
	return &FieldError{field, d, cure}
}

func inRange(field string, value, low, high int) error {
	if value < low || value > high {
		return &FieldError{field, value, fmt.Sprintf("give a number from %d to %d", low, high)}
	}
	return nil
}

// validRate refuses what cannot be paced; the comparisons refuse NaN too.
func validRate(field string, rate float64) error {
	if rate >= 0 && rate <= maxRate {
		return nil
	}
	return &FieldError{field, rate, fmt.Sprintf("give a number a second from 0 (as fast as possible) to %g", float64(maxRate))}
}

func validShare(field string, share float64, below bool, cure string) error {
	if share >= 0 && below {
		return nil
	}
	return &FieldError{field, share, cure}
}
