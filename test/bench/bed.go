package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// bed is a collector with its broker and its exporters.
type bed struct {
	collector *collector
	broker    *roleProcess
	exporters *roleProcess
	scenario  scenario
	seed      uint64 // of the last load
}

// snapshot is what is known at a moment.
type snapshot struct {
	cpu     time.Duration // of the collector
	kernel  time.Duration // the system's part of it
	drops   uint64        // datagrams, by the kernel
	mallocs float64
	broker  brokerState
}

// makeBed starts everything.
func makeBed(ctx context.Context, p product, s scenario) (*bed, error) {
	b := &bed{scenario: s}
	if err := b.start(ctx, p); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *bed) start(ctx context.Context, p product) (err error) {
	if b.broker, err = startRole(ctx, roleSink); err != nil {
		return err
	}
	if b.exporters, err = startRole(ctx, roleGenerator); err != nil {
		return err
	}
	where, err := b.place()
	if err != nil {
		return err
	}
	b.collector, err = startCollector(ctx, p, where)
	return err
}

// place has the broker listen, and finds room for the collector.
func (b *bed) place() (p place, err error) {
	var state brokerState
	err = b.broker.ask(brokerRequest{Partitions: b.scenario.partitions, Delay: b.scenario.delay}, &state)
	if err != nil {
		return p, err
	}
	p.brokers, p.codec = state.Addr, b.scenario.codec
	if p.listen, err = freeUDP(); err != nil {
		return p, err
	}
	p.http, err = freeTCP()
	return p, err
}

// stop ends everything, the collector first.
func (b *bed) stop() error {
	var errs []error
	if b.collector != nil {
		errs = append(errs, b.collector.stop())
	}
	for _, r := range []*roleProcess{b.exporters, b.broker} {
		if r != nil {
			errs = append(errs, r.stop())
		}
	}
	return errors.Join(errs...)
}

// measure sends for a while at a rate and returns what that cost.
func (b *bed) measure(ctx context.Context, rate int, duration time.Duration) (result, error) {
	before, err := b.snapshot()
	if err != nil {
		return result{}, err
	}
	before.mallocs = b.collector.allocations(ctx)
	if before.cpu, before.kernel, err = b.collector.cpu(); err != nil { // again: the scrape is not the load's
		return result{}, err
	}
	done := b.profile(ctx, duration)
	sent, err := b.send(rate, duration)
	if err := errors.Join(err, <-done); err != nil {
		return result{}, err
	}
	after, err := b.awaitRecords(ctx, before.broker.Records+sent.Flows)
	if err != nil {
		return result{}, err
	}
	after.mallocs = b.collector.allocations(ctx)
	peak, err := b.collector.peakMemory()
	if err != nil {
		return result{}, err
	}
	return newResult(b, &sent, &before, &after, peak), nil
}

// send lets the exporters send other flows than ever before.
func (b *bed) send(rate int, duration time.Duration) (sent generated, err error) {
	b.seed++
	err = b.exporters.ask(load{
		Target:    b.collector.place.listen.String(),
		Exporters: b.scenario.exporters,
		Format:    b.scenario.traffic.format,
		IPv6:      b.scenario.traffic.ipv6,
		Recording: b.scenario.traffic.recording,
		Rate:      rate,
		Duration:  duration,
		Seed:      b.seed,
	}, &sent)
	return sent, err
}

// profile writes profiles in the background, if they are wanted, and sends
// whether that failed.
func (b *bed) profile(ctx context.Context, over time.Duration) <-chan error {
	done := make(chan error, 1)
	if b.collector.profiles == "" {
		done <- nil
		return done
	}
	s := b.scenario
	name := fmt.Sprintf("%s-%s-%s-%dp-%de", s.traffic, rateName(s.rate), s.codec, s.partitions, s.exporters)
	path := filepath.Join(b.collector.profiles, name)
	go func() { done <- b.collector.writeProfiles(ctx, over, path+".cpu.pprof", path+".allocs.pprof") }()
	return done
}

// awaitRecords waits until the broker has that many records, or gets none any more, and
// returns what was known then.
func (b *bed) awaitRecords(ctx context.Context, records uint64) (snapshot, error) {
	last, err := b.snapshot()
	for changed := time.Now(); err == nil; {
		var now snapshot
		if now, err = b.snapshot(); err != nil {
			break
		}
		if now.broker.Records != last.broker.Records {
			last, changed = now, time.Now()
		}
		if last.broker.Records >= records || time.Since(changed) > b.collector.quiet {
			last.drops = now.drops
			return last, nil
		}
		err = pause(ctx, poll)
	}
	return last, err
}

func (b *bed) snapshot() (s snapshot, err error) {
	err = b.broker.ask(brokerRequest{}, &s.broker)
	if err != nil {
		return s, err
	}
	if _, s.drops, err = udpSockets(b.collector.place.listen.Port()); err != nil {
		return s, err
	}
	s.cpu, s.kernel, err = b.collector.cpu()
	return s, err
}
