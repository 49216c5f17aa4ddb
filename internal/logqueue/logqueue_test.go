package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink is an output that may stand still.
type sink struct {
	gate chan struct{} // closed: writes pass

	mu   sync.Mutex
	text bytes.Buffer
}

func newSink() *sink { return &sink{gate: make(chan struct{})} }

func (s *sink) Write(p []byte) (int, error) {
	<-s.gate
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// write writes numbered lines of 100 bytes.
func write(t *testing.T, q *Queue, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if _, err := fmt.Fprintf(q, "%099d\n", n); err != nil {
			t.Fatal(err)
		}
	}
}

func numbers(text string) (all []int) {
	for line := range strings.Lines(text) {
		var n int
		if _, err := fmt.Sscanf(line, "%d", &n); err == nil {
			all = append(all, n)
		}
	}
	return all
}

func TestLinesAreWrittenInOrder(t *testing.T) {
	t.Parallel()
	out := newSink()
	close(out.gate)
	q := New(out, DefaultLimit)
	write(t, q, 0, 500)
	if !q.Close(10 * time.Second) {
		t.Fatal("not all lines were written")
	}
	got := numbers(out.String())
	for i, n := range got {
		if n != i {
			t.Fatalf("line %d is %d", i, n)
		}
	}
	if len(got) != 500 || q.Dropped() != 0 {
		t.Errorf("%d lines written and %d dropped, want 500 and 0", len(got), q.Dropped())
	}
}

// While the output stands still, writes return, memory is bounded, and the oldest
// lines go. Once it moves again the newest are there.
func TestOutputStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newSink()
		const room = 10 // lines of 100 bytes and what they cost
		q := New(out, room*(100+lineCost))
		write(t, q, 0, 1)
		synctest.Wait() // line 0 is being written
		write(t, q, 1, 1000)
		if q.held > q.limit || len(q.lines) != room {
			t.Errorf("%d lines are held, which cost %d of %d", len(q.lines), q.held, q.limit)
		}
		if dropped := q.Dropped(); dropped != 1000-1-room {
			t.Errorf("%d lines dropped, want %d", dropped, 1000-1-room)
		}
		close(out.gate)
		if !q.Close(time.Second) {
			t.Fatal("not all lines were written")
		}
		want := []int{0, 990, 991, 992, 993, 994, 995, 996, 997, 998, 999}
		if got := numbers(out.String()); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("lines %v, want %v", got, want)
		}
	})
}

// Close waits for a slow output, and not for ever for one that stands still.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newSink()
		q := New(out, DefaultLimit)
		write(t, q, 0, 2)
		began := time.Now()
		if q.Close(3 * time.Second) {
			t.Error("lines count as written that were not")
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("waited %v, want 3s", took)
		}
		write(t, q, 2, 3)
		if q.Dropped() != 1 {
			t.Errorf("%d lines dropped, want the one that came after Close", q.Dropped())
		}
		close(out.gate)
		if !q.Close(time.Second) {
			t.Error("the output moves again and not all is written")
		}
		if got := numbers(out.String()); len(got) != 2 {
			t.Errorf("lines %v, want 0 and 1", got)
		}
	})
}

// refusing is an output that takes nothing, as a pipe whose reader has gone.
type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestRefusedLinesAreCounted(t *testing.T) {
	t.Parallel()
	q := New(refusing{}, DefaultLimit)
	write(t, q, 0, 5)
	if !q.Close(10 * time.Second) {
		t.Fatal("Close has not come to an end")
	}
	if q.Dropped() != 5 {
		t.Errorf("%d lines dropped, want 5", q.Dropped())
	}
}

func TestLineLargerThanTheQueue(t *testing.T) {
	t.Parallel()
	out := newSink()
	close(out.gate)
	q := New(out, 1000)
	if n, err := q.Write(make([]byte, 1000)); n != 1000 || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	write(t, q, 7, 8)
	q.Close(10 * time.Second)
	if got := numbers(out.String()); len(got) != 1 || q.Dropped() != 1 {
		t.Errorf("lines %v and %d dropped, want line 7 and one dropped", got, q.Dropped())
	}
}

// A real pipe that nobody reads holds some 64 KiB. A logger behind the queue goes
// on, from many goroutines, and its lines stay whole.
func TestPipeThatNobodyReads(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	q := New(writer, 256<<10)
	log := slog.New(slog.NewJSONHandler(q, nil))
	var logging sync.WaitGroup
	for range 4 {
		logging.Go(func() {
			for n := range 2000 {
				log.Info("something happened", "number", n, "text", strings.Repeat("x", 100))
			}
		})
	}
	logging.Wait() // does not end while a write waits for the pipe
	log.Info("the last line")
	if q.Dropped() == 0 {
		t.Error("no line was dropped, so the pipe was never full")
	}
	read := make(chan string)
	go func() {
		text, err := io.ReadAll(reader)
		if err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		read <- string(text)
	}()
	if !q.Close(10 * time.Second) {
		t.Error("not all lines were written though the pipe is read")
	}
	writer.Close()
	text := <-read
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, `{"time":`) || !strings.HasSuffix(line, "}\n") {
			t.Fatalf("a line is not whole: %q", line)
		}
	}
	if !strings.Contains(text, "the last line") {
		t.Error("the last line is lost")
	}
}
