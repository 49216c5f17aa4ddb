package publisher

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hostileAnswers are what a token endpoint or a registry may not do to us.
var hostileAnswers = map[string]http.HandlerFunc{
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
				io.WriteString(w, " ")
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
	"deep JSON":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("[", 1<<20)) },
	"no JSON":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
	"another type": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"id":"1","access_token":1}`) },
	"a large number": func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"id":1e400,"access_token":{},"expires_in":1e400}`)
	},
	"a redirection": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"/elsewhere", http.StatusTemporaryRedirect)
	},
	"a status out of range": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) },
}

// Whatever a token endpoint and a registry answer: there is an error in time, little
// is read of it, and no redirection is followed.
func TestHostileEndpoints(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, "hunter2-hunter2")
	for name, answer := range hostileAnswers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			followed := make(chan struct{}, 100)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/elsewhere") {
					followed <- struct{}{}
					return
				}
				io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
				answer(w, r)
			}))
			t.Cleanup(func() {
				server.CloseClientConnections()
				server.Close()
			})
			registry := RegistryConfig{URL: server.URL}
			if id, err := registry.schemaID(t.Context(), "flows-value"); err == nil {
				t.Errorf("the registry gave the id %d", id)
			}
			endpoint := newTokenEndpoint(t.Context(), &OAuthConfig{TokenURL: server.URL + "/token", ClientID: "flowpub", ClientSecretFile: secret})
			if token, err := endpoint.request(); err == nil {
				t.Errorf("the endpoint gave %v", token)
			}
			if len(followed) > 0 {
				t.Error("a redirection was followed")
			}
		})
	}
}
