package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// readEvery is how often a file is looked at.
const readEvery = 5 * time.Second

// File is a table in a file. Find is for any number of goroutines, all else for one.
// Nil knows nothing.
type File struct {
	path  string
	log   *slog.Logger
	table atomic.Pointer[Table]

	seen     fs.FileInfo // of the last reading, good or bad; nil: there was no file
	changing fs.FileInfo // of the last look, if the file was being written then
	failed   string      // why the last reading failed; empty: it did not
}

// Open reads the file at path. The error tells every mistake in it, one a line.
func Open(path string, log *slog.Logger) (*File, error) {
	f := &File{path: path, log: log}
	info, t, err := load(path)
	if err != nil {
		return nil, err
	}
	f.seen = info
	f.table.Store(t)
	return f, nil
}

// Find returns what is known of a, which is neither mapped nor zoned; nil means
// nothing. It never waits.
func (f *File) Find(a netip.Addr) *decoder.Annotation {
	if f == nil {
		return nil
	}
	return f.table.Load().Find(a)
}

// Name returns the name of a, or an empty one.
func (f *File) Name(a netip.Addr) string {
	if known := f.Find(a); known != nil {
		return known.Name
	}
	return ""
}

// Networks is how many networks are in force.
func (f *File) Networks() int {
	if f == nil {
		return 0
	}
	return f.table.Load().Networks()
}

// Watch reads the file again whenever it has changed, until ctx ends. What is wrong
// with it is logged, once a change.
func (f *File) Watch(ctx context.Context) {
	ticks := time.NewTicker(readEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			f.refresh()
		}
	}
}

// refresh reads the file again if it has changed.
func (f *File) refresh() {
	info, err := os.Stat(f.path)
	if err == nil && f.seen != nil && (same(info, f.seen) || f.isWritten(info)) {
		return
	}
	info, t, err := load(f.path)
	f.seen, f.changing = info, nil
	if err != nil {
		f.complain(err)
		return
	}
	f.table.Store(t)
	f.failed = ""
	f.log.Info("the file of exporters has changed and was read", "file", f.path, "networks", t.Networks())
}

// isWritten reports whether the file may not be whole: it is the one that was read, has changed, and
// has not been as it is for two looks. One that takes its place is whole.
func (f *File) isWritten(now fs.FileInfo) bool {
	before := f.changing
	f.changing = now
	return os.SameFile(now, f.seen) && (before == nil || !same(now, before))
}

// complain logs why the file could not be read, unless it was said.
func (f *File) complain(err error) {
	mistakes := strings.ReplaceAll(err.Error(), "\n", "; ")
	if mistakes == f.failed {
		return
	}
	f.failed = mistakes
	f.log.Warn("the file of exporters has changed and cannot be used: names and sampling stay as they were",
		"file", f.path, "networks", f.Networks(), "error", mistakes, "cure", "correct it; it is read again when it changes")
}

// same reports whether nothing suggests that the content changed. A mounted
// ConfigMap is replaced by other files.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// load reads the file at path. It opens regular files only: another could keep it
// waiting for ever. What is known of the file is from before it was read, so that a
// change meanwhile shows later; nil if there is none.
func load(path string) (fs.FileInfo, *Table, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, withoutCall(err)
	}
	if !info.Mode().IsRegular() {
		return info, nil, errors.New("it is no regular file: name a text file with a line for each network")
	}
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return info, nil, withoutCall(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err != nil {
		return info, nil, withoutCall(err)
	}
	t, err := Parse(text)
	return info, t, err
}

// withoutCall returns an error of package os without the system call and the path, and with
// what to do about it.
func withoutCall(err error) error {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return fmt.Errorf("%w: name a file that this user may read", err)
}
