package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// webCloseTimeout is how long HTTP requests under way may take at the very end.
// The whole shutdown takes at most DrainLinger + ShutdownTimeout + this, which
// the container's grace period must exceed.
const webCloseTimeout = time.Second

// progressEvery is how often the shutdown says what it waits for.
const progressEvery = 2 * time.Second

// ErrFlowsLost says that flows had to be given up at shutdown.
var ErrFlowsLost = errors.New("collector: flows were given up at shutdown")

// FlowsLostError is ErrFlowsLost with the numbers.
type FlowsLostError struct {
	// Dropped counts the flows that are not in Kafka.
	Dropped uint64
	// Unconfirmed counts those that may be in Kafka: an attempt to send them
	// was not answered.
	Unconfirmed uint64
	// Cause is what the publisher said; it may be nil.
	Cause error
}

// Error tells the numbers and the cure.
func (e *FlowsLostError) Error() string {
	text := fmt.Sprintf("%v: %d dropped and %d unconfirmed, which may be in Kafka: see that Kafka is reachable, or raise the shutdown timeout",
		ErrFlowsLost, e.Dropped, e.Unconfirmed)
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns ErrFlowsLost and the cause.
func (e *FlowsLostError) Unwrap() []error {
	if e.Cause == nil {
		return []error{ErrFlowsLost}
	}
	return []error{ErrFlowsLost, e.Cause}
}

// secondSignal is what the line about the shutdown says of the way out.
const secondSignal = "a second signal quits immediately, and loses what is buffered"

// linger reads on for DrainLinger, so that a load balancer can see that the
// collector is not ready and send elsewhere. Something fatal ends it early.
func (c *Collector) linger(ended <-chan error) error {
	c.log.Info("shutting down", "drain_linger", c.cfg.DrainLinger.String(), "shutdown_timeout", c.cfg.ShutdownTimeout.String(),
		"flows_waiting", c.publisher.Stats().Buffered, "cure", secondSignal)
	told := c.tellProgress(time.Now().Add(c.cfg.DrainLinger), "shutting down: still reading, until the load balancer sends elsewhere")
	defer told()
	timer := time.NewTimer(c.cfg.DrainLinger)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-ended:
		c.log.Error("collecting ended", "error", err)
		return err
	}
}

// shutDown ends the parts in order: sockets, the store of templates, publisher, HTTP. One deadline holds
// for the first three, so that nothing that hangs keeps the process alive.
func (c *Collector) shutDown(ctx context.Context, ended <-chan error, watch *watcher) error {
	ctx = context.WithoutCancel(ctx)
	flush, cancel := context.WithTimeout(ctx, c.cfg.ShutdownTimeout)
	defer cancel()
	err := c.drain(flush, ended)
	c.closeStore(flush)
	c.giveUpWaiting()
	err = errors.Join(err, c.flush(flush))
	watch.stop()
	c.survey()
	c.logLedger(ctx)
	return errors.Join(err, c.closeWeb(ctx))
}

// tellProgress says every progressEvery what the shutdown waits for, until the
// returned function is called. It goes on by itself at the deadline.
func (c *Collector) tellProgress(deadline time.Time, message string) (stop func()) {
	quit := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			if left := time.Until(deadline); left > 0 {
				c.log.Warn(message, //nolint:sloglint // the callers' texts are constant
					"flows_waiting", c.publisher.Stats().Buffered, "time_left", left.Round(time.Second).String(), "cure", secondSignal)
			}
		}
	})
	return func() {
		close(quit)
		telling.Wait()
	}
}

