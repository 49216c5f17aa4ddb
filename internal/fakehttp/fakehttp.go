// Package fakehttp serves HTTP as no honest server does, for the tests of clients.
package fakehttp

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// hostile are answers that no client may suffer from.
var hostile = map[string]http.HandlerFunc{
	"a body without end": func(w http.ResponseWriter, _ *http.Request) {
		for chunk := strings.Repeat("a", 64<<10); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	},
	"a byte now and then": func(w http.ResponseWriter, r *http.Request) {
		for tick := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-tick.C:
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	},
	"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"a large header": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("a", 1<<20))
	},
	"zeros without end in gzip": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		for chunk := make([]byte, 1<<20); ; {
			if _, err := z.Write(chunk); err != nil {
				return
			}
		}
	},
	"deep JSON":      says(strings.Repeat("[", 1<<20)),
	"no JSON":        says("<html>"),
	"another type":   says(`{"id":"1","access_token":1}`),
	"a large number": says(`{"id":1e400,"access_token":{},"expires_in":1e400}`),
	"a redirection": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"/elsewhere", http.StatusTemporaryRedirect)
	},
	"a status out of range": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) },
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// Hostile runs a test against a server for each kind of hostile answer. It fails if
// a redirection is followed.
func Hostile(t *testing.T, test func(t *testing.T, address string)) {
	t.Helper()
	for name, answer := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			followed := make(chan struct{}, 100)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/elsewhere") {
					followed <- struct{}{}
					return
				}
				_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
				answer(w, r)
			}))
			t.Cleanup(func() {
				server.CloseClientConnections()
				server.Close()
			})
			test(t, server.URL)
			if len(followed) > 0 {
				t.Error("a redirection was followed")
			}
		})
	}
}
