package config

import (
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want time.Duration
	}{
		{"0", 0},
		{"0s", 0},
		{"100ms", 100 * time.Millisecond},
		{"1.5s", 1500 * time.Millisecond},
		{"2m30s", 150 * time.Second},
		{"250us", 250 * time.Microsecond},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			var got Duration
			if err := got.UnmarshalText([]byte(tt.text)); err != nil {
				t.Fatalf("UnmarshalText(%q): %v", tt.text, err)
			}
			if time.Duration(got) != tt.want {
				t.Errorf("UnmarshalText(%q) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}

func TestDurationRefused(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, cure string }{
		{"empty", "", "write it as 100ms"},
		{"no unit", "100", "write it as 100ms or 100s"},
		{"no unit after a fraction", "1.5", "write it as 1.5ms or 1.5s"},
		{"negative", "-1s", "must not be negative"},
		{"days", "1d", "write it as 100ms"},
		{"words", "soon", "write it as 100ms"},
		{"overflow", "9999999h", "write it as 100ms"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			duration := Duration(7)
			err := duration.UnmarshalText([]byte(tt.text))
			if err == nil {
				t.Fatalf("UnmarshalText(%q) = %v, want an error", tt.text, duration)
			}
			if !strings.Contains(err.Error(), tt.cure) {
				t.Errorf("UnmarshalText(%q): %q does not name the cure %q", tt.text, err, tt.cure)
			}
			if duration != 7 {
				t.Errorf("UnmarshalText(%q) changed the duration to %v although it failed", tt.text, duration)
			}
		})
	}
}

func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"100ms", "1.5s", "2m30s", "0", "-1s", "100", "", "9999999h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var duration Duration
		err := duration.UnmarshalText([]byte(text))
		want, wantErr := time.ParseDuration(text)
		if accept := wantErr == nil && want >= 0; accept != (err == nil) {
			t.Fatalf("UnmarshalText(%q): %v; Go reads %v, %v", text, err, want, wantErr)
		}
		if err != nil {
			return
		}
		if time.Duration(duration) != want {
			t.Errorf("UnmarshalText(%q) = %v, want %v", text, duration, want)
		}
		var again Duration
		if err := again.UnmarshalText([]byte(duration.String())); err != nil || again != duration {
			t.Errorf("UnmarshalText(%q) = %v, read again %v, %v", text, duration, again, err)
		}
	})
}
