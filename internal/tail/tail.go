package tail

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// queueCapacity is how many messages may wait to be printed.
const queueCapacity = 1024

// Summary says what a Run did.
type Summary struct {
	// Printed counts the flows printed.
	Printed int
	// PassedOver counts those that would have been, but for Config.MaxPerSecond.
	PassedOver int
	// Undecodable counts the messages that are not flow records.
	Undecodable int
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
// not exist, and when Config.Out fails otherwise. Whatever happens to the
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
	transport := &kafka.Transport{ClientID: clientID, MetadataTTL: interval}
	defer transport.CloseIdleConnections()
	source := &source{
		cfg:      cfg,
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
	return p.summary, err
}
