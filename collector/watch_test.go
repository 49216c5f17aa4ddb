package collector

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// watching is a collector of fakes that runs, with a publisher of whose counts the
// test disposes.
type watching struct {
	*testCollector
	t    *testing.T
	seen int // lines
}

// watched runs a test with a running collector, whose own lines are passed over.
func watched(t *testing.T, test func(w *watching)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 0, 1, func(cfg *Config) { cfg.Publisher.Linger = 100 * time.Millisecond })
		c.publisher.stats.BufferLimitBytes = 1 << 20
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		<-time.After(watchEvery * 3 / 2) // of the bubble's clock: samples lie between the test's steps
		test(&watching{testCollector: c, t: t, seen: len(c.log.Lines(""))})
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
	})
}

// change changes the publisher's counts.
func (w *watching) change(f func(*publisher.Stats)) {
	w.publisher.mu.Lock()
	defer w.publisher.mu.Unlock()
	f(&w.publisher.stats)
}

// each changes the counts each second, so many times.
func (w *watching) each(seconds int, f func(*publisher.Stats)) {
	for range seconds {
		w.change(f)
		<-time.After(time.Second)
	}
}

// expect checks the lines since the last time: one for each want, with all its parts.
func (w *watching) expect(wants ...[]string) {
	w.t.Helper()
	synctest.Wait()
	lines := w.log.Lines("")[w.seen:]
	w.seen += len(lines)
	if len(lines) != len(wants) {
		w.t.Fatalf("%d lines, want %d:\n%s", len(lines), len(wants), strings.Join(lines, ""))
	}
	for i, want := range wants {
		hasAll(w.t, lines[i], want)
	}
}

// hasAll checks that a line has all parts.
func hasAll(t *testing.T, line string, parts []string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(line, part) {
			t.Errorf("%q lacks %s", line, part)
		}
	}
}

func drop(reason publisher.DropReason, n uint64) func(*publisher.Stats) {
	return func(s *publisher.Stats) { s.Dropped[reason] += n }
}

func nothingHappens(*publisher.Stats) {}

// A buffer that is given up before anything else was seen of it is told as a loss.
func TestGivenUpAtFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 0, 1, nil)
		c.publisher.stats.Dropped[publisher.DropUnconfirmed] = 5
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		<-time.After(watchEvery * 3 / 2)
		if got := c.monitor.standing.Load(); got == nil || len(got.problems) != 1 || got.problems[0].Count != 5 {
			t.Errorf("problems %+v, want the loss of 5 flows", got)
		}
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
	})
}

// Once all is there that the first delivery needs, a line says what is listened on
// and where flows go, without a probe that asks.
func TestReadyIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, func(cfg *Config) {
			cfg.Publisher.Brokers, cfg.Publisher.Topic = []string{"a:9092", "b:9092"}, "flows"
		})
		c.publisher.missing = []string{"Kafka topic flows has not been reached"}
		c.publisher.stats.Partitions = 12
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		<-time.After(20*time.Second - watchEvery/2)
		if lines := c.log.Lines("ready:"); len(lines) > 0 {
			t.Errorf("it is not ready and says %q", lines)
		}
		c.publisher.mu.Lock()
		c.publisher.missing = nil
		c.publisher.mu.Unlock()
		<-time.After(20 * time.Second)
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
		lines := c.log.Lines("ready:")
		if len(lines) != 1 {
			t.Fatalf("%d lines say that it is ready, want one: %q", len(lines), lines)
		}
		hasAll(t, lines[0], []string{"level=INFO", "after=20s", "listen=[127.0.0.1:2055]", "kafka_brokers=a:9092,b:9092", "kafka_topic=flows", "partitions=12"})
	})
}

// The first drop is told within a second, then once a minute how many more, then
// that it has ended.
func TestLossIsTold(t *testing.T) {
	watched(t, func(w *watching) {
		w.expect()
		w.each(1, drop(publisher.DropBufferFull, 30))
		w.expect([]string{"level=WARN", `msg="flows are dropped"`, "reason=buffer_full", "count=30", "total=30", "FLOWPUB_KAFKA_BUFFER_BYTES", "since="})
		w.each(59, drop(publisher.DropBufferFull, 30))
		w.expect()
		w.each(1, drop(publisher.DropBufferFull, 30))
		w.expect([]string{`msg="flows are still dropped"`, "reason=buffer_full", "count=1800", "within=1m0s", "total=1830"})
		w.each(5, drop(publisher.DropBufferFull, 1))
		w.each(9, nothingHappens)
		w.expect()
		w.each(1, nothingHappens)
		w.expect([]string{"level=INFO", `msg="no more flows are dropped"`, "reason=buffer_full", "total=1835", "lasted=1m5s"})
		w.each(300, nothingHappens)
		w.expect()
		w.each(1, drop(publisher.DropBufferFull, 7))
		w.expect([]string{`msg="flows are dropped"`, "count=7", "total=7"})
	})
}