// drain empties and closes all sockets, at once so that a slow one costs the
// others no time. At the deadline they are closed as they are. What failed in
// reading meanwhile is an error, too.
func (c *Collector) drain(ctx context.Context, ended <-chan error) error {
	deadline, _ := ctx.Deadline()
	told := c.tellProgress(deadline, "shutting down: waiting until the sockets are empty")
	defer told()
	drained := make(chan error, len(c.listeners))
	for _, l := range c.listeners {
		go func() { drained <- l.Drain() }()
	}
	var errs []error
	for range c.listeners {
		select {
		case err := <-drained:
			errs = append(errs, err)
		case <-ctx.Done():
			errs = append(errs, errors.New("collector: the sockets were not emptied within the shutdown timeout"))
			return errors.Join(append(errs, c.closeListeners())...)
		}
	}
	c.reading.Wait() // they have nothing left to do but to send why they ended
	return errors.Join(append(errs, failures(ended))...)
}

// failures returns what was sent to ended and is not a mere end.
func failures(ended <-chan error) error {
	var errs []error
	for {
		select {
		case err := <-ended:
			if !errors.Is(err, errEnded) {
				errs = append(errs, err)
			}
		default:
			return errors.Join(errs...)
		}
	}
}

// flush delivers what is buffered and tells what could not be.
func (c *Collector) flush(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	told := c.tellProgress(deadline, "shutting down: waiting for Kafka to take what is buffered")
	defer told()
	before := c.publisher.Stats().Dropped
	err := c.publisher.Close(ctx)
	after := c.publisher.Stats().Dropped
	lost := FlowsLostError{
		Dropped:     after[publisher.DropShutdown] - before[publisher.DropShutdown],
		Unconfirmed: after[publisher.DropUnconfirmed] - before[publisher.DropUnconfirmed],
		Cause:       err,
	}
	if lost.Dropped+lost.Unconfirmed > 0 {
		return &lost
	}
	return err
}

// closeWeb ends HTTP.
func (c *Collector) closeWeb(ctx context.Context) error {
	if c.web == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, webCloseTimeout)
	defer cancel()
	return c.web.Close(ctx)
}

// abandon closes what a failed open has made.
func (c *Collector) abandon() error {
	if c.publisher != nil {
		_ = c.publisher.Close(context.Background()) // it has nothing to lose
	}
	return errors.Join(c.closeListeners(), c.closeWeb(context.Background()))
}

// closeListeners closes all sockets without emptying them.
func (c *Collector) closeListeners() error {
	var errs []error
	for _, l := range c.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// logLedger writes all counts of the process in one line, as an error if they do
// not add up.
func (c *Collector) logLedger(ctx context.Context) {
	s := c.Snapshot()
	level := slog.LevelInfo
	datagrams, sets, flows := s.Imbalance()
	if datagrams != 0 || sets != 0 || flows != 0 {
		level = slog.LevelError
	}
	c.log.Log(ctx, level, "ledger",
		"datagrams_received", s.DatagramsReceived,
		"datagrams_decoded", countsByReason(s.DatagramsDecoded),
		"datagrams_rejected", countsByReason(s.DatagramsRejected),
		"datagrams_kernel_dropped", s.DatagramsKernelDropped,
		"data_sets_received", s.DataSetsReceived,
		"data_sets_decoded", s.DataSetsDecoded,
		"data_sets_dropped", countsByReason(s.DataSetsDropped),
		"data_sets_waiting", s.DataSetsWaiting,
		"flows_decoded", s.FlowsDecoded,
		"flows_delivered", s.FlowsDelivered,
		"flows_dropped", countsByReason(s.FlowsDropped),
		"flows_buffered", s.FlowsBuffered,
		"flows_possibly_duplicated", s.FlowsPossiblyDuplicated,
		"flows_missed", s.FlowsMissed,
		"export_packets_missed", countsByReason(s.ExportPacketsMissed),
		"exporter_restarts", s.ExporterRestarts,
		"datagrams_imbalance", datagrams,
		"data_sets_imbalance", sets,
		"flows_imbalance", flows,
	)
}

// countsByReason is a group of attributes, one a reason or another label, in alphabetical order.
func countsByReason(counts map[string]uint64) slog.Value {
	attrs := make([]slog.Attr, 0, len(counts))
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		attrs = append(attrs, slog.Uint64(reason, counts[reason]))
	}
	return slog.GroupValue(attrs...)
}
