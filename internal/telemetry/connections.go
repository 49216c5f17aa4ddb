package telemetry

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// maxConnections is how many connections are held at once. Each costs about
// 20 KiB and a file descriptor.
const maxConnections = 256

// Pauses between attempts to accept while the system refuses.
const (
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

// connections is a listener whose connections are bounded. When there are
// maxConnections, a new one takes the place of the one that has been quiet the
// longest; one whose request is being answered goes last. So whoever holds
// connections open, a probe is answered.
type connections struct {
	net.Listener
	notices *notices

	mu   sync.Mutex
	held map[net.Conn]activity
	tick uint64 // counts what happened to connections, for their order

	closing sync.Once
	closed  chan struct{}
}

// activity is what a connection did last.
type activity struct {
	answering bool   // its request is being answered
	since     uint64 // the tick of the last change
}

func newConnections(listener net.Listener, log *notices) *connections {
	return &connections{Listener: listener, notices: log, held: make(map[net.Conn]activity), closed: make(chan struct{})}
}

// Accept waits for a connection. Errors that pass are logged and tried again;
// when descriptors are used up, the quietest connection gives up its own.
func (c *connections) Accept() (net.Conn, error) {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		conn, err := c.Listener.Accept()
		if err == nil {
			c.admit(conn)
			return conn, nil
		}
		if !passing(err) {
			return nil, err
		}
		c.notices.warn(noticeAccept, "an HTTP connection could not be accepted", "error", err, "cure", acceptCure(err))
		if outOfFiles(err) {
			c.closeQuietest(1)
		}
		if !c.rest(pause) {
			return nil, net.ErrClosed
		}
	}
}

// rest waits, and reports whether the listener is still open.
func (c *connections) rest(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.closed:
		return false
	}
}

// Close ends Accept.
func (c *connections) Close() error {
	c.closing.Do(func() { close(c.closed) })
	return c.Listener.Close()
}

// admit holds a new connection, in place of another one if need be.
func (c *connections) admit(conn net.Conn) {
	if c.closeQuietest(maxConnections) {
		c.notices.warn(noticeFull, "HTTP has as many connections as it takes: a new one replaces the quietest",
			"connections", maxConnections, "cure", "find out who holds connections to this port open, and keep them away from it")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tick++
	c.held[conn] = activity{since: c.tick}
}

// closeQuietest closes the quietest connection if at least as many are held.
func (c *connections) closeQuietest(held int) bool {
	conn := c.giveUp(held)
	if conn == nil {
		return false
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // nothing is left of it in the kernel either
	}
	// That the peer was first does not matter.
	_ = conn.Close()
	return true
}

// giveUp returns the quietest connection, no longer held, if at least as many
// are held; nil otherwise.
func (c *connections) giveUp(held int) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) < held {
		return nil
	}
	var quietest net.Conn
	var least activity
	for conn, a := range c.held {
		if quietest == nil || a.quieter(least) {
			quietest, least = conn, a
		}
	}
	delete(c.held, quietest)
	return quietest
}

// quieter reports whether a is to be given up before b.
func (a activity) quieter(b activity) bool {
	if a.answering != b.answering {
		return b.answering
	}
	return a.since < b.since
}

// note takes down what a connection does now, if it is still held.
func (c *connections) note(conn net.Conn, answering bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, held := c.held[conn]; held {
		c.tick++
		c.held[conn] = activity{answering: answering, since: c.tick}
	}
}

// changed is for http.Server.ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateClosed, http.StateHijacked:
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.held, conn)
	case http.StateActive, http.StateIdle:
		c.note(conn, false)
	case http.StateNew: // admitted already
	}
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn is for http.Server.ConnContext.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// watch returns a handler that answers as h does, with its connection known to be
// answering meanwhile.
func (c *connections) watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		c.note(conn, true)
		defer c.note(conn, false)
		h.ServeHTTP(w, r)
	})
}

// passing reports whether an error of accepting says nothing about the next
// attempt, or goes away when something is closed.
func passing(err error) bool {
	for _, passes := range []error{syscall.ECONNABORTED, syscall.EINTR, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM} {
		if errors.Is(err, passes) {
			return true
		}
	}
	return outOfFiles(err)
}

// outOfFiles reports whether all file descriptors are in use.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// acceptCure returns what to do about err.
func acceptCure(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "raise this process's limit of open files (ulimit -n, systemd: LimitNOFILE)"
	case errors.Is(err, syscall.ENFILE):
		return "raise the system's limit of open files (Linux: sysctl fs.file-max)"
	default:
		return "none if it passes: it is tried again"
	}
}
