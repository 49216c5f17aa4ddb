package deadletter

import (
	"testing"
	"time"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	var limit rateLimit
	now := time.Now()
	taken := func() (n int) {
		for limit.allow(now) {
			n++
		}
		return n
	}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1000}, {0, 0}, {9 * time.Millisecond, 0}, {time.Millisecond, 1}, {time.Second, 100}, {time.Hour, 1000}} {
		now = now.Add(step.wait)
		if got := taken(); got != step.want {
			t.Errorf("after %v %d are taken, want %d", step.wait, got, step.want)
		}
	}
}
