package telemetry

import (
	"log"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// noticeEvery is how often a kind of notice is logged at most: whoever reaches
// the port can give cause for one at any time.
const noticeEvery = time.Minute

// noticeKind is what a notice is about.
type noticeKind uint8

const (
	noticeAccept  noticeKind = iota // a connection could not be accepted
	noticeFull                      // one was closed for another
	noticeHTTP                      // what package net/http says
	noticeMetrics                   // what the Prometheus client says
	noticeKinds
)

// notices logs each kind of notice at once, and then at most every noticeEvery,
// with how many were left out.
type notices struct {
	log *slog.Logger

	mu   sync.Mutex
	last [noticeKinds]struct {
		at   time.Time
		left int // not logged since then
	}
}

// newNotices returns notices to logger, which may be nil.
func newNotices(logger *slog.Logger) *notices {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &notices{log: logger}
}

func (n *notices) warn(kind noticeKind, message string, args ...any) {
	due, left := n.claim(kind)
	if !due {
		return
	}
	if left > 0 {
		args = append(args, "not_logged_before", left)
	}
	n.log.Warn(message, args...) //nolint:sloglint // constant, or what a library says
}

// claim reports whether a notice may be logged, and how many were not before it.
func (n *notices) claim(kind noticeKind) (due bool, left int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := &n.last[kind]
	if !last.at.IsZero() && time.Since(last.at) < noticeEvery {
		last.left++
		return false, 0
	}
	left = last.left
	last.at, last.left = time.Now(), 0
	return true, left
}

// logger returns a log.Logger whose lines are notices of one kind.
func (n *notices) logger(kind noticeKind) *log.Logger {
	return log.New(noticeWriter{n, kind}, "", 0)
}

// noticeWriter takes the lines of a log.Logger.
type noticeWriter struct {
	notices *notices
	kind    noticeKind
}

// Write logs one line.
func (w noticeWriter) Write(line []byte) (int, error) {
	w.notices.warn(w.kind, strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}
