package status

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"sync"
	"time"
)

//go:embed web
var files embed.FS

// reportEvery is how long one report serves all requests.
const reportEvery = time.Second

// policy lets the page load what this program serves, and nothing else: no inline
// script or style, no other host, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler returns the handler of the page at /, its files below /web/, and the JSON at /status. It calls
// report with whether the list of exporters is wanted: one call at a time, and at most one a second
// for each of the two. It keeps no reference to a report.
func Handler(report func(exporters bool) *Report) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", asset("index.html"))
	for _, name := range assets() {
		mux.Handle("GET /web/"+name, asset(name))
	}
	mux.Handle("GET /status", &reports{report: report, recent: make(map[bool]answer)})
	return mux
}

// contentTypes are those of the files, by suffix: the tables of systems differ.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".svg":  "image/svg+xml",
}

// assets lists the files of the page.
func assets() []string {
	var names []string
	// What is embedded can be read.
	_ = fs.WalkDir(files, "web", func(name string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			names = append(names, name[len("web/"):])
		}
		return nil
	})
	return names
}

// asset serves a file of the page. Browsers ask each time whether it has changed.
func asset(name string) http.Handler {
	content, _ := files.ReadFile("web/" + name) // it is embedded
	hash := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(hash[:8]) + `"`
	kind := contentTypes[path.Ext(name)]
	if kind == "" {
		kind = "text/plain; charset=utf-8"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	})
}

// secure sets the headers that every answer has.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// reports serves the JSON. One answer serves all requests within reportEvery, so that many open
// pages cost as much as one.
type reports struct {
	report func(exporters bool) *Report

	mu     sync.Mutex
	recent map[bool]answer // with and without a list of exporters
}

// answer is a report, encoded.
type answer struct {
	at   time.Time
	body []byte
}

// ServeHTTP answers with the report; with the parameter exporters=none, its list of them
// is empty.
func (s *reports) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	body, err := s.body(r.URL.Query().Get("exporters") != "none")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	// A reader that went away is its own business.
	_, _ = w.Write(body) //nolint:gosec // JSON, which nobody may take for markup: see secure
}

// body returns the report as JSON.
func (s *reports) body(exporters bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.recent[exporters]; time.Since(a.at) < reportEvery {
		return a.body, nil
	}
	body, err := json.Marshal(s.report(exporters))
	if err != nil {
		return nil, err
	}
	a := answer{time.Now(), append(body, '\n')}
	s.recent[exporters] = a
	return a.body, nil
}
