package config

import "github.com/flowpub/flowpub/decoder"

// formats are export formats.
type formats []decoder.Format

// UnmarshalText reads a comma-separated list of their names.
func (f *formats) UnmarshalText(text []byte) (err error) {
	*f, err = list(text, decoder.ParseFormat)
	return err
}
