package main

import (
	"errors"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/demo"
)

// flagOf are the flags that set the fields of a configuration.
var flagOf = map[string]string{
	"Listen":       "-listen",
	"Kafka":        "-kafka",
	"HTTP":         "-http",
	"Exporters":    "-exporters",
	"Rate":         "-rate",
	"Limit":        "-n",
	"MaxPerSecond": "-pace",
}

// parse makes a configuration of the command line. Its errors are
// those of command.Parse.
func parse(args []string) (demo.Config, error) {
	var cfg demo.Config
	flags := command.NewFlags()
	flags.StringVar(&cfg.Listen, "listen", "", "")
	flags.StringVar(&cfg.Kafka, "kafka", "", "")
	flags.StringVar(&cfg.HTTP, "http", "", "")
	flags.IntVar(&cfg.Exporters, "exporters", 4, "")
	flags.Float64Var(&cfg.Rate, "rate", 200, "")
	flags.IntVar(&cfg.Limit, "n", 0, "")
	flags.IntVar(&cfg.MaxPerSecond, "pace", 25, "")
	if err := command.ParseAll(flags, args); err != nil {
		return cfg, err
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
			err = command.Mistakef("%s %v: %s", flagOf[field.Field], field.Value, field.Cure)
		}
		mistakes = append(mistakes, err)
	}
	return errors.Join(mistakes...)
}
