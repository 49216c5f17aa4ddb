package tail

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
)

// Config says what to read and how to print it.
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
	Value Value
	// From is where reading begins.
	From From
	// Limit ends Run after so many flows were printed; 0 means no limit.
	Limit int
	// MaxPerSecond is how many flows are printed in a second, for people to read
	// along; those above are passed over and counted. 0 means all.
	MaxPerSecond int
	// Filter says which flows are printed.
	Filter Filter
	// Format is how they are printed.
	Format Format
	// Out is what they are printed to. It is flushed whenever no flow waits to
	// be printed.
	Out io.Writer
	// Logger receives what goes wrong in reading; nil means nothing is logged.
	Logger *slog.Logger
}

// Validate returns every mistake in c, joined, or nil.
func (c Config) Validate() error {
	var errs []error
	mistake := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("tail: "+format, args...))
	}
	if len(c.Brokers) == 0 {
		mistake("no brokers: name at least one as host:port")
	}
	for _, broker := range c.Brokers {
		if host, port, err := net.SplitHostPort(broker); err != nil || host == "" || port == "" {
			mistake("broker %q: write it as host:port", broker)
		}
	}
	if c.Topic == "" {
		mistake("no topic: name the topic that holds the flow records")
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
	return errors.Join(errs...)
}

// Value is how a message's value holds its flow record.
type Value uint8

// The forms of a value, as FLOWPUB_KAFKA_VALUE names them.
const (
	// ValueProtobuf: the encoded record.
	ValueProtobuf Value = iota
	// ValueProtobufDelimited: the same behind its length.
	ValueProtobufDelimited
	// ValueJSON: the record in JSON.
	ValueJSON
	// ValueConfluent: the encoded record behind the id of its schema.
	ValueConfluent
)

// valueNames is indexed by Value.
var valueNames = [...]string{"protobuf", "protobuf-delimited", "json", "confluent"}

// String returns "protobuf", "protobuf-delimited", "json" or "confluent".
func (v Value) String() string { return valueNames[v] }

// MarshalText is String.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText accepts what String returns.
func (v *Value) UnmarshalText(text []byte) error {
	for i, name := range valueNames {
		if string(text) == name {
			*v = Value(i)
			return nil
		}
	}
	return fmt.Errorf("tail: value %q is not known: use protobuf, protobuf-delimited, confluent or json", text)
}

// From is where reading a partition begins.
type From uint8

// Where reading begins.
const (
	// FromEnd: with what is produced from now on.
	FromEnd From = iota
	// FromStart: with the oldest record that is kept.
	FromStart
)

// String returns "end" or "start".
func (f From) String() string {
	if f == FromStart {
		return "start"
	}
	return "end"
}

// MarshalText is String.
func (f From) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts "end" and "start".
func (f *From) UnmarshalText(text []byte) error {
	switch string(text) {
	case "end":
		*f = FromEnd
	case "start":
		*f = FromStart
	default:
		return fmt.Errorf("tail: position %q is not known: use start or end", text)
	}
	return nil
}

// Format is how flows are printed.
type Format uint8

// The formats.
const (
	// FormatTable: a line a flow, in columns that fit into 100 characters.
	FormatTable Format = iota
	// FormatJSON: a JSON object a line, with every field of the record.
	FormatJSON
	// FormatCSV: a header line, then a line a flow with the fields of FormatJSON.
	FormatCSV
	// FormatWide: the table with more columns, for wide terminals.
	FormatWide
)

// formatNames is indexed by Format.
var formatNames = [...]string{"table", "json", "csv", "wide"}

// String returns "table", "json", "csv" or "wide".
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
	return fmt.Errorf("tail: format %q is not known: use table, wide, json or csv", text)
}
