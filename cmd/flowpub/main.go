// Command flowpub collects NetFlow version 5 over UDP and publishes every flow
// record to a Kafka topic.
//
// It is configured by environment variables; flowpub -h lists them. SIGTERM and
// SIGINT end it in order, a second one at once. Exit status:
//
//	0  everything decoded was delivered, or dropped for a counted reason before shutdown
//	1  something fatal happened, or flows had to be given up at shutdown
//	2  the configuration or the command line is wrong; nothing was started
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// The exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(untilSignal(signals, func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	}))
}

// untilSignal returns what program returns. The first signal ends program's
// context, the second one is not left to its default action: in a container the
// kernel spares the first process, and Go's runtime would then exit with the
// status that here means a wrong configuration.
func untilSignal(signals <-chan os.Signal, program func(context.Context) int) int {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	status := make(chan int, 1)
	go func() { status <- program(ctx) }()
	select {
	case s := <-status:
		return s
	case <-signals:
		end()
	}
	select {
	case s := <-status:
		return s
	case <-signals:
		return statusFailed
	}
}