// A drop now and then makes two lines a minute at most, and none is left out.
func TestLossThatComesAndGoes(t *testing.T) {
	watched(t, func(w *watching) {
		for range 20 { // 10 minutes
			w.each(1, drop(publisher.DropRefused, 5))
			w.each(29, nothingHappens)
		}
		w.each(90, nothingHappens)
		lines := w.log.Lines("reason=refused")
		if len(lines) > 24 {
			t.Errorf("%d lines within 12 minutes:\n%s", len(lines), strings.Join(lines, ""))
		}
		var total uint64
		for _, line := range lines {
			if strings.Contains(line, "no more flows") {
				total += attribute(t, line, "total")
			}
		}
		if total != 100 {
			t.Errorf("the ends tell of %d flows, want 100:\n%s", total, strings.Join(lines, ""))
		}
	})
}

// Each reason has a line of its own, also at the same time.
func TestEveryLossHasItsLine(t *testing.T) {
	watched(t, func(w *watching) {
		w.cfg.LogLinesDropped = func() uint64 { return 12 }
		w.templates.book(&setCounts{received: 9, decoded: 1, dropped: [setDropReasons]uint64{setNoTemplate: 3, setMalformed: 4, setLimit: 1}})
		w.each(1, func(s *publisher.Stats) {
			for _, r := range publisher.DropReasons() {
				s.Dropped[r] = 1
			}
			s.DeadLetters = map[publisher.DeadLetterOutcome]uint64{publisher.DeadLetterFailed: 2, publisher.DeadLetterBufferFull: 3}
		})
		w.expect(
			[]string{"flows are dropped", "reason=buffer_full"},
			[]string{"flows are dropped", "reason=too_large", "max.message.bytes"},
			[]string{"flows are dropped", "reason=refused"},
			[]string{"flows are dropped", "reason=unconfirmed"},
			[]string{"dead letters are dropped", "reason=buffer_full", "count=3"},
			[]string{"dead letters are dropped", "reason=failed", "count=2"},
			[]string{"log lines are lost", "count=12"},
			[]string{"data sets are dropped", "reason=no_template", "count=3", "repeat their templates"},
			[]string{"data sets are dropped", "reason=malformed", "count=4"},
			[]string{"data sets are dropped", "reason=limit", "count=1"},
		)
	})
}

// What is lost after the last look is told as well, and nothing twice.
func TestLossAtTheEndIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 0, 1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		w := &watching{testCollector: c, t: t}
		<-time.After(watchEvery / 2)
		w.each(1, drop(publisher.DropBufferFull, 3))
		w.each(20, nothingHappens)
		w.each(1, drop(publisher.DropRefused, 4))
		w.change(func(s *publisher.Stats) {
			s.Dropped[publisher.DropBufferFull] += 5
			s.Dropped[publisher.DropRefused] += 2
			s.Dropped[publisher.DropTooLarge]++
		})
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
		want := [][]string{
			{`msg="flows are dropped"`, "reason=buffer_full", "count=3", "total=3"},
			{`msg="no more flows are dropped"`, "reason=buffer_full", "total=3"},
			{`msg="flows are dropped"`, "reason=refused", "count=4", "total=4"},
			{`msg="flows are dropped"`, "reason=buffer_full", "count=5", "total=5"},
			{`msg="flows are dropped"`, "reason=too_large", "count=1", "total=1"},
			{`msg="flows are still dropped"`, "reason=refused", "count=2", "total=6"},
		}
		lines := w.log.Lines("reason=")
		if len(lines) != len(want) {
			t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), strings.Join(lines, ""))
		}
		for i := range want {
			hasAll(t, lines[i], want[i])
		}
	})
}

func TestKernelDropsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 2, 1, nil) // each fake listener has 3 of them
		ctx, cancel := context.WithCancel(t.Context())
		wait := c.start(ctx)
		<-time.After(watchEvery + time.Millisecond)
		w := &watching{testCollector: c, t: t}
		w.expect([]string{"ready:"}, []string{"level=WARN", "the kernel drops datagrams", "count=6", "net.core.rmem_max"})
		<-time.After(lossEnds)
		w.expect([]string{"level=INFO", "the kernel drops no more datagrams", "total=6"})
		cancel()
		if err := wait(); err != nil {
			t.Error(err)
		}
	})
}

