package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Program is what a command says of itself.
type Program struct {
	// Name begins each line about a mistake.
	Name string
	// Linked is the version set by the linker, see Version. It may be empty.
	Linked string
	// Usage is what -h prints.
	Usage string
	// Hint is the line that follows mistakes in the command line.
	Hint string
}

// errVersion: the version is asked for.
var errVersion = errors.New("command: version")

// MistakeError is an error that the command line made.
type MistakeError struct{ error }

// Mistakef makes a MistakeError. Its text names flag, value and cure, and no package.
func Mistakef(format string, args ...any) error {
	return MistakeError{fmt.Errorf(format, args...)}
}

// Unwrap returns the error without its mark.
func (m MistakeError) Unwrap() error { return m.error }

// packageNames are what the errors of this module's packages begin with. They
// say nothing to an operator.
var packageNames = regexp.MustCompile(`(^|: )(?:(?:broker|collector|config|decoder|demo|exporter|listener|publisher|tail): )+`)

// Finish tells what Parse, or the program after it, returned and returns the
// exit status. Help and version go to stdout. Errors go to stderr, joined ones
// a line each, without the names of packages; they are failures, unless there is a MistakeError among them.
func (p Program) Finish(err error, stdout, stderr io.Writer) int {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, p.Usage)
		return Done
	case errors.Is(err, errVersion):
		printVersion(stdout, p.Name, p.Linked)
		return Done
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintf(stderr, "%s: %s\n", p.Name, packageNames.ReplaceAllString(line, "$1"))
	}
	if _, misused := errors.AsType[MistakeError](err); misused {
		fmt.Fprintln(stderr, p.Hint)
		return Misused
	}
	return Failed
}
