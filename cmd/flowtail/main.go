package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/config"
	"github.com/flowpub/flowpub/internal/tail"
	"github.com/flowpub/flowpub/publisher/auth"
)

// version is set when a release is built, see the Makefile.
var version string

func main() {
	os.Exit(command.UntilSignal(func(ctx context.Context) int {
		return run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	}))
}

// run is the program: it shows flows until ctx ends, and returns the exit
// status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	o, err := parse(args)
	if err == nil && len(o.Files) == 0 && o.Listen == "" {
		o.Security, err = security(ctx, environ)
	}
	if err == nil {
		o.Logger = slog.New(slog.NewTextHandler(stderr, nil))
		err = show(ctx, &o, environ, stdout, stderr)
	}
	program := command.Program{
		Name: "flowtail", Linked: version, Usage: usage,
		Hint: "Run flowtail -h for all flags.",
	}
	return program.Finish(err, stdout, stderr)
}

// security makes of the environment how connections to brokers are made.
func security(ctx context.Context, environ []string) (tail.Security, error) {
	cfg, err := config.LoadSecurity(environ)
	if err != nil {
		return nil, command.Mistakef("%w", err)
	}
	return auth.NewLogin(ctx, cfg)
}

// show shows flows on standard output, or in a file.
func show(ctx context.Context, o *options, environ []string, stdout, stderr io.Writer) error {
	o.Out = stdout
	o.Style.Color = command.IsTerminal(stdout) && !slices.ContainsFunc(environ, func(v string) bool {
		return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR="
	})
	if o.output == "" {
		return follow(ctx, o, stderr)
	}
	if command.IsTerminal(stderr) {
		o.Progress = stderr
	}
	o.Style.Color = false
	return toFile(o.output, func(w io.Writer) error {
		o.Out = w
		return follow(ctx, o, stderr)
	})
}

// toFile writes a file. It has its name only when it is complete: until then, and if writing
// fails, it is called NAME.partial. A device or a pipe is written as it is: in its place there
// must be no file. A link stays, and leads to the file.
func toFile(name string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target
	}
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the file that the command line names
		return writeTo(f, err, write)
	}
	partial := name + ".partial"
	f, err := os.Create(partial) //nolint:gosec // the same
	if err := writeTo(f, err, write); err != nil {
		return err
	}
	return os.Rename(partial, name)
}

// writeTo writes a file, unless it could not be opened, and closes it.
func writeTo(f *os.File, opened error, write func(io.Writer) error) error {
	if opened != nil {
		return fmt.Errorf("-output: %w", opened)
	}
	return errors.Join(write(f), f.Close())
}

// follow shows flows, and tells on stderr what there is to tell in the end.
func follow(ctx context.Context, o *options, stderr io.Writer) error {
	summary, err := tail.Run(ctx, o.Config)
	if err != nil {
		return err
	}
	if o.Format != tail.FormatJSON && o.Format != tail.FormatCSV || o.output != "" {
		fmt.Fprintln(stderr, summary)
	}
	if complaint := summary.Complaint(); complaint != "" {
		fmt.Fprintf(stderr, "flowtail: %s\n", complaint)
	}
	return nil
}
