package testwait

import (
	"testing"
	"time"
)

// The pause between two looks doubles from the first to the longest: what comes at
// once is seen at once, and what takes long is not slowed down by the looking.
const (
	firstPause   = time.Millisecond
	longestPause = 16 * time.Millisecond
)

// Until waits until holds returns true, and returns how long that took. After limit
// it ends the test, which then tells what it waited for.
func Until(tb testing.TB, limit time.Duration, what string, holds func() bool) (took time.Duration) {
	tb.Helper()
	return Faultless(tb, limit, func() string {
		if holds() {
			return ""
		}
		return what
	})
}

// Faultless waits until fault returns nothing, and returns how long that took. After
// limit it ends the test, which then tells the last fault.
func Faultless(tb testing.TB, limit time.Duration, fault func() string) (took time.Duration) {
	tb.Helper()
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		found := fault()
		took = time.Since(began)
		if found == "" {
			return took
		}
		if took >= limit {
			tb.Fatalf("waited %v in vain: %s", limit, found)
		}
		<-time.After(min(pause, limit-took))
	}
}

// Long says that a test takes seconds. It is skipped where only short ones are asked
// for: by -short, as in `make check`.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds, and -short is set")
	}
}

// Few returns all cases of a test that computes a lot, and the first n with the race
// detector or where only short tests are asked for. Whatever test calls it or Fewer is run
// by make test without either, too.
func Few[T any](n int, all []T) []T { return all[:Fewer(n, len(all))] }

// Fewer returns how many a test is to have of what it computes a lot with: all, and n
// where Few has n cases.
func Fewer[N int | int64 | uint64](n, all N) N {
	if RaceDetector || testing.Short() {
		return min(n, all)
	}
	return all
}
