package secrethttp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// HTTPS_PROXY and NO_PROXY are respected. net/http looks at them once in a process, so this
// is the only test here that asks anybody.
func TestProxy(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "direct.invalid")
	for _, url := range []string{"https://registry.invalid:8081/subjects", "https://direct.invalid/subjects"} {
		client, err := Client("")
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
			t.Errorf("%s answers %s", url, response.Status)
		}
		if refused, ok := errors.AsType[ProxyError](err); ok != (url == "https://registry.invalid:8081/subjects") || ok && refused != http.StatusProxyAuthRequired {
			t.Errorf("%s: %v", url, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, []string{"CONNECT registry.invalid:8081"}) {
		t.Errorf("the proxy was asked for %v", asked)
	}
}
