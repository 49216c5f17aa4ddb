package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// benchmark measures all scenarios and prints what comes out.
func benchmark(ctx context.Context, o *options, w io.Writer) error {
	report := newReport(o.format, w)
	if err := report.begin(); err != nil {
		return err
	}
	products := []product{flowpub(o.flowpub, o.profile)}
	if o.page {
		open := flowpub(o.flowpub, o.profile)
		open.name, open.page = open.name+"+page", true
		products = append(products, open)
	}
	if o.versus != "" {
		products = append(products, other(o.versus))
	}
	var errs []error
	for _, s := range o.scenarios {
		results, err := repeat(ctx, o, products, s, report)
		if err != nil {
			return err
		}
		for i := range results {
			report.sum(results[i])
			errs = append(errs, check(o, results[i]))
		}
	}
	return errors.Join(errs...)
}

// repeat measures a scenario as often as asked, the products and their traffic in turn: A B A B.
func repeat(ctx context.Context, o *options, products []product, s scenario, report *report) ([][]result, error) {
	results := make([][]result, len(o.traffic)*len(products))
	for range o.runs {
		for i, t := range o.traffic {
			for j, p := range products {
				s.traffic = t
				r, err := once(ctx, o, p, s)
				if err != nil {
					return nil, err
				}
				report.line(&r)
				at := i*len(products) + j
				results[at] = append(results[at], r)
			}
		}
	}
	return results, nil
}

// once measures a product in a scenario, once.
func once(ctx context.Context, o *options, p product, s scenario) (r result, err error) {
	b, err := makeBed(ctx, p, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if p.page {
		closePage := b.collector.openPage(ctx)
		defer closePage()
	}
	if s.rate == rateLossless {
		return b.search(ctx, o.duration)
	}
	if err := b.warmUp(ctx, s.rate, o.warmup); err != nil {
		return r, err
	}
	return b.measure(ctx, s.rate, o.duration)
}

// warmUp sends for a while, so that connections and buffers are there.
func (b *bed) warmUp(ctx context.Context, rate int, duration time.Duration) error {
	if duration == 0 {
		return nil
	}
	sent, err := b.send(rate, duration)
	if err != nil {
		return err
	}
	_, err = b.awaitRecords(ctx, sent.Flows)
	return err
}

// check finds what a quick benchmark must not show.
func check(o *options, results []result) error {
	if !o.quick {
		return nil
	}
	for i := range results {
		r := &results[i]
		if r.lost() != 0 || r.sent == 0 {
			return fmt.Errorf("%s: %d flows were sent and %d delivered", r.product, r.sent, r.delivered)
		}
		for f, v := range r.figures {
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
				return fmt.Errorf("%s: %s is %v", r.product, figureInfo[f].heading, v)
			}
		}
	}
	return nil
}
