package telemetry

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxScrapes is how many pages of metrics are made, or on their way to their readers, at
// once.
const maxScrapes = 8

// scrapes answers with pages of metrics. Each is made as a whole before its reader gets the
// first of it; when there are maxScrapes, a new one takes the place of the one that its
// reader takes the longest for. So whoever reads slowly, or not at all, a scrape is answered.
type scrapes struct {
	pages http.Handler

	mu   sync.Mutex
	held []*page // the oldest first
}

// page is one. It is the http.ResponseWriter of whoever makes it.
type page struct {
	header http.Header
	status int
	body   bytes.Buffer

	reader *http.ResponseController // nil while it is made; guarded by scrapes.mu
}

// Header is part of http.ResponseWriter.
func (p *page) Header() http.Header { return p.header }

// WriteHeader is part of http.ResponseWriter.
func (p *page) WriteHeader(status int) { p.status = status }

// Write is part of http.ResponseWriter.
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

// ServeHTTP is part of http.Handler.
func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := &page{header: make(http.Header), status: http.StatusOK}
	if !s.hold(one) {
		http.Error(w, fmt.Sprintf("%d pages are being made: try again", maxScrapes), http.StatusServiceUnavailable)
		return
	}
	defer s.release(one)
	s.pages.ServeHTTP(one, r)
	s.made(one, http.NewResponseController(w))
	maps.Copy(w.Header(), one.header)
	w.WriteHeader(one.status)
	// A reader that went away is its own business.
	_, _ = w.Write(one.body.Bytes())
}

// hold reports whether there is room for a page, and takes it.
func (s *scrapes) hold(p *page) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == maxScrapes {
		slowest := slices.IndexFunc(s.held, func(held *page) bool { return held.reader != nil })
		if slowest < 0 {
			return false
		}
		// A connection without deadlines is none of a server's.
		_ = s.held[slowest].reader.SetWriteDeadline(time.Now())
		s.held = slices.Delete(s.held, slowest, slowest+1)
	}
	s.held = append(s.held, p)
	return true
}

// made notes that a page goes to its reader now.
func (s *scrapes) made(p *page, reader *http.ResponseController) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.reader = reader
}

// release gives the room of a page back, if it still has it.
func (s *scrapes) release(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = slices.DeleteFunc(s.held, func(held *page) bool { return held == p })
}
