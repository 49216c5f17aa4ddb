package main

import (
	"errors"
	"testing"
	"time"
)

func TestHighest(t *testing.T) {
	t.Parallel()
	const long = 30 * time.Second
	tests := []struct {
		name string
		// probed and whole are up to which rate nothing is lost, for a short time
		// and for the whole duration.
		probed, whole int
		low, high     int // where the result must lie
	}{
		{"between two doublings", 1_600_000, 1_600_000, 1_520_000, 1_600_000},
		{"below the start", 30_000, 30_000, 28_500, 30_000},
		{"less for long", 1_600_000, 1_300_000, 1_230_000, 1_300_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lasted := time.Duration(0)
			r, err := highest(long, func(rate int, d time.Duration) (result, bool, error) {
				lasted = d
				limit := tt.probed
				if d == long {
					limit = tt.whole
				}
				return result{scenario: scenario{rate: rate}}, rate <= limit, nil
			})
			if err != nil || r.rate < tt.low || r.rate > tt.high || lasted != long {
				t.Errorf("rate %d, tried for %v, error %v; want %d to %d, %v", r.rate, lasted, err, tt.low, tt.high, long)
			}
		})
	}
}

func TestHighestGivesUp(t *testing.T) {
	t.Parallel()
	_, err := highest(time.Second, func(int, time.Duration) (result, bool, error) { return result{}, false, nil })
	if !errors.Is(err, errNoLossless) {
		t.Errorf("error %v, want %v", err, errNoLossless)
	}
	broken := errors.New("broken")
	_, err = highest(time.Second, func(int, time.Duration) (result, bool, error) { return result{}, false, broken })
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}
