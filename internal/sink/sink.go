package sink

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Config says what a Sink serves.
type Config struct {
	// Address is the TCP host:port to listen on. Empty: a free port of
	// 127.0.0.1.
	Address string
	// Partitions is how many partitions every topic has, at least 1.
	Partitions int
	// Delay is added before each answer to a produce request, as if replicas
	// had to be waited for. Requests of one connection are answered in turn.
	Delay time.Duration
	// Logger is told why a connection was cut; nil means nobody is.
	Logger *slog.Logger
}

// Stats is what was produced so far.
type Stats struct {
	// Requests, Batches and Records count produce requests, the record batches
	// in them and the records that their headers announce.
	Requests, Batches, Records uint64
	// Bytes is the size of all batches as they were sent, headers included.
	Bytes uint64
}

// Sink is a running broker. It is safe for concurrent use.
type Sink struct {
	cfg      Config
	log      *slog.Logger
	listener *net.TCPListener
	host     string
	port     int32
	ended    chan struct{}
	serving  sync.WaitGroup

	requests, batches, records, bytes atomic.Uint64
	producers                         atomic.Int64 // ids given out

	mu    sync.Mutex
	conns map[net.Conn]struct{} // nil when the sink is closed
}

// Start listens; clients may connect as soon as it returns.
func Start(cfg Config) (*Sink, error) {
	if cfg.Partitions < 1 {
		return nil, fmt.Errorf("sink: %d partitions: there must be at least 1", cfg.Partitions)
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	addr, err := net.ResolveTCPAddr("tcp", cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("sink: address %q: %w: write it as host:port", cfg.Address, err)
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sink: cannot listen on %q: %w: choose another address, or port 0 for a free one", cfg.Address, err)
	}
	s := &Sink{
		cfg:      cfg,
		log:      cfg.Logger,
		listener: l,
		ended:    make(chan struct{}),
		conns:    make(map[net.Conn]struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if bound, ok := l.Addr().(*net.TCPAddr); ok {
		s.host, s.port = bound.IP.String(), int32(bound.Port)
	}
	s.serving.Go(s.accept)
	return s, nil
}

// Addr returns the host:port that clients connect to.
func (s *Sink) Addr() string { return s.listener.Addr().String() }

// Stats returns the counts. A batch is in all of them or in none, but for calls
// that come while it is being counted.
func (s *Sink) Stats() Stats {
	return Stats{
		Requests: s.requests.Load(),
		Batches:  s.batches.Load(),
		Records:  s.records.Load(),
		Bytes:    s.bytes.Load(),
	}
}

// Close ends the sink and cuts off its clients.
func (s *Sink) Close() error {
	s.mu.Lock()
	if s.conns == nil {
		s.mu.Unlock()
		return nil
	}
	close(s.ended)
	errs := []error{s.listener.Close()}
	for c := range s.conns {
		errs = append(errs, c.Close())
	}
	s.conns = nil
	s.mu.Unlock()
	s.serving.Wait()
	return errors.Join(errs...)
}

func (s *Sink) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return // the listener was closed: nothing else ends it
		}
		if !s.adopt(c) {
			return
		}
		s.serving.Go(func() {
			err := newSession(s, c).serve()
			if s.abandon(c) && !errors.Is(err, io.EOF) {
				s.log.Warn("connection cut", "client", c.RemoteAddr(), "error", err)
			}
		})
	}
}

// adopt keeps a connection for Close; when that was called it closes it.
func (s *Sink) adopt(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		_ = c.Close() // nothing was sent, nothing can be lost
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

// abandon closes a connection and reports whether it was not closed before.
func (s *Sink) abandon(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return false
	}
	delete(s.conns, c)
	return c.Close() == nil
}
