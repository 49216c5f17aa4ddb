package config

import "github.com/flowpub/flowpub/collector"

// formats are export formats.
type formats []collector.Format

// UnmarshalText reads a comma-separated list of their names.
func (f *formats) UnmarshalText(text []byte) (err error) {
	*f, err = list(text, collector.ParseFormat)
	return err
}
