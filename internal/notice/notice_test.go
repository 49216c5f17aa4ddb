package notice

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		withoutTime := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		l := New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: withoutTime})))
		want := func(line string) {
			t.Helper()
			if got := out.String(); got != line {
				t.Errorf("logged %q, want %q", got, line)
			}
			out.Reset()
		}
		l.Warn("a", "first", "n", 1)
		want("level=WARN msg=first n=1\n")
		l.Warn("b", "another kind")
		want("level=WARN msg=\"another kind\"\n")
		time.Sleep(Interval - time.Nanosecond) //nolint:forbidigo // the bubble's clock
		l.Warn("a", "too soon")
		l.Warn("a", "too soon")
		want("")
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the bubble's clock
		l.Warn("a", "again", "n", 2)
		want("level=WARN msg=again n=2 not_logged_before=2\n")
		time.Sleep(Interval) //nolint:forbidigo // the bubble's clock
		l.Warn("a", "later")
		want("level=WARN msg=later\n")
	})
}
