package testwait

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	fatal string
}

func (*recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// watch runs wait to its end and returns with which words it failed the test.
func watch(wait func(testing.TB)) (fatal string) {
	var r recorder
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait(&r)
	}()
	<-done
	return r.fatal
}

func TestUntilItHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		after := func(d time.Duration) func() bool { return func() bool { return time.Since(began) >= d } }
		if took := Until(t, time.Second, "nothing", after(0)); took != 0 {
			t.Errorf("waited %v for what holds", took)
		}
		if took := Until(t, time.Second, "a moment", after(3*time.Millisecond)); took != 3*time.Millisecond {
			t.Errorf("waited %v for 3ms", took)
		}
		began = time.Now()
		if took := Until(t, time.Hour, "a minute", after(time.Minute)); took < time.Minute || took > time.Minute+longestPause {
			t.Errorf("waited %v for a minute", took)
		}
	})
}

// What holds at the last moment is in time.
func TestUntilTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if fatal := watch(func(tb testing.TB) {
			tb.Helper()
			Until(tb, time.Second, "a second passes", func() bool { return time.Since(began) >= time.Second })
		}); fatal != "" {
			t.Errorf("failed with %q", fatal)
		}
		began = time.Now()
		fatal := watch(func(tb testing.TB) {
			tb.Helper()
			Until(tb, time.Second, "the sun rises", func() bool { return false })
		})
		if took := time.Since(began); took != time.Second || fatal != "waited 1s in vain: the sun rises" {
			t.Errorf("failed after %v with %q", took, fatal)
		}
	})
}

func TestTheLastFaultIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		fatal := watch(func(tb testing.TB) {
			tb.Helper()
			Faultless(tb, 2*time.Second, func() string { return fmt.Sprintf("%v have passed", time.Since(began)) })
		})
		if want := "waited 2s in vain: 2s have passed"; fatal != want {
			t.Errorf("failed with %q, want %q", fatal, want)
		}
	})
}
