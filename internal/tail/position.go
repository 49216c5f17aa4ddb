package tail

import (
	"fmt"
	"strconv"
	"time"
)

// Position is a place in a topic: its start, its end, a moment or an offset. The zero
// Position is the end.
type Position struct {
	kind   positionKind
	time   time.Time
	offset int64
}

type positionKind uint8

const (
	atEnd positionKind = iota
	atStart
	atTime
	atOffset
)

// FromEnd and FromStart are before the next and before the oldest record.
var (
	FromEnd   = Position{}
	FromStart = Position{kind: atStart}
)

// FromTime is before the first record that was received at t or later.
func FromTime(t time.Time) Position { return Position{kind: atTime, time: t} }

// FromOffset is before the record with an offset, in each partition. If it is below 0, so
// many before the end.
func FromOffset(n int64) Position { return Position{kind: atOffset, offset: n} }

// NothingUntil reports whether no record can lie between the position, as it is now, and t.
func (p Position) NothingUntil(t, now time.Time) bool {
	switch p.kind {
	case atEnd:
		return !t.After(now)
	case atTime:
		return !t.After(p.time)
	default:
		return false
	}
}

// String returns the position as UnmarshalText reads it; an offset as a number.
func (p Position) String() string {
	switch p.kind {
	case atStart:
		return "start"
	case atTime:
		return p.time.UTC().Format(time.RFC3339Nano)
	case atOffset:
		return strconv.FormatInt(p.offset, 10)
	default:
		return "end"
	}
}

// MarshalText is String.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts start, end, now, and a time.
func (p *Position) UnmarshalText(text []byte) error {
	switch string(text) {
	case "start":
		*p = FromStart
		return nil
	case "end":
		*p = FromEnd
		return nil
	}
	t, err := ParseTime(string(text), time.Now())
	if err != nil {
		return fmt.Errorf("tail: position %q is not known: use start, end, or a time such as 2026-01-31T15:04:05Z or 15:04", text)
	}
	*p = FromTime(t)
	return nil
}

// timeLayouts are how times may be written. What has no zone is UTC, as all that is shown.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04", time.DateOnly,
}

// ParseTime reads a moment: now, a date and time, or a time of day, which is that before now.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		clock, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		now := now.UTC()
		t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
		if t.After(now) {
			t = t.AddDate(0, 0, -1)
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("tail: time %q is not known: use now, 2026-01-31T15:04:05Z, 2026-01-31 15:04 or 15:04, in UTC unless it has a zone", text)
}
