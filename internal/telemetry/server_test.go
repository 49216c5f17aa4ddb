package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestPages(t *testing.T) {
	t.Parallel()
	none := func() []string { return nil }
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "the page at", r.URL.Path) })
	tests := []struct {
		name   string
		method string
		path   string
		config ServerConfig
		status int
		body   string // contained; whole when it ends a line
	}{
		{"ready", "GET", "/readyz", ServerConfig{Ready: none}, 200, "ready\n"},
		{"not ready", "GET", "/readyz", ServerConfig{Ready: func() []string {
			return []string{"the topic's partitions", "a producer id"}
		}}, 503, "the topic's partitions\na producer id\n"},
		{"live", "GET", "/livez", ServerConfig{Live: none}, 200, "live\n"},
		{"not live", "GET", "/livez", ServerConfig{Live: func() []string { return []string{"socket 3 stands still"} }}, 503, "socket 3 stands still\n"},
		{"probe by HEAD", "HEAD", "/livez", ServerConfig{Live: none}, 200, ""},
		{"probes only answer", "POST", "/readyz", ServerConfig{Ready: none}, 405, ""},
		{"metrics", "GET", "/metrics", ServerConfig{Snapshot: sample}, 200, "flowpub_flows_decoded_total 3000"},
		{"metrics only answer", "POST", "/metrics", ServerConfig{Snapshot: sample}, 405, ""},
		{"page", "GET", "/", ServerConfig{Page: page}, 200, "the page at /\n"},
		{"what belongs to the page", "GET", "/status", ServerConfig{Page: page}, 200, "the page at /status\n"},
		{"the page leaves metrics alone", "GET", "/metrics", ServerConfig{Page: page, Snapshot: sample}, 200, "flowpub_flows_decoded_total 3000"},
		{"no page", "GET", "/", ServerConfig{}, 404, ""},
		{"anything else", "GET", "/favicon.ico", ServerConfig{}, 404, ""},
		{"profiles are off", "GET", "/debug/pprof/", ServerConfig{}, 404, ""},
		{"the command line is off", "GET", "/debug/pprof/cmdline", ServerConfig{}, 404, ""},
		{"profiles", "GET", "/debug/pprof/", ServerConfig{PProf: true}, 200, "goroutine"},
		{"one profile", "GET", "/debug/pprof/goroutine?debug=1", ServerConfig{PProf: true}, 200, "goroutine profile: total"},
		{"symbols are also posted", "POST", "/debug/pprof/symbol", ServerConfig{PProf: true}, 200, "num_symbols: 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			response := httptest.NewRecorder()
			newHandler(tt.config, newNotices(nil)).ServeHTTP(response, httptest.NewRequest(tt.method, tt.path, nil))
			body := response.Body.String()
			if response.Code != tt.status {
				t.Errorf("status %d, want %d:\n%s", response.Code, tt.status, body)
			}
			if whole := strings.HasSuffix(tt.body, "\n"); whole && body != tt.body || !strings.Contains(body, tt.body) {
				t.Errorf("body %q, want %q", body, tt.body)
			}
		})
	}
}

func TestIndexHasNoProfilesWhenTheyAreOff(t *testing.T) {
	t.Parallel()
	response := httptest.NewRecorder()
	newHandler(ServerConfig{}, newNotices(nil)).ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil))
	if strings.Contains(response.Body.String(), "pprof") {
		t.Errorf("the index names profiles:\n%s", response.Body)
	}
}

// Proxies must not answer a probe from memory.
func TestProbesAreNotCached(t *testing.T) {
	t.Parallel()
	response := httptest.NewRecorder()
	newHandler(ServerConfig{Ready: func() []string { return nil }}, newNotices(nil)).ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if got := response.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", got)
	}
}

// ledger moves flows from one account to the other, both sides together.
type ledger struct {
	mu       sync.Mutex
	snapshot Snapshot
}

func (l *ledger) move() {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.snapshot
	s.DatagramsReceived++
	s.FlowsDecoded += 30
	s.FlowsBuffered += 30
	if s.FlowsBuffered > 300 {
		s.FlowsDelivered += s.FlowsBuffered
		s.FlowsBuffered = 0
	}
}

