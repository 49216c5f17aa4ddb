package collector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/publisher"
)

// start runs a collector of fakes; the returned function waits for Run to end.
func (c *testCollector) start(ctx context.Context) (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	synctest.Wait()
	return func() error { return <-ended }
}

func TestShutdownKeepsItsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.DrainLinger = 8 * time.Second })
		c.publisher.onClose = func(ctx context.Context) error {
			if got := c.missing(); !slices.Equal(got, []string{"shutting down"}) {
				t.Errorf("while flushing the probe misses %q", got)
			}
			if deadline, _ := ctx.Deadline(); time.Until(deadline) != 15*time.Second {
				t.Errorf("the flush may take %v, want 15s", time.Until(deadline))
			}
			c.publisher.settle(29, publisher.DropTooLarge)
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		if got := c.missing(); len(got) > 0 {
			t.Fatalf("not ready: %q", got)
		}
		c.listeners[0].batches <- from("192.0.2.1:1", v5(0, 1, time.Now()))
		began := time.Now()
		cancel()
		synctest.Wait()
		if got := c.missing(); !slices.Equal(got, []string{"shutting down"}) {
			t.Errorf("after SIGTERM the probe misses %q", got)
		}

		// While it lingers it still reads.
		<-time.After(8*time.Second - 1)
		c.listeners[0].batches <- from("192.0.2.1:1", v5(1, 30, time.Now()))
		synctest.Wait()
		if got := c.journal.list(); len(got) != 0 {
			t.Errorf("within the linger time already: %q", got)
		}
		if err := wait(); err != nil {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("took %v, want 8s", took)
		}
		want := []string{"listener A drained", "listener A ended", "publisher closed", "HTTP closed"}
		if got := c.journal.list(); !slices.Equal(got, want) {
			t.Errorf("order %q, want %q", got, want)
		}
		checkLedgerLine(t, c.log)
	})
}

// checkLedgerLine expects the packets of TestShutdownKeepsItsOrder: 1 + 30 flows,
// of which the fake delivers one each, drops one and keeps 28 until the end.
func checkLedgerLine(t *testing.T, book *testlog.Book) {
	t.Helper()
	lines := book.Lines("msg=ledger")
	if len(lines) != 1 {
		t.Fatalf("%d lines of the ledger, want 1", len(lines))
	}
	for _, part := range []string{
		"datagrams_received=2", "datagrams_decoded.netflow_v5=2", "datagrams_rejected.not_allowed=0", "datagrams_kernel_dropped=3", "data_sets_received=0", "data_sets_dropped.no_template=0", "flows_decoded=31",
		"flows_delivered=2", "flows_dropped.buffer_full=1", "flows_missed=0", "export_packets_missed.netflow_v9=0", "exporter_restarts=0",
	} {
		if !strings.Contains(lines[0], part) {
			t.Errorf("%q lacks %s", lines[0], part)
		}
	}
}

func TestRunTellsWhatWasLost(t *testing.T) {
	t.Parallel()
	cause := errors.New("no broker answered")
	tests := []struct {
		name                  string
		shutdown, unconfirmed uint64
		cause, want           error
	}{
		{"nothing", 0, 0, nil, nil},
		{"never sent", 5, 0, cause, ErrFlowsLost},
		{"unconfirmed", 0, 7, cause, ErrFlowsLost},
		{"both", 5, 7, nil, ErrFlowsLost},
		{"nothing lost, yet not closed well", 0, 0, cause, cause},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTestCollector(t, 1, 1, nil)
				c.publisher.stats.Decoded, c.publisher.stats.Buffered = 100, 100
				c.publisher.onClose = func(context.Context) error {
					c.publisher.settle(test.shutdown, publisher.DropShutdown)
					c.publisher.settle(test.unconfirmed, publisher.DropUnconfirmed)
					return test.cause
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				err := c.start(ctx)()
				if !errors.Is(err, test.want) {
					t.Fatalf("got %v, want %v", err, test.want)
				}
				var lost *FlowsLostError
				if errors.As(err, &lost) != (test.shutdown+test.unconfirmed > 0) {
					t.Fatalf("got %v", err)
				}
				if lost != nil && (lost.Dropped != test.shutdown || lost.Unconfirmed != test.unconfirmed || !errors.Is(lost.Cause, test.cause)) {
					t.Errorf("got %+v", lost)
				}
			})
		})
	}
}

// Whatever ends too early ends the collector, in order all the same, and without
// lingering: a collector that does not collect keeps nobody waiting.
func TestAnythingThatEndsEndsAll(t *testing.T) {
	t.Parallel()
	broken := errors.New("the network is down")
	tests := []struct {
		name  string
		end   func(*testCollector)
		wants []string
	}{
		{"a listener fails", func(c *testCollector) { c.listeners[1].broken <- broken }, []string{"reading 127.0.0.1:2055", broken.Error()}},
		{"a listener just ends", func(c *testCollector) { c.listeners[1].broken <- nil }, []string{"reading 127.0.0.1:2055", "ended by itself"}},
		{"HTTP fails", func(c *testCollector) { c.web.broken <- broken }, []string{"serving HTTP", broken.Error()}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newTestCollector(t, 2, 1, func(cfg *Config) { cfg.DrainLinger = time.Minute })
				wait := c.start(t.Context())
				began := time.Now()
				test.end(c)
				err := wait()
				for _, want := range test.wants {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("ended with %v, which lacks %q", err, want)
					}
				}
				if took := time.Since(began); took != 0 {
					t.Errorf("took %v, want no time", took)
				}
				got := c.journal.list()
				if got = got[len(got)-2:]; !slices.Equal(got, []string{"publisher closed", "HTTP closed"}) {
					t.Errorf("at last %q", got)
				}
				if len(c.log.Lines("msg=ledger")) != 1 {
					t.Error("the ledger was not logged")
				}
			})
		})
	}
}

func TestAnEndWhileLingeringIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.DrainLinger = time.Minute })
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		cancel()
		synctest.Wait()
		broken := errors.New("the network is down")
		c.listeners[0].broken <- broken
		if err := wait(); !errors.Is(err, broken) {
			t.Errorf("ended with %v, want %v", err, broken)
		}
	})
}

// A handler that hangs must not keep the process alive.
func TestDrainHasADeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 2, 1, nil)
		release := make(chan struct{})
		c.listeners[0].onDrain = func() error {
			<-release
			close(c.listeners[0].batches)
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		began := time.Now()
		cancel()
		err := wait()
		if err == nil || !strings.Contains(err.Error(), "not emptied") {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("took %v, want the shutdown timeout", took)
		}
		close(release)
	})
}

func TestADrainThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, nil)
		broken := errors.New("bad file descriptor")
		c.listeners[0].onDrain = func() error {
			close(c.listeners[0].batches)
			return broken
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.start(ctx)(); !errors.Is(err, broken) {
			t.Errorf("ended with %v, want %v", err, broken)
		}
	})
}

// What a socket could not give up when it was emptied is lost: an error.
func TestAFailureWhileDrainingIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, nil)
		broken := errors.New("input/output error")
		c.listeners[0].onDrain = func() error {
			c.listeners[0].broken <- broken
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		cancel()
		if err := wait(); !errors.Is(err, broken) {
			t.Errorf("ended with %v, want %v", err, broken)
		}
	})
}

func TestReadinessIsSticky(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 1, 1, nil)
	set := func(things ...string) {
		c.publisher.mu.Lock()
		defer c.publisher.mu.Unlock()
		c.publisher.missing = things
	}
	check := func(want ...string) {
		t.Helper()
		if got := c.missing(); !slices.Equal(got, want) {
			t.Errorf("misses %q, want %q", got, want)
		}
		if got := c.Snapshot().Ready; got != (len(want) == 0) {
			t.Errorf("ready is %v, while %q is missing", got, want)
		}
	}
	set("metadata of topic flows", "a producer id")
	check("metadata of topic flows", "a producer id")
	set("a producer id")
	check("a producer id")
	set()
	check()
	set("metadata of topic flows")
	check()
	c.stopping.Store(true)
	check("shutting down")
}

func TestLivenessNamesWhatStandsStill(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 2, 1, nil)
	if got := c.Stalled(); len(got) != 0 {
		t.Errorf("%q stands still", got)
	}
	c.listeners[0].stalled = []string{"socket 1 of A"}
	c.listeners[1].stalled = []string{"socket 0 of B"}
	c.publisher.stalled = []string{"the sender"}
	if got, want := c.Stalled(), []string{"socket 1 of A", "socket 0 of B", "the sender"}; !slices.Equal(got, want) {
		t.Errorf("%q stands still, want %q", got, want)
	}
}

func TestSnapshotSumsAllListeners(t *testing.T) {
	t.Parallel()
	c := newTestCollector(t, 2, 3, nil)
	now := time.Now()
	for _, socket := range slices.Concat(c.intakes...) {
		socket.handle(from("192.0.2.1:1", v5(0, 2, now)), now)
	}
	s := c.Snapshot()
	got := fmt.Sprint(s.DatagramsReceived, s.FlowsDecoded, s.DatagramsKernelDropped, s.ReceiveBufferAsked, s.ReceiveBufferGranted,
		s.Exporters, s.Version, s.Ready)
	// Six sockets with a packet of two flows each, all of one exporter; the
	// rest twice what fakeListener.Stats says.
	if want := fmt.Sprint(6, 12, 6, 2<<20, 2<<19, 1, "1.2.3", true); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Gaps are counted by scrapes, too, when the exporter falls silent.
func TestSnapshotSettlesGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, nil)
		in := c.intakes[0][0]
		now := time.Now()
		in.handle(from("192.0.2.1:1", v5(0, 30, now), v5(90, 30, now)), now)
		if s := c.Snapshot(); s.FlowsMissed != 0 || s.ExportersLosing != 0 {
			t.Errorf("at once %d flows are missed", s.FlowsMissed)
		}
		<-time.After(gapPatience)
		if s := c.Snapshot(); s.FlowsMissed != 60 || s.ExportersLosing != 1 {
			t.Errorf("%d flows are missed by %d exporters, want 60 by 1", s.FlowsMissed, s.ExportersLosing)
		}
	})
}
