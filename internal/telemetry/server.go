package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Limits of the HTTP server. A connection that says nothing costs descriptors and
// memory, so it is closed soon: whoever asks again may connect again. A profile
// takes as long as its reader asks for, hence the long one.
const (
	headerTimeout       = 5 * time.Second
	readTimeout         = 10 * time.Second
	writeTimeout        = 30 * time.Second
	profileWriteTimeout = 10 * time.Minute
	idleTimeout         = 10 * time.Second
	maxHeaderBytes      = 16 << 10
)

// ServerConfig says what a Server shows. All functions are called from several
// goroutines at once and must not block for long.
type ServerConfig struct {
	// Address is the TCP host:port to listen on.
	Address string
	// PProf adds the Go profiler's pages under /debug/pprof/.
	PProf bool
	// Page answers all other paths; nil: there are none.
	Page http.Handler
	// Snapshot returns the numbers of /metrics.
	Snapshot func() Snapshot
	// Ready lists what is missing until the readiness probe may pass, one item per
	// string; nothing when it passes.
	Ready func() []string
	// Live lists components that are stuck, in the same way.
	Live func() []string
	// Logger receives what goes wrong in serving, each kind of it at most once a
	// minute; nil means nothing is logged.
	Logger *slog.Logger
}

// Server shows metrics, probes and profiles over HTTP.
type Server struct {
	listener *connections
	http     http.Server
}

// Listen binds the address. Nothing is answered before Serve is called.
func Listen(cfg ServerConfig) (*Server, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("telemetry: cannot listen for HTTP on %q: %w: choose another address, or none", cfg.Address, err)
	}
	return newServer(listener, cfg), nil
}

// newServer returns a server of listener's connections.
func newServer(listener net.Listener, cfg ServerConfig) *Server {
	notices := newNotices(cfg.Logger)
	s := &Server{listener: newConnections(listener, notices)}
	s.http = http.Server{
		Handler:           s.listener.watch(newHandler(cfg, notices)),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          notices.logger(noticeHTTP),
		ConnState:         s.listener.changed,
		ConnContext:       withConn,
	}
	if cfg.PProf {
		s.http.WriteTimeout = profileWriteTimeout
	}
	return s
}

// Addr returns the bound address.
func (s *Server) Addr() netip.AddrPort {
	return s.listener.Addr().(*net.TCPAddr).AddrPort() //nolint:errcheck,forcetypeassert // a TCP listener has no other
}

// Serve answers requests until Close is called, then returns nil. Any other
// end is an error.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("telemetry: HTTP on %v ended: %w", s.Addr(), err)
	}
	return nil
}

// Close frees the address, lets the requests under way finish until ctx ends,
// and cuts off the rest. It may be called before Serve, and more than once.
func (s *Server) Close(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	// A server that never served does not know its listener.
	if closeErr := s.listener.Close(); !errors.Is(closeErr, net.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	if err != nil {
		return fmt.Errorf("telemetry: closing HTTP: %w", err)
	}
	return nil
}

// newHandler routes the pages.
func newHandler(cfg ServerConfig, notices *notices) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", &scrapes{pages: promhttp.HandlerFor(NewRegistry(cfg.Snapshot), promhttp.HandlerOpts{
		ErrorLog: notices.logger(noticeMetrics),
	})})
	mux.HandleFunc("GET /livez", probe("live", cfg.Live))
	mux.HandleFunc("GET /readyz", probe("ready", cfg.Ready))
	if cfg.PProf {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // for long questions
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	if cfg.Page != nil {
		mux.Handle("/", cfg.Page)
	}
	return mux
}

// probe answers 200 and the word fine, or 503 and one line for each fault.
func probe(fine string, faults func() []string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		status, lines := http.StatusOK, []string{fine}
		if found := faults(); len(found) > 0 {
			status, lines = http.StatusServiceUnavailable, found
		}
		w.WriteHeader(status)
		// A reader that went away is its own business.
		_, _ = io.WriteString(w, strings.Join(lines, "\n")+"\n")
	}
}
