package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/flowpub/flowpub/publisher/auth"
)

// The types of simple values. What their UnmarshalText returns is the end of a
// line that begins with the variable and its value, so it tells the cure only.

// count is a whole number from 1.
type count int

// UnmarshalText reads a decimal number.
func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 {
		return errors.New("it must be a whole number from 1")
	}
	*c = count(n)
	return nil
}

// limit is a number of things that may be none.
type limit int

// UnmarshalText reads a decimal number.
func (l *limit) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 {
		return errors.New("it must be a whole number from 0")
	}
	*l = limit(n)
	return nil
}

// toggle is true or false. Nothing else is taken, so that a manifest reads one
// way only.
type toggle bool

// UnmarshalText reads true or false.
func (t *toggle) UnmarshalText(text []byte) error {
	switch string(text) {
	case "true":
		*t = true
	case "false":
		*t = false
	default:
		return errors.New("it must be true or false")
	}
	return nil
}

// mechanism is a SASL mechanism in lower case, as the publisher wants it.
type mechanism string

// UnmarshalText accepts capitals too, since Kafka's own documentation has them.
func (m *mechanism) UnmarshalText(text []byte) error {
	known := []string{auth.Plain, auth.ScramSHA256, auth.ScramSHA512, auth.OAuthBearer}
	for _, name := range known {
		if strings.EqualFold(string(text), name) {
			*m = mechanism(name)
			return nil
		}
	}
	return fmt.Errorf("it must be %s or %s", strings.Join(known[:len(known)-1], ", "), known[len(known)-1])
}

// list reads comma-separated entries. Spaces around an entry are of no
// consequence. All entries that parse refuses are named in the error.
func list[T any](text []byte, parse func(string) (T, error)) ([]T, error) {
	var values []T
	var complaints []string
	for entry := range strings.SplitSeq(string(text), ",") {
		value, err := parseOne(strings.TrimSpace(entry), parse)
		if err != nil {
			complaints = append(complaints, err.Error())
			continue
		}
		values = append(values, value)
	}
	if complaints != nil {
		return nil, errors.New(strings.Join(complaints, "; "))
	}
	return values, nil
}

// parseOne reads one entry of a list, which several are not that something else
// than a comma separates.
func parseOne[T any](entry string, parse func(string) (T, error)) (value T, err error) {
	value, err = parse(entry)
	if err == nil {
		return value, nil
	}
	several := strings.FieldsFunc(entry, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(";|", r) })
	for _, one := range several {
		if _, failed := parse(one); failed != nil {
			return value, err
		}
	}
	if len(several) < 2 {
		return value, err
	}
	return value, fmt.Errorf("%q is not one entry but %d: separate them by commas, as in %s",
		entry, len(several), strings.Join(several, ","))
}
