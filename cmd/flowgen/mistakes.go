package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/flowpub/flowpub/internal/exporter"
)

// flagOf are the flags that set the fields of a configuration.
var flagOf = map[string]string{
	"Target":           "-target",
	"Exporters":        "-exporters",
	"FirstSource":      "-source",
	"Rate":             "-rate",
	"Flows":            "-flows",
	"RecordsPerPacket": "-records",
	"Seed":             "-seed",
	"SamplingMode":     "-sampling-mode",
	"SamplingInterval": "-sampling-interval",
	"SequenceGaps":     "-gaps",
	"MalformedShare":   "-malformed",
	"UptimeWrap":       "-uptime-wrap",
	"Files":            "FILE",
	"OwnSources":       "-own-sources",
	"KeepPorts":        "-keep-ports",
	"Pace":             "-rate",
	"Loops":            "-loops",
	"OnlyV5":           "-only-v5",
}

// explain prints why nothing can be sent and returns the exit status.
func explain(w io.Writer, err error) int {
	status := exitFailed
	for _, err := range split(err) {
		var field *exporter.FieldError
		var usage usageError
		switch {
		case errors.As(err, &field):
			status = exitUsage
			err = fmt.Errorf("%s %v: %s", flagOf[field.Field], field.Value, field.Cure)
		case errors.As(err, &usage):
			status = exitUsage
		}
		fmt.Fprintln(w, "flowgen:", err)
	}
	if status == exitUsage {
		fmt.Fprintln(w, "Run flowgen -h or flowgen replay -h for all flags.")
	}
	return status
}

// split returns the errors that were joined.
func split(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
