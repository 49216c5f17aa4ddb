package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"time"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/tail/flow"
)

// Summary says what a Run did.
type Summary struct {
	// Printed counts the flows shown, or added up.
	Printed int
	// PassedOver counts those that would have been, but for Config.MaxPerSecond.
	PassedOver int
	// Unwanted counts those that Config.Filter leaves out.
	Unwanted int
	// Undecodable counts the messages, or datagrams, that hold no flow records as Config.Value
	// has them.
	Undecodable int
	// OtherForm is that in which one of the undecodable messages is a flow record;
	// empty when none is.
	OtherForm string
	// Waiting counts the data sets of datagrams whose template has not come.
	Waiting int
	// Took is how long it ran.
	Took time.Duration
	// Datagrams: those were shown, not flows.
	Datagrams bool
}

// flows is how many there were.
func (s Summary) flows() int { return s.Printed + s.PassedOver + s.Unwanted }

// String returns a line for people.
func (s Summary) String() string {
	seconds := s.Took.Seconds()
	shown := "flows"
	if s.Datagrams {
		shown = "datagrams"
	}
	text := fmt.Sprintf("%d %s printed in %.1f s", s.Printed, shown, seconds)
	if s.PassedOver > 0 {
		text += fmt.Sprintf(", %d more passed over", s.PassedOver)
	}
	if s.Unwanted > 0 {
		text += fmt.Sprintf(", %d not wanted", s.Unwanted)
	}
	if seconds > 0 {
		text += fmt.Sprintf(": %.1f %s/s", float64(s.Printed+s.PassedOver)/seconds, shown)
	}
	return text
}

// Run shows flows until ctx ends, the limit is reached, all is read that there is to read, or
// whoever reads Config.Out has gone away; none of these is an error. It is one when the
// configuration is wrong, when at the start no broker answers or the topic does
// not exist, when there were messages and none is a flow record, and when Config.Out
// fails otherwise. Whatever happens to the brokers later is waited out.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	if err := cfg.Validate(); err != nil {
		return Summary{}, err
	}
	return follow(ctx, cfg, partitionInterval)
}

// source hands messages to a sink until there are no more, ctx ends, or the sink has
// enough: errEnough, which is no error, and those of the sink are returned as they are.
type source interface {
	run(ctx context.Context, s *sink) error
}

// errEnough: the limit is reached.
var errEnough = errors.New("tail: enough")

// follow is Run, looking for partitions that were added at interval.
func follow(ctx context.Context, cfg Config, interval time.Duration) (Summary, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Security == nil {
		cfg.Security = plain{}
	}
	began := time.Now()
	from, err := sourceOf(ctx, &cfg, interval)
	if err != nil {
		if ended(ctx) {
			err = nil // told to end before anything began
		}
		return Summary{Took: time.Since(began)}, err
	}
	s := newSink(&cfg)
	stop := watch(&cfg, s)
	err = s.begin()
	if err == nil {
		err = from.run(ctx, s)
	}
	if errors.Is(err, errEnough) {
		err = nil
	}
	stop()
	s.summary.Took = time.Since(began)
	return s.summary, ending(err, s)
}

// ended reports whether ctx has ended, or is about to: connections know its deadline, too.
func ended(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// sourceOf returns where the flows come from.
func sourceOf(ctx context.Context, cfg *Config, interval time.Duration) (source, error) {
	switch {
	case len(cfg.Files) > 0:
		return findCaptures(cfg)
	case cfg.Listen != "":
		return listen(cfg)
	default:
		return newTopic(ctx, cfg, interval)
	}
}

// ending returns what Run does after its source has ended with err. Whatever was shown is
// completed first.
func ending(err error, s *sink) error {
	if shown := s.output.end(); err == nil {
		err = shown
	}
	switch {
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return nil
	case err != nil:
		return err
	default:
		return s.summary.unreadable(s.cfg)
	}
}

// unreadable returns an error when there were messages, and none could be read.
func (s Summary) unreadable(cfg *Config) error {
	if s.Undecodable == 0 || s.flows() > 0 || cfg.Packets {
		return nil
	}
	if !cfg.kafka() {
		return fmt.Errorf("tail: none of %d datagrams can be read: give captures of NetFlow, IPFIX or sFlow", s.Undecodable)
	}
	if cfg.Value == flow.Auto {
		return fmt.Errorf("tail: none of %d messages is a flow record in any form: %s", s.Undecodable, s.cure(cfg))
	}
	return fmt.Errorf("tail: none of %d messages can be read as %v: %s", s.Undecodable, cfg.Value, s.cure(cfg))
}

// cure says what to do about undecodable messages.
func (s Summary) cure(cfg *Config) string {
	switch {
	case s.OtherForm != "":
		return "give -value " + s.OtherForm + ", or leave it out"
	case cfg.Value == flow.Auto:
		return "give the topic of flow records as -topic"
	default:
		return "give what " + variable.Value + " says as -value, and the topic of flow records as -topic"
	}
}

// Complaint says what was undecodable beside flows; empty if nothing was.
func (s Summary) Complaint() string {
	var text string
	if s.Undecodable > 0 && s.flows() > 0 {
		text = fmt.Sprintf("left out, not being flow records in this form: %d", s.Undecodable)
		if s.OtherForm != "" {
			text += "; some have the form " + s.OtherForm
		}
	}
	if s.Waiting > 0 {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf("left out, since their templates did not come: %d data sets", s.Waiting)
	}
	return text
}
