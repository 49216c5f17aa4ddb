package tail

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/flowpub/flowpub/internal/tail/filter"
	"github.com/flowpub/flowpub/internal/tail/flow"
	"github.com/flowpub/flowpub/internal/tail/top"
)

// Config says what to read and how to show it.
type Config struct {
	// Brokers are the host:port addresses of at least one broker of the
	// cluster; the rest is learned from it.
	Brokers []string
	// Security is how connections to them are made. Nil: neither encrypted nor
	// authenticated.
	Security Security
	// Topic holds the flow records. It must exist.
	Topic string
	// Value is how the messages hold their flow records.
	Value flow.Form
	// From is where reading begins.
	From Position
	// Until ends Run when what was received before has been read; zero means never.
	Until time.Time
	// Partitions are those that are read; none means all.
	Partitions []int
	// Group is the consumer group that shares the reading, and in which it is noted; empty
	// means none. Its offsets, if it has some, are where reading begins.
	Group string

	// Files are captures that are read instead of a topic.
	Files []string
	// Listen is the UDP address whose datagrams are read instead of a topic.
	Listen string
	// Packets shows the datagrams of these as they are, not the flows in them.
	Packets bool

	// Limit ends Run after so many flows were shown; 0 means no limit.
	Limit int
	// MaxPerSecond is how many flows are shown in a second, for people to read
	// along; those above are passed over and counted. 0 means all.
	MaxPerSecond int
	// Filter says which flows are shown.
	Filter filter.Filter
	// Format is how they are shown.
	Format Format
	// Columns are those of a table, by name; none means those of the format.
	Columns []string
	// Style is how a table's values are written.
	Style Style
	// Top, if it has keys, has flows added up instead, every so often; 0 means in the end.
	Top   top.Config
	Every time.Duration

	// Out is what they are shown on. It is flushed whenever no flow waits.
	Out io.Writer
	// Progress receives a line that is rewritten each second; nil means none.
	Progress io.Writer
	// Logger receives what goes wrong in reading; nil means nothing is logged.
	Logger *slog.Logger
}

// Style is how a table's values are written.
type Style struct {
	// Exact writes numbers to the last digit.
	Exact bool
	// Services writes the names of ports.
	Services bool
	// Color uses a terminal's colours.
	Color bool
}

// kafka reports whether it is a topic that is read.
func (c Config) kafka() bool { return len(c.Files) == 0 && c.Listen == "" }

// Validate returns every mistake in c, joined, or nil.
func (c Config) Validate() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("tail: "+format, args...))
	}
	if c.kafka() {
		errs = append(errs, c.validateKafka())
	} else if len(c.Files) > 0 && c.Listen != "" {
		mistake("captures and a port to listen on: choose one")
	}
	if c.Packets && c.kafka() {
		mistake("packets of a topic: they are those of captures, or of a port to listen on")
	}
	if c.Limit < 0 {
		mistake("limit is %d flows: it must be at least 1, or 0 for no limit", c.Limit)
	}
	if c.MaxPerSecond < 0 {
		mistake("pace is %d flows a second: it must be at least 1, or 0 for all", c.MaxPerSecond)
	}
	if c.Out == nil {
		mistake("nothing to print to: set Out")
	}
	_, err := columnsOf(&c)
	return errors.Join(append(errs, err)...)
}

func (c Config) validateKafka() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, errors.New("tail: no brokers: name at least one as host:port"))
	}
	for _, broker := range c.Brokers {
		if host, port, err := net.SplitHostPort(broker); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("tail: broker %q: write it as host:port", broker))
		}
	}
	if c.Topic == "" {
		errs = append(errs, errors.New("tail: no topic: name the topic that holds the flow records"))
	}
	if c.Group != "" && (len(c.Partitions) > 0 || !c.Until.IsZero() || c.From.kind == atOffset) {
		errs = append(errs, errors.New("tail: a consumer group with partitions, an offset or an end: the group shares these out; leave them or the group out"))
	}
	return errors.Join(errs...)
}

// Format is how flows are shown.
type Format uint8

// The formats.
const (
	// FormatTable: a line a flow, in columns that fit into 80 characters.
	FormatTable Format = iota
	// FormatJSON: a JSON object a line, with every field of the record.
	FormatJSON
	// FormatCSV: a header line, then a line a flow with the fields of FormatJSON.
	FormatCSV
	// FormatWide: the table with more columns, for wide terminals.
	FormatWide
	// FormatParquet: a Parquet file with the fields of FormatJSON.
	FormatParquet
	// FormatNone: nothing; flows are counted.
	FormatNone
)

// formatNames is indexed by Format.
var formatNames = [...]string{"table", "json", "csv", "wide", "parquet", "none"}

// String returns the format's name.
func (f Format) String() string { return formatNames[f] }

// MarshalText is String.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts what String returns.
func (f *Format) UnmarshalText(text []byte) error {
	for i, name := range formatNames {
		if string(text) == name {
			*f = Format(i)
			return nil
		}
	}
	return fmt.Errorf("tail: format %q is not known: use table, wide, json, csv, parquet or none", text)
}
