package exporter

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder/netflow5"
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
	// Rate is how many flows a second all exporters together number, whether
	// they are sent or not. Zero means as fast as possible.
	Rate float64
	// Flows is how many flows they number before Run returns. Zero means that
	// only Run's context ends it.
	Flows uint64
	// RecordsPerPacket is how many flows a packet holds, 1 to
	// MaxRecordsPerPacket; the specification ends at 30. Zero means 30.
	RecordsPerPacket int
	// Seed chooses the traffic. With the same seed and the same clock the same
	// packets are made.
	Seed uint64
	// SamplingMode and SamplingInterval are put into each header. The counters
	// are not scaled by them.
	SamplingMode     int
	SamplingInterval int
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
	if c.RecordsPerPacket == 0 {
		c.RecordsPerPacket = netflow5.MaxRecords
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// validate returns all mistakes at once, each a *FieldError.
func (c Config) validate() error {
	return errors.Join(
		inRange("Exporters", c.Exporters, 1, MaxExporters),
		inRange("RecordsPerPacket", c.RecordsPerPacket, 1, MaxRecordsPerPacket),
		inRange("SamplingMode", c.SamplingMode, 0, MaxSamplingMode),
		inRange("SamplingInterval", c.SamplingInterval, 0, MaxSamplingInterval),
		validRate(c.Rate),
		validShare("SequenceGaps", c.SequenceGaps, c.SequenceGaps < 1, "give a share from 0 to below 1, such as 0.01"),
		validShare("MalformedShare", c.MalformedShare, c.MalformedShare <= 1, "give a share from 0 to 1, such as 0.01"),
	)
}

func inRange(field string, value, low, high int) error {
	if value < low || value > high {
		return &FieldError{field, value, fmt.Sprintf("give a number from %d to %d", low, high)}
	}
	return nil
}

// validRate refuses what cannot be paced; the comparisons refuse NaN too.
func validRate(rate float64) error {
	if rate >= 0 && rate <= maxRate {
		return nil
	}
	return &FieldError{"Rate", rate, fmt.Sprintf("give a number a second from 0 (as fast as possible) to %g", float64(maxRate))}
}

func validShare(field string, share float64, below bool, cure string) error {
	if share >= 0 && below {
		return nil
	}
	return &FieldError{field, share, cure}
}
