package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/flowpub/flowpub/internal/demo"
)

// errVersion: the version is asked for.
var errVersion = errors.New("flowdemo: version")

// flagOf are the flags that set the fields of a configuration.
var flagOf = map[string]string{
	"Listen":       "-listen",
	"Exporters":    "-exporters",
	"Rate":         "-rate",
	"Limit":        "-n",
	"MaxPerSecond": "-pace",
}

// parse makes a configuration of the command line. Its errors are mistakes of
// the user's, flag.ErrHelp and errVersion.
func parse(args []string) (demo.Config, error) {
	var cfg demo.Config
	flags := flag.NewFlagSet("flowdemo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	showVersion := flags.Bool("version", false, "")
	flags.StringVar(&cfg.Listen, "listen", "", "")
	flags.IntVar(&cfg.Exporters, "exporters", 4, "")
	flags.Float64Var(&cfg.Rate, "rate", 200, "")
	flags.IntVar(&cfg.Limit, "n", 0, "")
	flags.IntVar(&cfg.MaxPerSecond, "pace", 25, "")
	switch err := flags.Parse(args); {
	case err != nil:
		return cfg, err
	case *showVersion:
		return cfg, errVersion
	case flags.NArg() > 0:
		return cfg, fmt.Errorf("argument %q: there are only flags", flags.Arg(0))
	}
	return cfg, inFlags(cfg.Validate())
}

// inFlags says of mistakes by which flags they were made.
func inFlags(err error) error {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return err
	}
	var mistakes []error
	for _, err := range joined.Unwrap() {
		if field, ok := errors.AsType[*demo.FieldError](err); ok {
			err = fmt.Errorf("%s %v: %s", flagOf[field.Field], field.Value, field.Cure)
		}
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}
