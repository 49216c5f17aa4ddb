package telemetry

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
)

// Far more connections than are held, that say nothing or half of a request: the
// oldest are closed, and probes are answered as if nobody was there.
func TestProbesAreAnsweredBesideIdleConnections(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	for name, said := range map[string]string{
		"nothing":            "",
		"half a request":     "GET /livez HTTP/1.1\r\nHost: ",
		"a request, kept up": "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log testlog.Book
			server := startListening(t, ServerConfig{
				Live:   func() []string { return nil },
				Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			go server.Serve()
			idle := make([]net.Conn, maxConnections+50)
			for i := range idle {
				idle[i] = connect(t, server, said)
			}
			for _, conn := range idle[:50] {
				waitClosed(t, conn)
			}
			for range 3 {
				if status, body := get(t, server, "/livez"); status != http.StatusOK || body != "live\n" {
					t.Errorf("probe: status %d, body %q", status, body)
				}
			}
			if held := server.listener.count(); held > maxConnections {
				t.Errorf("%d connections are held, want at most %d", held, maxConnections)
			}
			if lines := len(log.Lines("replaces the quietest")); lines != 1 {
				t.Errorf("%d lines about the limit, want 1:\n%s", lines, log.Text())
			}
		})
	}
}

// A scrape under way is no idle connection, however old it is.
func TestScrapeSurvivesIdleConnections(t *testing.T) {
	t.Parallel()
	server, body, release := startRequest(t)
	first := connect(t, server, "")
	for range maxConnections {
		connect(t, server, "")
	}
	waitClosed(t, first)
	close(release)
	if got := <-body; got != "live\n" {
		t.Errorf("the request under way got %q", got)
	}
}

// What says nothing is closed soon: without a request after 5 s, with half of one
// after 5 s, after an answer within 10 s.
func TestQuietConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, said string
		after      time.Duration
	}{
		{"silent", "", 5 * time.Second},
		{"half a header", "GET / HTTP/1.1\r\nHo", 5 * time.Second},
		{"answered", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pipes := newPipes()
				server := newServer(pipes, ServerConfig{})
				served := make(chan error, 1)
				go func() { served <- server.http.Serve(server.listener) }()
				ours, theirs := net.Pipe()
				pipes.conns <- theirs
				began := time.Now()
				go io.WriteString(ours, tt.said)
				_, _ = io.Copy(io.Discard, ours) // ends when it is closed
				if took := time.Since(began); took != tt.after {
					t.Errorf("closed after %v, want %v", took, tt.after)
				}
				if err := server.Close(t.Context()); err != nil {
					t.Error(err)
				}
				<-served
			})
		})
	}
}

// With descriptors used up for three minutes the log gets a line a minute, with
// the count and the cure, and quiet connections give up theirs.
func TestAcceptErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Book
		pipes := newPipes()
		c := newConnections(pipes, newNotices(slog.New(slog.NewTextHandler(&log, nil))))
		ours, theirs := net.Pipe()
		pipes.conns <- theirs
		if _, err := c.Accept(); err != nil {
			t.Fatal(err)
		}
		pipes.fail(&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)})
		accepted := make(chan net.Conn, 1)
		go func() {
			conn, err := c.Accept()
			if err != nil {
				t.Error(err)
			}
			accepted <- conn
		}()
		if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a quiet connection got %v, want its end", err)
		}
		<-time.After(3*time.Minute + time.Second/2)
		lines := strings.Split(strings.TrimSpace(log.Text()), "\n")
		if len(lines) < 3 || len(lines) > 4 {
			t.Errorf("%d lines in three minutes, want 3 or 4:\n%s", len(lines), log.Text())
		}
		if !strings.Contains(lines[0], "too many open files") || !strings.Contains(lines[0], "LimitNOFILE") {
			t.Errorf("the first line lacks error or cure: %s", lines[0])
		}
		if last := lines[len(lines)-1]; !strings.Contains(last, "not_logged_before=") {
			t.Errorf("the last line does not count the others: %s", last)
		}
		pipes.fail(nil)
		_, next := net.Pipe()
		pipes.conns <- next
		if got := <-accepted; got != next {
			t.Errorf("accepted %v when descriptors were there again", got)
		}
	})
}

// The end of the listener ends the waiting between attempts.
func TestAcceptEndsWhileFilesAreUsedUp(t *testing.T) {
	t.Parallel()
	pipes := newPipes()
	pipes.fail(syscall.ENFILE)
	c := newConnections(pipes, newNotices(nil))
	failed := make(chan error, 1)
	go func() {
		_, err := c.Accept()
		failed <- err
	}()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want %v", err, net.ErrClosed)
	}
}

// What does not pass ends the server, which ends the process.
func TestAcceptFailsForGood(t *testing.T) {
	t.Parallel()
	pipes := newPipes()
	pipes.fail(syscall.EBADF)
	if _, err := newConnections(pipes, newNotices(nil)).Accept(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Accept: %v, want %v", err, syscall.EBADF)
	}
}

// Lines of net/http that any client can cause are not more than one a minute.
func TestLibraryLinesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log testlog.Book
		logger := newNotices(slog.New(slog.NewTextHandler(&log, nil))).logger(noticeHTTP)
		for range 1000 {
			logger.Print("http: URL query contains semicolon")
		}
		<-time.After(time.Minute)
		logger.Print("http: URL query contains semicolon")
		if lines := len(log.Lines("semicolon")); lines != 2 || len(log.Lines("not_logged_before=999")) != 1 {
			t.Errorf("%d lines of 1,001, want 2 with a count of 999:\n%s", lines, log.Text())
		}
	})
}

// count returns how many connections are held.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// connect returns a connection on which something was said.
func connect(t *testing.T, server *Server, said string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// It may be closed already: the server has its reasons.
	_, _ = io.WriteString(conn, said)
	return conn
}

// waitClosed waits until the server has closed conn.
func waitClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server has not closed a connection beyond its limit")
	}
}

// pipes is a listener of connections that a test makes.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu     sync.Mutex
	failed error
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn, 1), done: make(chan struct{})}
}

// fail makes Accept return an error; nil makes it work.
func (p *pipes) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = err
}

func (p *pipes) Accept() (net.Conn, error) {
	p.mu.Lock()
	failed := p.failed
	p.mu.Unlock()
	if failed != nil {
		return nil, failed
	}
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{} }
