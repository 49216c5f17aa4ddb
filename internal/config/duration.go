package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Duration is a length of time, written as Go does: 100ms, 1.5s, 2m30s. It is
// never negative.
type Duration time.Duration

// String returns the duration as Go writes it.
func (d Duration) String() string { return time.Duration(d).String() }

// UnmarshalText reads a duration. A number without a unit is refused, save 0.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	switch {
	case err == nil && parsed < 0:
		return errors.New("a duration must not be negative: write it as 100ms")
	case err == nil:
		*d = Duration(parsed)
		return nil
	case strings.Trim(string(text), "0123456789.") == "" && len(text) > 0:
		return fmt.Errorf("a duration needs a unit: write it as %sms or %ss", text, text)
	default:
		return errors.New("a duration is a number and a unit, ns, us, ms, s, m or h: write it as 100ms")
	}
}

// std returns the duration as the standard library's type.
func (d Duration) std() time.Duration { return time.Duration(d) }
