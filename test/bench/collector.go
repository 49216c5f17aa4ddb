package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// startPatience is how long a collector may take to be ready, stopPatience
	// how long to end.
	startPatience = 20 * time.Second
	stopPatience  = 30 * time.Second
	poll          = 20 * time.Millisecond
)

// product is a collector that can be measured.
type product struct {
	name string
	// quiet is how long nothing may arrive at the broker before what is missing
	// counts as lost: longer than the product lets records wait.
	quiet time.Duration
	// commandLine returns its command line and what it adds to the environment.
	commandLine func(place) (args, environment []string)
	// ready reports whether it can take flows, beyond having bound its port.
	ready func(context.Context, place) bool
	// profiles is the directory that profiles of it go to; empty: none.
	profiles string
	// page: its status page is open.
	page bool
}

// place is where a collector listens and produces to.
type place struct {
	listen, http netip.AddrPort
	brokers      string
	codec        string
}

// flowpub is this project's collector, all defaults but what a place says.
// Variables of the environment go to it, so that others can be measured.
func flowpub(program, profiles string) product {
	return product{
		name:     "flowpub",
		quiet:    2 * time.Second,
		profiles: profiles,
		commandLine: func(p place) (args, environment []string) {
			return []string{program}, []string{
				"FLOWPUB_LISTEN=" + p.listen.String(),
				"FLOWPUB_HTTP_LISTEN=" + p.http.String(),
				fmt.Sprintf("FLOWPUB_HTTP_PPROF=%v", profiles != ""),
				"FLOWPUB_KAFKA_BROKERS=" + p.brokers,
				"FLOWPUB_KAFKA_TOPIC=" + topic,
				"FLOWPUB_KAFKA_COMPRESSION=" + p.codec,
			}
		},
		ready: func(ctx context.Context, p place) bool {
			_, err := get(ctx, p.http, "/readyz")
			return err == nil
		},
	}
}

// other is the collector with this command line, in which the names of a place's
// parts stand in braces.
func other(line string) product {
	return product{
		name:  filepath.Base(strings.Fields(line)[0]),
		quiet: 7 * time.Second, // goflow2 lets records wait for 5 s
		commandLine: func(p place) (args, environment []string) {
			names := strings.NewReplacer("{listen}", p.listen.String(), "{http}", p.http.String(),
				"{brokers}", p.brokers, "{topic}", topic, "{codec}", strings.TrimSuffix(p.codec, "-fast"))
			for arg := range strings.FieldsSeq(line) {
				args = append(args, names.Replace(arg))
			}
			return args, nil
		},
		ready: func(context.Context, place) bool { return true },
	}
}

// collector is a product that runs.
type collector struct {
	process
	product
	place place
	said  tail
	ended chan error // has its end
}

// startCollector starts a product and waits until it is ready.
func startCollector(ctx context.Context, product product, p place) (*collector, error) {
	args, environment := product.commandLine(p)
	c := &collector{
		process: process{command: exec.CommandContext(ctx, args[0], args[1:]...)}, //nolint:gosec // the user named it
		product: product,
		place:   p,
		ended:   make(chan error, 1),
	}
	c.command.Env = append(os.Environ(), environment...)
	c.command.Stdout, c.command.Stderr = &c.said, &c.said
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", product.name, err)
	}
	go func() { c.ended <- c.command.Wait() }()
	if err := c.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *collector) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, errors.New("it is not ready"))
	defer cancel()
	for {
		sockets, _, err := udpSockets(c.place.listen.Port())
		if err != nil {
			return err
		}
		if sockets > 0 && c.ready(ctx, c.place) {
			return nil
		}
		select {
		case err := <-c.ended:
			c.ended <- err
			return errors.New("it ended at once")
		default:
		}
		if pause(ctx, poll) != nil {
			return context.Cause(ctx)
		}
	}
}

// stop ends the collector and waits for it. An end that is not a success is an
// error with the last that it said.
func (c *collector) stop() error {
	err := c.command.Process.Signal(syscall.SIGTERM)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.AfterFunc(stopPatience, func() { _ = c.command.Process.Kill() }) // it may have ended
	defer timer.Stop()
	if err := <-c.ended; err != nil {
		return fmt.Errorf("%s: %w; the last it said:\n%s", c.name, err, c.said.String())
	}
	return nil
}
