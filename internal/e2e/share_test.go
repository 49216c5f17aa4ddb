//go:build linux

package e2e

import (
	"sync"
	"testing"
)

// The load of all tests that run at the same time, in flows a second: no more than
// flowpub is made for, whatever each of them does.
var (
	machine sync.Mutex
	freed   = sync.NewCond(&machine)
	loaded  int
)

// shareMachine lets a test run in parallel with others once there is room for its load,
// in flows a second, beside theirs. It has the room until it has ended, and what it has
// started with it.
func shareMachine(t *testing.T, rate int) {
	t.Helper()
	t.Parallel()
	machine.Lock()
	defer machine.Unlock()
	for loaded+rate > fullRate {
		freed.Wait()
	}
	loaded += rate
	t.Cleanup(func() {
		machine.Lock()
		defer machine.Unlock()
		loaded -= rate
		freed.Broadcast()
	})
}
