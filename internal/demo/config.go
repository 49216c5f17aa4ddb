package demo

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/flowpub/flowpub/internal/exporter"
)

// Where the parts listen, unless something else does already.
const (
	DefaultListen = "127.0.0.1:2055"
	DefaultKafka  = "127.0.0.1:9092"
	DefaultHTTP   = "127.0.0.1:8080"
	freePort      = "127.0.0.1:0"
)

// Config says what the demo shows.
type Config struct {
	// Listen is the UDP host:port that NetFlow is received on. Empty:
	// DefaultListen, or a free port when that is taken.
	Listen string
	// Kafka is the TCP host:port of the embedded broker, HTTP that of metrics and
	// probes. Empty: DefaultKafka and DefaultHTTP, or free ports.
	Kafka, HTTP string
	// Exporters is how many exporters of synthetic flows there are, up to
	// exporter.MaxExporters; 0: none, others are waited for.
	Exporters int
	// Rate is how many flows a second they send together, above 0.
	Rate float64
	// Limit ends the demo after so many flows were printed; 0: it goes on.
	Limit int
	// MaxPerSecond is how many flows are printed in a second; 0: all.
	MaxPerSecond int
	// Out is what everything is printed to.
	Out io.Writer
	// Logger receives what goes wrong; nil means nothing is logged.
	Logger *slog.Logger
	// Version is the program's, for the metrics.
	Version string
}

// FieldError is a mistake in a Config.
type FieldError struct {
	// Field is the name of the field, Value what it holds.
	Field string
	Value any
	// Cure says what to give instead.
	Cure string
}

// Error tells all of it.
func (e *FieldError) Error() string {
	return fmt.Sprintf("demo: %s is %v: %s", e.Field, e.Value, e.Cure)
}

// Validate returns every mistake in c, joined, each a *FieldError, or nil.
func (c Config) Validate() error {
	var errs []error
	mistake := func(field string, value any, cure string) {
		errs = append(errs, &FieldError{field, value, cure})
	}
	address := func(field, value, example string) {
		if _, _, err := net.SplitHostPort(value); err != nil && value != "" {
			mistake(field, fmt.Sprintf("%q", value), "give host:port, such as "+example)
		}
	}
	address("Listen", c.Listen, ":2055")
	address("Kafka", c.Kafka, DefaultKafka)
	address("HTTP", c.HTTP, DefaultHTTP)
	if c.Exporters < 0 || c.Exporters > exporter.MaxExporters {
		mistake("Exporters", c.Exporters, fmt.Sprintf("give a number from 0 to %d", exporter.MaxExporters))
	}
	if !(c.Rate > 0) { // not a number is none, too
		mistake("Rate", c.Rate, "give a number of flows a second above 0")
	}
	if c.Limit < 0 {
		mistake("Limit", c.Limit, "give a number of flows, or 0 for no end")
	}
	if c.MaxPerSecond < 0 {
		mistake("MaxPerSecond", c.MaxPerSecond, "give a number of flows a second, or 0 for all")
	}
	return errors.Join(errs...)
}