func (l *ledger) take() Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.snapshot
	s.DatagramsDecoded = map[string]uint64{"netflow_v5": s.DatagramsReceived}
	return s
}

// While numbers move and several scrape, each page adds up.
func TestEveryScrapeAddsUp(t *testing.T) {
	t.Parallel()
	const scrapers, scrapes = 4, 10
	var books ledger
	handler := newHandler(ServerConfig{Snapshot: books.take}, newNotices(nil))
	done := make(chan struct{})
	var moving, scraping sync.WaitGroup
	moving.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				books.move()
			}
		}
	})
	for range scrapers {
		scraping.Go(func() {
			for range scrapes {
				response := httptest.NewRecorder()
				handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				page := response.Body.String()
				decoded := number(t, page, "flowpub_flows_decoded_total")
				delivered := number(t, page, "flowpub_flows_delivered_total")
				buffered := number(t, page, "flowpub_flows_buffered")
				if decoded != delivered+buffered {
					t.Errorf("decoded %v, delivered %v and buffered %v do not add up", decoded, delivered, buffered)
				}
				if packets := number(t, page, `flowpub_datagrams_decoded_total{format="netflow_v5"}`); decoded != 30*packets {
					t.Errorf("%v flows of %v packets with 30 each", decoded, packets)
				}
			}
		})
	}
	scraping.Wait()
	close(done)
	moving.Wait()
}

// More scrapes at once than expected are refused, not queued up in memory.
func TestScrapesAreBounded(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	handler := newHandler(ServerConfig{Snapshot: func() Snapshot {
		entered <- struct{}{}
		<-release
		return Snapshot{}
	}}, newNotices(nil))
	get := func() int {
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return response.Code
	}
	statuses := make(chan int, maxScrapes)
	for range maxScrapes {
		go func() { statuses <- get() }()
	}
	for range maxScrapes {
		<-entered
	}
	if status := get(); status != http.StatusServiceUnavailable {
		t.Errorf("scrape number %d: status %d, want 503", maxScrapes+1, status)
	}
	close(release)
	for range maxScrapes {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a scrape within the bound: status %d, want 200", status)
		}
	}
}

// stuck is a reader that takes nothing until its connection is given up.
type stuck struct {
	*httptest.ResponseRecorder
	reading chan<- struct{}
	cut     chan struct{}
}

func (s *stuck) Write([]byte) (int, error) {
	s.reading <- struct{}{}
	<-s.cut
	return 0, os.ErrDeadlineExceeded
}

func (s *stuck) SetWriteDeadline(time.Time) error {
	close(s.cut)
	return nil
}

// Readers that take nothing of their page keep no other from scraping: the one that reads the longest gives
// way to each new one.
func TestScrapesBesideSlowReaders(t *testing.T) {
	t.Parallel()
	handler := newHandler(ServerConfig{Snapshot: func() Snapshot { return Snapshot{} }}, newNotices(nil))
	get := func(w http.ResponseWriter) {
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
	reading := make(chan struct{})
	readers := make([]*stuck, maxScrapes)
	var ended sync.WaitGroup
	for i := range readers {
		readers[i] = &stuck{httptest.NewRecorder(), reading, make(chan struct{})}
		ended.Go(func() { get(readers[i]) })
		<-reading
	}
	var last []*stuck // there is always one more than may be
	for i, slow := range readers {
		response := httptest.NewRecorder()
		if get(response); response.Code != http.StatusOK || !strings.Contains(response.Body.String(), "flowpub_flows_decoded_total 0") {
			t.Errorf("scrape %d: status %d, %s", i, response.Code, response.Body)
		}
		<-slow.cut
		next := &stuck{httptest.NewRecorder(), reading, make(chan struct{})}
		last = append(last, next)
		ended.Go(func() { get(next) })
		<-reading
	}
	for _, reader := range last {
		close(reader.cut)
	}
	ended.Wait()
}

func TestServerServesUntilClosed(t *testing.T) {
	t.Parallel()
	server := startListening(t, ServerConfig{Ready: func() []string { return nil }})
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	if status, body := get(t, server, "/readyz"); status != 200 || body != "ready\n" {
		t.Errorf("status %d, body %q", status, body)
	}
	for range 2 {
		if err := server.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve returned %v after Close, want nil", err)
	}
	free, err := net.Listen("tcp", server.Addr().String())
	if err != nil {
		t.Fatalf("the address is not free after Close: %v", err)
	}
	free.Close()
}

func TestServerClosedBeforeItServes(t *testing.T) {
	t.Parallel()
	server := startListening(t, ServerConfig{})
	if err := server.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := server.Serve(); err != nil {
		t.Errorf("Serve after Close: %v, want nil", err)
	}
	free, err := net.Listen("tcp", server.Addr().String())
	if err != nil {
		t.Fatalf("the address is not free after Close: %v", err)
	}
	free.Close()
}

func TestCloseLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	server, body, release := startRequest(t)
	closed := make(chan error, 1)
	go func() { closed <- server.Close(context.WithoutCancel(t.Context())) }()
	close(release)
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	if got := <-body; got != "live\n" {
		t.Errorf("the request under way got %q", got)
	}
}

func TestCloseCutsOffWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	server := startListening(t, ServerConfig{Live: func() []string {
		close(entered)
		<-release
		return nil
	}})
	go server.Serve()
	failed := make(chan error, 1)
	go func() {
		response, err := client().Get("http://" + server.Addr().String() + "/livez")
		if err == nil {
			response.Body.Close()
		}
		failed <- err
	}()
	<-entered
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := server.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v, want an error that says that it did not wait", err)
	}
	if err := <-failed; err == nil || os.IsTimeout(err) {
		t.Errorf("the request ended with %v, want it cut off", err)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	first := startListening(t, ServerConfig{})
	address := first.Addr().String()
	_, err := Listen(ServerConfig{Address: address})
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "choose another address") {
		t.Errorf("Listen on an address in use: %v, want an error that names it and the cure", err)
	}
}

func TestErrorsOfServingAreLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tests := []struct {
		name   string
		logger *slog.Logger
		want   string
	}{
		{"to the logger", slog.New(slog.NewTextHandler(&out, nil)), "level=WARN msg=hello\n"},
		{"nowhere without one", nil, ""},
	}
	for _, tt := range tests {
		out.Reset()
		newNotices(tt.logger).logger(noticeHTTP).Print("hello")
		if !strings.HasSuffix(out.String(), tt.want) || tt.want == "" && out.Len() > 0 {
			t.Errorf("%s: logged %q, want %q", tt.name, out.String(), tt.want)
		}
	}
}

// startRequest starts a server and a request to it. It returns where the answer comes, and what to
// close for it: until then the request is under way.
func startRequest(t *testing.T) (*Server, <-chan string, chan struct{}) {
	t.Helper()
	entered, release := make(chan struct{}), make(chan struct{})
	server := startListening(t, ServerConfig{Live: func() []string {
		close(entered)
		<-release
		return nil
	}})
	go server.Serve()
	answers := make(chan string, 1)
	go func() {
		_, text := get(t, server, "/livez")
		answers <- text
	}()
	<-entered
	return server, answers, release
}

func startListening(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	cfg.Address = "127.0.0.1:0"
	server, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, end := context.WithCancel(context.Background())
		end()
		_ = server.Close(ctx)
	})
	return server
}

// client keeps no connection: a kept one would be closed whenever it likes.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
}

func get(t *testing.T, server *Server, path string) (status int, body string) {
	t.Helper()
	response, err := client().Get("http://" + server.Addr().String() + path)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response.StatusCode, string(text)
}

// A manifest writes the pod's address in brackets, whichever family it is of.
func TestBracketsHoldAnyAddress(t *testing.T) {
	t.Parallel()
	server, err := Listen(ServerConfig{Address: "[127.0.0.1]:0"})
	if err != nil {
		t.Fatal(err)
	}
	if got := server.Addr().Addr().Unmap().String(); got != "127.0.0.1" {
		t.Errorf("bound to %s, want 127.0.0.1", got)
	}
	if err := server.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
