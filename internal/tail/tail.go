package tail

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/config/variable"
)

// queueCapacity is how many messages may wait to be printed.
const queueCapacity = 1024

// Summary says what a Run did.
type Summary struct {
	// Printed counts the flows printed.
	Printed int
	// PassedOver counts those that would have been, but for Config.MaxPerSecond.
	PassedOver int
	// Unwanted counts those that Config.Filter leaves out.
	Unwanted int
	// Undecodable counts the messages that are not flow records as Config.Value has
	// them.
	Undecodable int
	// OtherForm is that in which one of the undecodable messages is a flow record;
	// empty when none is.
	OtherForm string
	// Took is how long it ran.
	Took time.Duration
}

// String returns a line for people.
func (s Summary) String() string {
	seconds := s.Took.Seconds()
	text := fmt.Sprintf("%d flows printed in %.1f s", s.Printed, seconds)
	if s.PassedOver > 0 {
		text += fmt.Sprintf(", %d more passed over", s.PassedOver)
	}
	if seconds > 0 {
		text += fmt.Sprintf(": %.1f flows/s", float64(s.Printed+s.PassedOver)/seconds)
	}
	return text
}

// Run prints flows until ctx ends, the limit is reached, or whoever reads
// Config.Out has gone away; none of these is an error. It is one when the
// configuration is wrong, when at the start no broker answers or the topic does
// not exist, when there were messages and none is a flow record, and when Config.Out fails otherwise. Whatever happens to the
// brokers later is waited out.
func Run(ctx context.Context, cfg Config) (Summary, error) {
	if err := cfg.Validate(); err != nil {
		return Summary{}, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return follow(ctx, cfg, partitionInterval)
}

// follow is Run, looking for partitions that were added at interval.
func follow(ctx context.Context, cfg Config, interval time.Duration) (Summary, error) {
	began := time.Now()
	if cfg.Security == nil {
		cfg.Security = plain{}
	}
	dial := dialer{cfg.Security}.dial
	transport := &kafka.Transport{ClientID: clientID, MetadataTTL: interval, Dial: dial, SASL: cfg.Security.SASL()}
	defer transport.CloseIdleConnections()
	source := &source{
		cfg:      cfg,
		security: cfg.Security,
		dialer:   &kafka.Dialer{ClientID: clientID, Timeout: startTimeout, DialFunc: dial, SASLMechanism: cfg.Security.SASL()},
		client:   &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Transport: transport},
		messages: make(chan kafka.Message, queueCapacity),
		interval: interval,
	}
	positions, err := source.positions(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = nil // told to end before anything began
		}
		return Summary{Took: time.Since(began)}, err
	}

	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { source.read(ctx, positions) })
	p := newPrinter(cfg)
	err = p.print(ctx, source.messages)
	cancel()
	reading.Wait()
	p.summary.Took = time.Since(began)
	if err == nil {
		err = p.summary.unreadable(cfg.Value)
	}
	return p.summary, err
}

// unreadable returns an error when there were messages, and none in this form.
func (s Summary) unreadable(form Value) error {
	if s.Undecodable == 0 || s.Printed+s.PassedOver+s.Unwanted > 0 {
		return nil
	}
	return fmt.Errorf("tail: none of %d messages can be read as %v: %s", s.Undecodable, form, s.cure())
}

// cure says what to do about undecodable messages.
func (s Summary) cure() string {
	if s.OtherForm != "" {
		return "give -value " + s.OtherForm
	}
	return "give what " + variable.Value + " says as -value, and the topic of flow records as -topic"
}

// Complaint says what was undecodable beside flows; empty if nothing was.
func (s Summary) Complaint() string {
	if s.Undecodable == 0 || s.Printed+s.PassedOver+s.Unwanted == 0 {
		return ""
	}
	text := fmt.Sprintf("messages left out, not being flow records in this form: %d", s.Undecodable)
	if s.OtherForm != "" {
		text += "; some have the form " + s.OtherForm
	}
	return text
}
