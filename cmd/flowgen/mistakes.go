package main

import (
	"errors"

	"github.com/flowpub/flowpub/internal/command"
	"github.com/flowpub/flowpub/internal/exporter"
)

// flagOf are the flags that set the fields of a configuration.
var flagOf = map[string]string{
	"Target":           "-target",
	"Exporters":        "-exporters",
	"FirstSource":      "-source",
	"Formats":          "-format",
	"Rate":             "-rate",
	"RateAtEnd":        "-rate",
	"RampTime":         "-duration",
	"Elephant":         "-elephant",
	"Flap":             "-flap",
	"Flows":            "-flows",
	"RecordsPerPacket": "-records",
	"Seed":             "-seed",
	"SamplingMode":     "-sampling-mode",
	"SamplingInterval": "-sampling-interval",
	"TemplatePackets":  "-template-packets",
	"TemplateInterval": "-template-interval",
	"TemplateChange":   "-template-change",
	"TemplateLoss":     "-template-loss",
	"Domains":          "-domains",
	"IPv6Share":        "-ipv6",
	"VariableLengths":  "-variable",
	"SequenceGaps":     "-gaps",
	"MalformedShare":   "-malformed",
	"UptimeWrap":       "-uptime-wrap",
	"Files":            "FILE",
	"OwnSources":       "-own-sources",
	"KeepPorts":        "-keep-ports",
	"Pace":             "-rate",
	"Loops":            "-loops",
	"Payloads":         "-payloads",
	"OnlyV5":           "-only-v5",
}

// inFlags says of mistakes in a configuration by which flags they were made.
// Other errors stay as they are.
func inFlags(err error) error {
	var errs []error
	for _, err := range split(err) {
		if field, ok := errors.AsType[*exporter.FieldError](err); ok {
			err = inFlag(field)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func inFlag(e *exporter.FieldError) error {
	name := flagOf[e.Field]
	if e.Field == "Files" {
		return command.Mistakef("no %s: %s", name, e.Cure)
	}
	if _, isBool := e.Value.(bool); isBool {
		return command.Mistakef("%s: %s", name, e.Cure)
	}
	return command.Mistakef("%s %v: %s", name, e.Value, e.Cure)
}

// split returns the errors that were joined.
func split(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
