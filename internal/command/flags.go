package command

import (
	"errors"
	"flag"
	"io"
	"regexp"
	"strconv"
	"time"
)

// NewFlags returns a set without flags that prints nothing by itself.
func NewFlags() *flag.FlagSet {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// Parse adds -version to flags and parses args. Its errors are for Finish: a
// MistakeError that says how to write the value, or that -h or -version was given.
func Parse(flags *flag.FlagSet, args []string) error {
	showVersion := flags.Bool("version", false, "")
	flags.VisitAll(func(f *flag.Flag) { f.Value = curing{f.Value} })
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return MistakeError{err}
	case *showVersion:
		return errVersion
	}
	return nil
}

// ParseAll is Parse for a command that takes only flags.
func ParseAll(flags *flag.FlagSet, args []string) error {
	err := Parse(flags, args)
	if (err == nil || errors.Is(err, errVersion)) && flags.NArg() > 0 {
		return Mistakef("argument %q: there are only flags", flags.Arg(0))
	}
	return err
}

// curing is a flag's value whose errors say what to write instead: those of
// package flag say "parse error".
type curing struct{ flag.Value }

// Set reads text.
func (c curing) Set(text string) error {
	err := c.Value.Set(text)
	if err == nil {
		return nil
	}
	if cure := c.cure(text); cure != "" {
		return errors.New(cure)
	}
	return errors.New(packageName.ReplaceAllString(err.Error(), ""))
}

// packageName begins the errors of packages that have a type for a flag. It says
// nothing to the user.
var packageName = regexp.MustCompile(`^[a-z]+: `)

// IsBoolFlag tells package flag that the value may be left out.
func (c curing) IsBoolFlag() bool {
	b, ok := c.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// cure says how to write a value of package flag's own types instead of text;
// other types say it themselves.
func (c curing) cure(text string) string {
	getter, ok := c.Value.(flag.Getter)
	if !ok {
		return ""
	}
	switch getter.Get().(type) {
	case bool:
		return "give true or false"
	case int:
		return "give a whole number, such as 20"
	case uint64:
		return "give a whole number from 0, such as 20"
	case float64:
		return "give a number, such as 0.5 or 1000"
	case time.Duration:
		return cureDuration(text)
	}
	return ""
}

// cureDuration takes a bare number for seconds.
func cureDuration(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		if _, err := time.ParseDuration(text + "s"); err == nil {
			return "write " + text + "s for seconds, or another unit: ms, m, h"
		}
	}
	return "give a number and a unit, such as 30s or 5m"
}
