package config

import (
	"errors"
	"io"
	"log/slog"
	"strings"
)

// LogConfig says what is logged and how.
type LogConfig struct {
	// Level is the least important level that is logged.
	Level slog.Level
	// Format is the form of a line.
	Format LogFormat
}

// LogFormat is the form of log lines.
type LogFormat string

// The forms of log lines.
const (
	// LogText is key=value pairs, for people.
	LogText LogFormat = "text"
	// LogJSON is one JSON object a line, for log stores.
	LogJSON LogFormat = "json"
)

// UnmarshalText accepts text and json.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch format := LogFormat(text); format {
	case LogText, LogJSON:
		*f = format
		return nil
	default:
		return errors.New("it must be text or json")
	}
}

// Logger returns a logger that writes to w.
func (c LogConfig) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// logLevel is a slog.Level by name.
type logLevel slog.Level

// UnmarshalText accepts the names of slog's levels, in lower or upper case.
func (l *logLevel) UnmarshalText(text []byte) error {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(string(text), level.String()) {
			*l = logLevel(level)
			return nil
		}
	}
	return errors.New("it must be debug, info, warn or error")
}
