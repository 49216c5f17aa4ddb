// Command flowpub collects NetFlow v5 and v9, IPFIX and sFlow v5 over UDP and publishes
// every flow record to a Kafka topic.
//
// It is configured by environment variables; flowpub -h lists them. SIGTERM,
// SIGINT and SIGHUP end it in order, a second one at once. Exit status:
//
//	0  everything decoded was delivered, or dropped for a counted reason before shutdown
//	1  something fatal happened, or flows had to be given up at shutdown
//	2  the configuration or the command line is wrong; nothing was started
package main

import (
	"context"
	"os"

	"github.com/flowpub/flowpub/internal/command"
)

// version is set when a release is built: go build -ldflags '-X main.version=v1.2.3'.
var version string

func main() {
	os.Exit(command.UntilSignal(func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	}))
}
