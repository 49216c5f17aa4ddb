package demo

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/internal/broker"
	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/tail"
)

// ErrImbalance says that the ledger does not add up: flows or datagrams are
// neither delivered nor counted as dropped.
var ErrImbalance = errors.New("demo: the ledger does not add up")

// Run shows flows until ctx ends, the limit is reached, or whoever reads
// Config.Out has gone away. Then the exporters stop, the collector delivers what
// it holds, and the ledger is printed. Run returns nil when all of it adds up.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	d, err := start(cfg) //nolint:contextcheck // nothing in it takes time
	if err != nil {
		return err
	}
	defer d.broker.Close()
	d.printBanner()
	err = d.show(ctx)
	return errors.Join(err, d.printLedger())
}

// demo is the parts.
type demo struct {
	cfg       Config
	broker    *broker.Broker
	collector *collector.Collector
	generator *exporter.Generator // nil when there are no exporters
}

// show runs the parts until one of them ends or ctx does, and then ends them in
// the order of a flow's way.
func (d *demo) show(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var collecting sync.WaitGroup
	var collected error
	collect, endCollecting := context.WithCancel(context.WithoutCancel(ctx))
	defer endCollecting()
	collecting.Go(func() {
		collected = d.collector.Run(collect)
		end()
	})

	var showing sync.WaitGroup
	var generated, printed error
	showing.Go(func() {
		generated = d.generate(ctx)
		if generated != nil {
			end()
		}
	})
	showing.Go(func() {
		printed = d.print(ctx)
		end()
	})
	showing.Wait()
	endCollecting()
	collecting.Wait()
	return errors.Join(generated, printed, collected)
}

// generate sends flows until ctx ends.
func (d *demo) generate(ctx context.Context) error {
	if d.generator == nil {
		return nil
	}
	return d.generator.Run(ctx)
}

// print prints the flows in the topic until ctx ends or nobody wants more.
func (d *demo) print(ctx context.Context) error {
	summary, err := tail.Run(ctx, tail.Config{
		Brokers:      []string{d.broker.Addr()},
		Topic:        topic,
		From:         tail.FromStart,
		Limit:        d.cfg.Limit,
		MaxPerSecond: d.cfg.MaxPerSecond,
		Columns:      []string{"start", "exporter", "via", "proto", "source", "destination", "octets!"},
		Out:          d.cfg.Out,
		Logger:       d.cfg.Logger,
	})
	if err == nil {
		fmt.Fprintf(d.cfg.Out, "\n%v\n", summary)
	}
	return err
}
