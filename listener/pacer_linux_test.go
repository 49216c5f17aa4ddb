//go:build !portable

package listener

import (
	"testing"
	"time"
)

const testBudget = 10 * time.Millisecond

// settle feeds a pacer with a steady rate until it knows it, as a reader does
// that reads a batch at a time until there is no more, and returns the pause it
// then makes.
func settle(p *pacer, rate float64) time.Duration {
	at := time.Unix(0, 0)
	pause := time.Duration(0)
	arrived := 0.0
	for range 100 {
		at = at.Add(max(pause, time.Millisecond))
		arrived += rate * max(pause, time.Millisecond).Seconds()
		for arrived >= batchSize {
			arrived -= batchSize
			p.pause(at, batchSize)
		}
		n := int(arrived)
		arrived -= float64(n)
		pause = p.pause(at, n)
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
		{"nothing", testBudget, 16 << 20, 0, 0},
		{"a datagram now and then", testBudget, 16 << 20, 50, 0},
		{"few datagrams: the whole budget", testBudget, 16 << 20, 3_000, testBudget},
		{"many: until 256 are there", testBudget, 16 << 20, 64_000, 4 * time.Millisecond},
		{"very many", testBudget, 16 << 20, 1_024_000, 250 * time.Microsecond},
		{"many, and the least buffer: until 64 are there", testBudget, 1 << 20, 32_000, 2 * time.Millisecond},
		{"many, and a buffer for 128", testBudget, 2 << 20, 32_000, 4 * time.Millisecond},
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
	if got := p.pause(p.last.Add(time.Millisecond), batchSize); got != 0 {
		t.Errorf("pause %v although more is queued", got)
	}
}

// When the senders fall silent there are a few more pauses, and then none: the
// next datagram is waited for.
func TestPacerEndsPausing(t *testing.T) {
	t.Parallel()
	p := newPacer(testBudget, 16<<20)
	pause := settle(p, 10_000) // 100 datagrams in a pause
	pauses := 0
	for pause > 0 {
		pauses++
		pause = p.pause(p.last.Add(pause), 0)
	}
	// 100 * (3/4)^17 is the first below 1.
	if pauses != 17 {
		t.Errorf("%d empty pauses, want 17", pauses)
	}
}
