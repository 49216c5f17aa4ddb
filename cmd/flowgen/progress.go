package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// counts are what a sender has sent so far; uncounted are the datagrams whose flows
// nobody counts.
type counts struct{ flows, datagrams, uncounted uint64 }

// sender sends flows: synthetic exporters, or a replay.
type sender interface {
	Run(ctx context.Context) error
	// counts may be called while Run runs.
	counts() counts
	// remarks are lines for the summary, besides the counts.
	remarks() []string
	// unheard reports, after Run, whether nobody listened at the target in the end.
	unheard() bool
}

// watch rewrites a line on w each second, if show, with how far s is, and how the collector does,
// if there is one. The function it returns ends that and says how long it took.
func watch(ctx context.Context, s sender, c *collector, w io.Writer, show bool) (stop func() time.Duration) {
	begun := time.Now()
	if !show {
		return func() time.Duration { return time.Since(begun) }
	}
	done := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for last := s.counts(); ; {
			select {
			case <-done:
				fmt.Fprint(w, clearLine)
				return
			case <-ticker.C:
			}
			now := s.counts()
			fmt.Fprint(w, clearLine, progress(last, now, time.Since(begun)))
			if c != nil {
				fmt.Fprint(w, "; ", c.line(ctx))
			}
			last = now
		}
	})
	return func() time.Duration {
		took := time.Since(begun)
		close(done)
		showing.Wait()
		return took
	}
}

// clearLine goes to the beginning of a terminal's line and empties it.
const clearLine = "\r\x1b[K"

// progress is the line for the second that began with last and ended with now.
func progress(last, now counts, since time.Duration) string {
	return fmt.Sprintf("%v: %s flows in %s datagrams, %s flows/s", since.Round(time.Second),
		thousands(now.flows), thousands(now.datagrams), thousands(now.flows-last.flows))
}