// Kafka is away for 14 s: that is told after 3 s, as flows that wait and not as a
// loss, and that it is back, with how long it was away and how many flows waited.
func TestOutageIsTold(t *testing.T) {
	watched(t, func(w *watching) {
		flowing := func(s *publisher.Stats) { s.Decoded += 100; s.Delivered += 100 }
		waiting := func(s *publisher.Stats) {
			s.Decoded += 100
			s.Buffered += 100
			s.BufferBytes += 10_000
			s.PartitionsFailing, s.Partitions = 3, 3
		}
		w.each(10, flowing)
		w.expect()
		w.each(3, waiting)
		w.expect()
		w.each(1, waiting)
		w.expect([]string{"level=WARN", "Kafka takes no flows: they wait in the buffer, and none is lost while it has room", "flows_waiting=400",
			"partitions_failing=3", `full_in="about`, "at this rate"})
		w.each(10, waiting)
		w.expect()
		w.change(func(s *publisher.Stats) {
			s.Delivered += s.Buffered
			s.Buffered, s.PartitionsFailing, s.BufferBytes = 0, 0, 0
		})
		<-time.After(time.Second)
		w.expect([]string{"level=INFO", "Kafka is back", "after=14s", "flows_waited=1400"})
		w.each(100, flowing)
		w.expect()
		if lost := w.log.Lines("dropped"); len(lost) > 0 {
			t.Errorf("reads as a loss: %q", lost)
		}
	})
}

// A cluster that cannot be reached is told when nothing is sent, too; one that tells
// nothing and takes flows all the same is not away.
func TestUnreachedClusterIsTold(t *testing.T) {
	watched(t, func(w *watching) {
		w.change(func(s *publisher.Stats) { s.Unreached = true })
		w.each(10, func(s *publisher.Stats) { s.Delivered += 10 })
		w.expect()
		w.each(6, nothingHappens)
		w.expect([]string{"level=WARN", "Kafka takes no flows", "flows_waiting=0"})
		w.change(func(s *publisher.Stats) { s.Unreached = false })
		<-time.After(time.Second)
		w.expect([]string{"level=INFO", "Kafka is back", "flows_waited=0"})
	})
}

// A broker that just stands still fails no attempt for a long time.
func TestBrokerStandsStillIsTold(t *testing.T) {
	watched(t, func(w *watching) {
		waiting := func(s *publisher.Stats) { s.Decoded += 10; s.Buffered += 10 }
		w.each(8, waiting)
		w.expect([]string{"Kafka takes no flows", "for=3s", "flows_waiting=40"})
		w.each(60, waiting)
		w.expect([]string{"Kafka takes no flows", "for=1m3s", "flows_waiting=640"})
	})
}

// One partition of many has no leader, the others go on.
func TestPartialOutageIsTold(t *testing.T) {
	watched(t, func(w *watching) {
		part := func(s *publisher.Stats) {
			s.Delivered += 100
			s.Buffered++
			s.PartitionsFailing, s.Partitions = 1, 16
		}
		w.each(4, part)
		w.expect([]string{"Kafka takes a part of the flows only", "partitions_failing=1", "partitions=16"})
		w.change(func(s *publisher.Stats) { s.PartitionsFailing = 0 })
		<-time.After(time.Second)
		w.expect([]string{"Kafka is back", "flows_waited=4"})
	})
}

// A leader that changes, and a cluster that is idle, are not worth a line.
func TestShortTroubleIsNotTold(t *testing.T) {
	watched(t, func(w *watching) {
		for range 100 {
			w.each(2, func(s *publisher.Stats) { s.PartitionsFailing, s.Buffered = 1, 5; s.Delivered++ })
			w.each(5, func(s *publisher.Stats) { s.PartitionsFailing, s.Buffered = 0, 0 })
		}
		w.expect()
	})
}

// The buffer grows by 1 % of its size a second while flows are delivered: from the
// half on it is told when it will be full.
func TestFillingBufferIsTold(t *testing.T) {
	watched(t, func(w *watching) {
		w.change(func(s *publisher.Stats) { s.BufferLimitBytes = 1_000_000 })
		fill := func(s *publisher.Stats) { s.BufferBytes += 10_000; s.Buffered += 100; s.Delivered += 100 }
		w.each(49, fill)
		w.expect()
		w.each(1, fill)
		w.expect([]string{"level=WARN", "the buffer is filling", `full_in="about 50s at this rate"`, "buffer_bytes=500000"})
		w.each(40, fill)
		w.expect()
		w.each(30, func(s *publisher.Stats) { s.BufferBytes -= 30_000; s.Delivered++ })
		w.expect([]string{"level=INFO", "the buffer is emptying", "buffer_bytes=240000"})
	})
}

