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
