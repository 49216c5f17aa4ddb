package status

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

// Everything that is served is under the strict policy, and is what its name says.
func TestAnswers(t *testing.T) {
	t.Parallel()
	h := Handler(func(bool) *Report { return &Report{} })
	kinds := map[string]string{
		".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
		".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", "": "text/plain; charset=utf-8",
	}
	pages := map[string]string{"/": kinds[".html"], "/status": "application/json"}
	for _, name := range assets() {
		pages["/web/"+name] = kinds[path.Ext(name)]
	}
	for page, kind := range pages {
		w := ask(h, "GET", page)
		header := w.Result().Header
		if w.Code != http.StatusOK || header.Get("Content-Type") != kind {
			t.Errorf("%s: status %d, type %q, want %q", page, w.Code, header.Get("Content-Type"), kind)
		}
		if p := header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") {
			t.Errorf("%s has the policy %q", page, p)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s may be taken for another type", page)
		}
	}
	for _, other := range []string{"/web/", "/web/..", "/favicon.ico", "/status/x"} {
		if w := ask(h, "GET", other); w.Code == http.StatusOK {
			t.Errorf("%s is answered: %s", other, w.Body)
		}
	}
	if w := ask(h, "POST", "/status"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST has the status %d", w.Code)
	}
}

// The page refers to files that are there, and has no script or style of its own, which
// the policy would refuse.
func TestPage(t *testing.T) {
	t.Parallel()
	h := Handler(func(bool) *Report { return &Report{} })
	body := ask(h, "GET", "/").Body.String()
	for _, bad := range []string{"<style", "style=", " onclick", "javascript:", "http:", "https:"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, attribute := range []string{`src="`, `href="`} {
		for _, rest := range strings.Split(body, attribute)[1:] {
			ref, _, _ := strings.Cut(rest, `"`)
			if strings.HasPrefix(ref, "/web/") && ask(h, "GET", ref).Code != http.StatusOK {
				t.Errorf("the page refers to %q, which is not there", ref)
			}
		}
	}
}

// All who ask within a second get the same answer, which was made once.
func TestAnswersAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		made := make(map[bool]int)
		h := Handler(func(exporters bool) *Report {
			made[exporters]++
			return &Report{Version: "<v1>", Now: time.Now()}
		})
		for range 10 {
			for _, target := range []string{"/status", "/status?exporters=none"} {
				var r Report
				if err := json.Unmarshal(ask(h, "GET", target).Body.Bytes(), &r); err != nil || r.Version != "<v1>" {
					t.Fatal(r, err)
				}
			}
			<-time.After(300 * time.Millisecond)
		}
		if made[true] != 3 || made[false] != 3 { // at 0, 1.2 and 2.4 s
			t.Errorf("answers were made %v times, want 3 of each kind", made)
		}
	})
}

// The ring holds the last 15 minutes, the oldest first.
func TestHistory(t *testing.T) {
	t.Parallel()
	var r Ring
	if h := r.History(); len(h.Received) != 0 || h.Received == nil {
		t.Errorf("an empty ring is %+v", h)
	}
	at := time.Unix(0, 0)
	for i := range 200 {
		at = at.Add(HistoryEvery)
		r.Add(at, &Point{Received: float64(i), FlowsBuffered: uint64(2 * i)})
	}
	h := r.History()
	if n := len(h.Received); n != 180 || h.Received[0] != 20 || h.Received[179] != 199 || h.FlowsBuffered[179] != 398 || !h.End.Equal(time.Unix(1000, 0)) {
		t.Errorf("%d points from %v to %v, buffered %v, end %v", n, h.Received[0], h.Received[n-1], h.FlowsBuffered[n-1], h.End)
	}
}

// The library is as npm has it: docs/decisions/0035-status-page.md has version and hashes.
func TestLibraryIsUnchanged(t *testing.T) {
	t.Parallel()
	decision, err := os.ReadFile("../../docs/decisions/0035-status-page.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"uPlot.js", "uPlot.css"} {
		content, err := files.ReadFile("web/uplot/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name); !strings.Contains(string(decision), line) {
			t.Errorf("%s is not the one of the decision: it has %s", name, line)
		}
	}
	if licence, err := files.ReadFile("web/uplot/LICENSE"); err != nil || !strings.Contains(string(licence), "Permission is hereby granted") {
		t.Errorf("the licence is missing: %v", err)
	}
}
