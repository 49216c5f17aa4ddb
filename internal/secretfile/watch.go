package secretfile

import (
	"os"
	"sync"
	"time"
)

// Watch notices changes of files by their modification time and size. It is safe
// for concurrent use.
type Watch struct {
	mu    sync.Mutex
	names []string
	seen  []stamp
}

type stamp struct {
	modified time.Time
	size     int64
}

// NewWatch watches the files of those names as they are now.
func NewWatch(names []string) *Watch { return &Watch{names: names, seen: stamps(names)} }

// Changed reports whether a file differs from what it was at the last call.
func (w *Watch) Changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := stamps(w.names)
	for i := range now {
		if now[i] != w.seen[i] {
			w.seen = now
			return true
		}
	}
	return false
}

func stamps(names []string) []stamp {
	all := make([]stamp, len(names))
	for i, n := range names {
		if info, err := os.Stat(n); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}
