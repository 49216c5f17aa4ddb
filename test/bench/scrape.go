package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mallocs is the Prometheus client's name for all that Go's runtime allocated.
const mallocs = "go_memstats_mallocs_total"

// get returns a page.
func get(ctx context.Context, addr netip.AddrPort, path string) (page []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr.String()+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	page, err = io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return page, nil
}

// allocations returns how often the collector allocated memory so far, by its
// metrics; not a number if it does not tell.
func (c *collector) allocations(ctx context.Context) float64 {
	page, err := get(ctx, c.place.http, "/metrics")
	if err != nil {
		return math.NaN()
	}
	return metric(string(page), mallocs)
}

// metric finds the value of a metric without labels.
func metric(page, name string) float64 {
	for line := range strings.Lines(page) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			if v, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
				return v
			}
		}
	}
	return math.NaN()
}

// How often the status page asks for what it shows, and for the list of exporters.
const (
	pageEvery = 2 * time.Second
	listEvery = 3 // of those times: the page lists them each 5 s, so each 6
)

// openPage asks for what the status page asks for, as often, until close is called. What it
// is answered is not looked at: a collector that does not answer shows by its flows.
func (c *collector) openPage(ctx context.Context) (closePage func()) {
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			path := "/status?exporters=none"
			if n%listEvery == 0 {
				path = "/status"
			}
			_, _ = get(ctx, c.place.http, path)
			_ = pause(ctx, pageEvery)
		}
	})
	return func() {
		cancel()
		asking.Wait()
	}
}

// writeProfiles writes a CPU profile of the collector over a time, and then a
// profile of all it has allocated, to files.
func (c *collector) writeProfiles(ctx context.Context, over time.Duration, cpu, allocated string) error {
	return errors.Join(
		c.writePage(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(over.Seconds())), cpu),
		c.writePage(ctx, "/debug/pprof/allocs", allocated),
	)
}

func (c *collector) writePage(ctx context.Context, path, file string) error {
	page, err := get(ctx, c.place.http, path)
	if err != nil {
		return err
	}
	return os.WriteFile(file, page, 0o644) //nolint:gosec // others may read it
}