// A burst fills the half of the buffer and no more comes: after three seconds
// nothing foretells when it will be full.
func TestBufferThatStandsStillIsNotForetold(t *testing.T) {
	watched(t, func(w *watching) {
		w.each(1, func(s *publisher.Stats) { s.Buffered, s.BufferBytes = 100, s.BufferLimitBytes/2 })
		w.expect([]string{"the buffer is filling", `full_in="about 1s at this rate"`})
		w.each(2, nothingHappens)
		w.expect()
		w.each(1, nothingHappens)
		w.expect([]string{"Kafka takes no flows", "flows_waiting=100"})
		if lines := w.log.Lines("Kafka takes no flows"); strings.Contains(lines[0], "full_in") {
			t.Errorf("nothing fills the buffer, and the line says when it will be full: %s", lines[0])
		}
	})
}

// What is given up at shutdown leaves an empty buffer, which does not mean that
// Kafka is back.
func TestGivenUpBufferIsNoEndOfAnOutage(t *testing.T) {
	t.Parallel()
	for _, reason := range []publisher.DropReason{publisher.DropShutdown, publisher.DropUnconfirmed} {
		t.Run(reason.String(), func(t *testing.T) {
			watched(t, func(w *watching) {
				w.each(10, func(s *publisher.Stats) {
					s.Buffered, s.PartitionsFailing, s.BufferBytes = 100, 2, s.BufferLimitBytes/2
				})
				w.expect([]string{"the buffer is filling"}, []string{"Kafka takes no flows"})
				w.each(1, func(s *publisher.Stats) {
					s.Buffered, s.PartitionsFailing, s.BufferBytes = 0, 0, 0
					s.Dropped[reason] = 100
				})
				if lines := append(w.log.Lines("Kafka is back"), w.log.Lines("is emptying")...); len(lines) > 0 {
					t.Errorf("logged %q", lines)
				}
			})
		})
	}
}

// A buffer that is half full and would be full in 80 minutes is not worth a line yet.
func TestSlowlyFillingBufferIsNotTold(t *testing.T) {
	watched(t, func(w *watching) {
		w.change(func(s *publisher.Stats) { s.BufferLimitBytes = 1_000_000 })
		w.each(48, func(s *publisher.Stats) { s.BufferBytes += 10_000; s.Buffered++; s.Delivered++ })
		w.each(11, func(s *publisher.Stats) { s.Delivered++ })
		w.each(300, func(s *publisher.Stats) { s.BufferBytes += 100; s.Buffered++; s.Delivered++ })
		w.expect()
	})
}

// While the shutdown waits it says every few seconds for how much, for how long,
// and how to end it.
func TestShutdownTellsWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestCollector(t, 1, 1, func(cfg *Config) { cfg.DrainLinger = 5 * time.Second })
		c.publisher.stats.Decoded, c.publisher.stats.Buffered = 50, 50
		c.publisher.onClose = func(ctx context.Context) error {
			<-ctx.Done()
			<-time.After(5 * time.Second) // no time is left then
			c.publisher.settle(50, publisher.DropShutdown)
			return publisher.ErrGivenUp
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = c.start(ctx)()
		first := c.log.Lines(`msg="shutting down"`)
		if len(first) != 1 || !strings.Contains(first[0], "flows_waiting=50") || !strings.Contains(first[0], "a second signal quits immediately") {
			t.Errorf("the first lines are %q", first)
		}
		if got := c.log.Lines("still reading"); len(got) != 2 {
			t.Errorf("%d lines while it lingers for 5s, want one each 2s: %q", len(got), got)
		}
		var left []string
		for _, line := range c.log.Lines("waiting for Kafka to take what is buffered") {
			hasAll(t, line, []string{"flows_waiting=50", "a second signal quits immediately"})
			_, rest, _ := strings.Cut(line, "time_left=")
			left = append(left, strings.Fields(rest)[0])
		}
		if want := []string{"13s", "11s", "9s", "7s", "5s", "3s", "1s"}; !slices.Equal(left, want) {
			t.Errorf("time left %v, want %v", left, want)
		}
	})
}

// attribute returns a number of a line.
func attribute(t *testing.T, line, name string) (n uint64) {
	t.Helper()
	_, rest, found := strings.Cut(line, " "+name+"=")
	if !found {
		t.Fatalf("%q lacks %s", line, name)
	}
	for _, digit := range []byte(strings.Fields(rest)[0]) {
		n = 10*n + uint64(digit-'0')
	}
	return n
}
