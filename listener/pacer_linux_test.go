//go:build !portable

package listener

import (
	"slices"
	"testing"
	"time"
)

const testBudget = 5 * time.Millisecond

// settle feeds a pacer with a steady rate until it knows it, and returns the
// pauses it then makes: the arrivals of one are what the next read brings.
func settle(p *pacer, rate float64) time.Duration {
	at := time.Unix(0, 0)
	pause := time.Duration(0)
	for range 100 {
		interval := max(pause, time.Duration(float64(time.Second)/rate))
		at = at.Add(interval)
		n := max(1, int(rate*interval.Seconds()))
		pause = p.pause(at, n, n >= batchSize, false)
	}
	return pause
}

func TestPacer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		budget time.Duration
		buffer int
		rate   float64 // datagrams a second
		want   time.Duration
	}{
		{"no budget", 0, 16 << 20, 10_000, 0},
		{"a datagram now and then", testBudget, 16 << 20, 100, 0},
		{"few datagrams: the whole budget", testBudget, 16 << 20, 3_000, testBudget},
		{"many: until 48 are there", testBudget, 16 << 20, 16_000, 3 * time.Millisecond},
		{"very many", testBudget, 16 << 20, 480_000, 100 * time.Microsecond},
		{"a small buffer", testBudget, 1<<20 - 1, 10_000, 0},
		{"hardly a buffer", testBudget, 32 << 10, 10_000, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := settle(newPacer(test.budget, test.buffer), test.rate)
			if got < test.want*9/10 || got > test.want*11/10 {
				t.Errorf("pause %v, want about %v", got, test.want)
			}
		})
	}
}

// A socket that has more than one read takes is read at once.
func TestPacerDoesNotWaitForMore(t *testing.T) {
	t.Parallel()
	p := newPacer(testBudget, 16<<20)
	settle(p, 10_000)
	if got := p.pause(p.last.Add(time.Millisecond), batchSize, true, false); got != 0 {
		t.Errorf("pause %v although more is queued", got)
	}
}

// Pauses that collect nothing become rare, and common again when one pays.
func TestPacerLearnsOfBursts(t *testing.T) {
	t.Parallel()
	p := newPacer(testBudget, 16<<20)
	settle(p, 10_000)
	var pauses []int // how many reads lie between two
	since := 0
	for range 300 {
		if p.pause(p.last.Add(time.Millisecond), 10, false, true) > 0 {
			pauses = append(pauses, since)
			since = 0
		} else {
			since++
		}
	}
	want := []int{1, 3, 7, 15, 31, 63, 64}
	if len(pauses) < len(want) || !slices.Equal(pauses[:len(want)], want) {
		t.Errorf("reads between pauses: %v, want %v", pauses, want)
	}
	for range mostSkipped + 1 {
		if p.pause(p.last.Add(time.Millisecond), 10, false, true) > 0 {
			break
		}
	}
	for range 3 {
		if p.pause(p.last.Add(time.Millisecond), 10, false, false) == 0 {
			t.Error("no pause though the last one collected datagrams")
		}
	}
}
