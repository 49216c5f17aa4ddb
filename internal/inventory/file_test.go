//go:build unix

package inventory

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/testlog"
)

// write replaces a file, in one step if it is there, as of a moment.
func write(t *testing.T, path, text string, at time.Time) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(next, at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// A file that changes is in force within seconds. One with mistakes, or none, changes
// nothing, and is told once.
func TestFileIsReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "exporters")
		write(t, path, "192.0.2.1 old 10", time.Now())
		var book testlog.Book
		f, err := Open(path, book.Logger())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		go f.Watch(ctx)
		exporter := netip.MustParseAddr("192.0.2.1")
		step := func(what string, change func(), name, line string) {
			t.Helper()
			change()
			<-time.After(3 * readEvery)
			synctest.Wait()
			if got := f.Name(exporter); got != name {
				t.Errorf("%s: the name is %q, want %q", what, got, name)
			}
			lines := book.Take()
			if n := strings.Count(lines, "\n"); n > 1 || (n == 1) != (line != "") || !strings.Contains(lines, line) {
				t.Errorf("%s: logged is %q, want %q once", what, lines, line)
			}
		}
		step("nothing", func() {}, "old", "")
		step("another", func() { write(t, path, "192.0.2.0/24 new", time.Now()) }, "new", "networks=1")
		step("mistakes", func() { write(t, path, "192.0.2.0/24\nx", time.Now()) }, "new",
			`level=WARN msg="the file of exporters has changed and cannot be used: names and sampling stay as they were" file=`+path+
				` networks=1 error="line 1: the name is missing: `+usage+`; line 2: \"x\" is no network`)
		step("corrected", func() { write(t, path, "192.0.2.0/24 right", time.Now()) }, "right", "was read")
		step("removed", func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "right", "no such file or directory")
		step("a pipe", func() {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "right", "it is no regular file")
		step("back", func() { write(t, path, "192.0.2.1 back", time.Now()) }, "back", "was read")
		moment := time.Now()
		step("of a moment", func() { write(t, path, "192.0.2.1 one0", moment) }, "one0", "was read")
		step("another of it, as large", func() { write(t, path, "192.0.2.1 two0", moment) }, "two0", "was read")
		step("empty", func() { write(t, path, "", time.Now()) }, "", "networks=0")
		stop()
		synctest.Wait()
		step("ended", func() { write(t, path, "192.0.2.1 late", time.Now()) }, "", "")
	})
}

// A file that is written in place is read once it stands still: a part of a line may say something else, such as
// a sampling interval that lacks its last digits.
func TestFileIsWrittenInPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "exporters")
		write(t, path, "192.0.2.1 old 10", time.Now())
		f, err := Open(path, new(testlog.Book).Logger())
		if err != nil {
			t.Fatal(err)
		}
		go f.Watch(t.Context())
		pass := func(looks int) {
			<-time.After(time.Duration(looks)*readEvery + time.Millisecond)
			synctest.Wait()
		}
		const whole = "192.0.2.1 new 1000"
		for n := range len(whole) + 1 {
			if err := os.WriteFile(path, []byte(whole[:n]), 0o600); err != nil {
				t.Fatal(err)
			}
			pass(1)
			if got := f.Find(netip.MustParseAddr("192.0.2.1")); got == nil || got.Name != "old" || got.SamplingOverride != 10 {
				t.Fatalf("when %q was written it is %+v", whole[:n], got)
			}
		}
		pass(1)
		if got := f.Find(netip.MustParseAddr("192.0.2.1")); got == nil || got.Name != "new" || got.SamplingOverride != 1000 {
			t.Errorf("when all was written it is %+v", got)
		}
	})
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bad"), "x", time.Now())
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	const notRegular = "it is no regular file: name a text file with a line for each network"
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file or directory: name a file that this user may read",
		filepath.Join(dir, "pipe"): notRegular,
		filepath.Join(dir, "bad"):  `line 1: "x" is no network: ` + usage,
		dir:                        notRegular,
		"/dev/zero":                notRegular,
	} {
		if _, err := Open(path, nil); err == nil || err.Error() != want {
			t.Errorf("%s: error is %v, want %s", path, err, want)
		}
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	var none *File
	a := netip.MustParseAddr("192.0.2.1")
	if none.Find(a) != nil || none.Name(a) != "" || none.Networks() != 0 {
		t.Error("something is known without a file")
	}
}
