package auth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/flowpub/flowpub/internal/fakehttp"
	"github.com/flowpub/flowpub/internal/secrethttp"
	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/failure"
)

// A secret that looks different in every encoding.
const clientSecret = "p&ss/w?rd+with=%all~that"

// oauthConfig names an endpoint, with secrets in its URL that nothing may show.
func oauthConfig(t *testing.T, endpoint string) OAuth {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	writeFile(t, file, clientSecret+"\n")
	return OAuth{TokenURL: endpoint + "/token?key=query-secret", ClientID: "flow pub", ClientSecretFile: file, Scope: "kafka  flows"}
}

// startEndpoint serves plain HTTP.
func startEndpoint(t *testing.T, answer http.HandlerFunc) OAuth {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return oauthConfig(t, server.URL)
}

func giveToken(w http.ResponseWriter, token string, seconds int) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, seconds)
}

// The request is that of RFC 6749, sections 4.4.2 and 2.3.1: credentials in the
// header, or in the body for endpoints that want them there.
func TestTokenRequest(t *testing.T) {
	t.Parallel()
	for _, inBody := range []bool{false, true} {
		var requests atomic.Int32
		cfg := startEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			id, secret, inHeader := r.BasicAuth()
			if inHeader == inBody {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			want := url.Values{"grant_type": {"client_credentials"}, "scope": {"kafka flows"}}
			if inBody {
				want["client_id"], want["client_secret"] = []string{"flow pub"}, []string{clientSecret}
			} else if id != "flow+pub" || secret != url.QueryEscape(clientSecret) {
				t.Errorf("credentials %q, %q", id, secret)
			}
			r.ParseForm()
			if r.Method != http.MethodPost || r.PostForm.Encode() != want.Encode() || r.URL.Query().Get("key") != "query-secret" {
				t.Errorf("%s %s with %v, want %v", r.Method, r.URL, r.PostForm, want)
			}
			giveToken(w, fmt.Sprint("token", requests.Load()), 3600)
		})
		e := newTokens(t.Context(), &cfg)
		first := int32(1)
		if inBody {
			first = 2 // the header is tried before
		}
		for range 3 { // one request is enough for all
			if got, err := e.current(t.Context()); got != fmt.Sprint("token", first) || err != nil {
				t.Errorf("token %q, error %v", got, err)
			}
		}
		if _, err := e.request(); err != nil || requests.Load() != first+1 {
			t.Errorf("error %v, %d requests: what the endpoint wants is not remembered", err, requests.Load())
		}
	}
}

// Whatever the endpoint answers, the error has its address, what happened and a
// cure, and no secret in any form: not those of ours, nor those of the URL, though
// the endpoint repeats all that it was sent.
func TestTokenErrors(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	// repeats answers with all it was sent, in every form.
	repeats := func(r *http.Request) string {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		_, basic, _ := r.BasicAuth()
		all := strings.Join([]string{r.URL.String(), r.Header.Get("Authorization"), basic, string(body), form.Get("client_secret"), clientSecret}, " ")
		return all + base64.StdEncoding.EncodeToString([]byte(all))
	}
	inJSON := func(status int, fields ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			answer := map[string]string{"error_description": repeats(r), "error_uri": repeats(r)}
			for _, field := range fields {
				name, value, given := strings.Cut(field, "=")
				if !given {
					value = repeats(r)
				}
				answer[name] = value
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(answer)
		}
	}
	raw := func(format string) http.HandlerFunc { // instead of HTTP
		return func(w http.ResponseWriter, r *http.Request) {
			text := repeats(r)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprintf(conn, format, text)
			conn.Close()
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
		cure   string
	}{
		{"a wrong secret", inJSON(401, "error=invalid_client"), "status 401 Unauthorized, invalid_client", "correct the client id or the client secret"},
		{"a wrong scope", inJSON(400, "error=invalid_scope"), "status 400 Bad Request, invalid_scope", "correct the scope, or allow it to this client"},
		{"a grant that is not allowed", inJSON(400, "error=unauthorized_client"), "status 400 Bad Request, unauthorized_client", "allow this client the grant client_credentials"},
		{"an error under a good status", inJSON(200, "error=invalid_client"), "status 200 OK, invalid_client", "correct the client id or the client secret"},
		{"an error that repeats", inJSON(400, "error"), "status 400 Bad Request", "look at what the token endpoint wants of a client"},
		{"no such page", inJSON(404, "error"), "status 404 Not Found", "correct the token URL"},
		{"a proxy", inJSON(407, "error"), "the proxy answers status 407 Proxy Authentication Required", "put the proxy's user and password into HTTPS_PROXY or HTTP_PROXY, or the endpoint's host into NO_PROXY"},
		{"out of order", inJSON(503, "error"), "status 503 Service Unavailable", "look at the token endpoint's health"},
		{"an expiry that repeats", inJSON(200, "access_token=abc", "expires_in"), "its answer has no token", "correct the token URL: something else answers there"},
		{"a token that is none", inJSON(200, "access_token"), "its answer has no bearer token", "look at what the token endpoint answers to this client"},
		{"a token of another type", inJSON(200, "access_token=abc", "token_type"), "its answer has no bearer token", "look at what the token endpoint answers to this client"},
		{"a page", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>", repeats(r)) }, "its answer has no token", "correct the token URL: something else answers there"},
		{"a form", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
			fmt.Fprint(w, "%", repeats(r))
		}, "its answer has no token", "correct the token URL: something else answers there"},
		{"a redirection", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://user:secret@127.0.0.1:1/?"+url.QueryEscape(repeats(r)))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "status 307 Temporary Redirect", "correct the token URL"},
		{"no HTTP", raw("%s\r\n\r\n"), "its answer has no token", "correct the token URL: something else answers there"},
		{"a header that is none", raw("HTTP/1.1 200 OK\r\n%s\r\n\r\n"), "its answer has no token", "correct the token URL: something else answers there"},
		{"a status that is none", raw("HTTP/1.1 %s\r\n\r\n"), "its answer has no token", "correct the token URL: something else answers there"},
		{"an endless header", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*64<<10))
		}, "its answer has no token", "correct the token URL: something else answers there"},
		{"an endless body", func(w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 64<<10))
			}
		}, "its answer has no token", "correct the token URL: something else answers there"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, "no answer within 5s", "look at the token endpoint's health and at the network"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := startEndpoint(t, test.answer)
			began := time.Now()
			checkTokenError(t, cfg, test.want, test.cure)
			if took := time.Since(began); took > 2*tokenTimeout {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// checkTokenError asks the endpoint, which must give no token but that error.
func checkTokenError(t *testing.T, cfg OAuth, want, cure string) {
	t.Helper()
	where, _, _ := strings.Cut(cfg.TokenURL, "?")
	_, err := newTokens(t.Context(), &cfg).current(t.Context())
	if err == nil {
		t.Fatal("there is a token")
	}
	text := err.Error()
	if !strings.HasPrefix(text, "OAuth token from "+where+": ") || !strings.Contains(text, want) {
		t.Errorf("error\n     %s\nwant that of %s: %s", text, where, want)
	}
	kind := failure.Of(err)
	if kind.Cure != cure || kind.Name != "oauth_token" || !kind.Slow {
		t.Errorf("kind %q with cure %q, want %q", kind.Name, kind.Cure, cure)
	}
	for _, secret := range []string{clientSecret, "query-secret"} {
		if shows(text, secret) {
			t.Errorf("%q is in the error\n%s", secret, text)
		}
	}
}

// The URL is told without what it may hold of secrets.
func TestTokenURLIsToldInPart(t *testing.T) {
	t.Parallel()
	c := OAuth{TokenURL: "https://user:hunter2@idp.example.net:8443/realms/net/token?key=hunter2#hunter2"}
	got := c.tokenFailure("no", "").Error()
	if want := "OAuth token from https://idp.example.net:8443/realms/net/token: no"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

// What is between us and the endpoint is told as well.
func TestTokenConnectionErrors(t *testing.T) {
	t.Parallel()
	a := testca.New(t)
	secured := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { giveToken(w, "abc", 60) }))
	secured.TLS = &tls.Config{Certificates: []tls.Certificate{a.Issue(t, "idp").TLS(t)}, MinVersion: tls.VersionTLS12}
	secured.StartTLS()
	t.Cleanup(secured.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	nowhere := closed.Listener.Addr().String()

	cfg := oauthConfig(t, secured.URL)
	cfg.CAFile = a.File(t)
	if token, err := newTokens(t.Context(), &cfg).current(t.Context()); token != "abc" || err != nil {
		t.Errorf("token %q, error %v", token, err)
	}
	cfg.CAFile = testca.New(t).File(t)
	checkTokenError(t, cfg, "tls: failed to verify certificate: x509: certificate signed by unknown authority",
		"compare the endpoint's certificate with the authorities for it, and its name with the token URL")
	checkTokenError(t, oauthConfig(t, strings.Replace(secured.URL, "https", "http", 1)), "status 400 Bad Request",
		"look at what the token endpoint wants of a client")
	checkTokenError(t, oauthConfig(t, "http://"+nowhere), "dial tcp "+nowhere+": connect: connection refused",
		"start the token endpoint, or correct the token URL")
	checkTokenError(t, oauthConfig(t, "http://nowhere.invalid"), "nowhere.invalid",
		"start the token endpoint, or correct the token URL")
	plain := startEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { giveToken(w, "abc", 60) })
	plain.TokenURL = strings.Replace(plain.TokenURL, "http", "https", 1)
	checkTokenError(t, plain, "it answers without TLS", "correct the token URL: http, or another port")
}

// The files are read for each request, so that they can be mended.
func TestTokenFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	var wanted atomic.Value
	wanted.Store(url.QueryEscape(clientSecret))
	cfg := startEndpoint(t, func(w http.ResponseWriter, r *http.Request) {
		if _, secret, _ := r.BasicAuth(); secret != wanted.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		giveToken(w, "abc", 60)
	})
	e := newTokens(t.Context(), &cfg)
	for _, test := range []struct{ file, wanted, want string }{
		{clientSecret, clientSecret, ""},
		{clientSecret, "other", "status 401 Unauthorized"},
		{"other\r\n", "other", ""},
		{"", "other", "is empty"},
	} {
		writeFile(t, cfg.ClientSecretFile, test.file)
		wanted.Store(url.QueryEscape(test.wanted))
		_, err := e.request()
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("file %q, wanted %q: error %v, want %q", test.file, test.wanted, err, test.want)
		}
	}
}

// When there is a request, by the clock: a token of 100 s is replaced after 80 s
// and lasts till its end; failures are repeated after 5 s, and tokens however
// short-lived asked for each second at most.
func TestTokenTimes(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	token := func(name string, from, seconds float64) *oauth2.Token {
		got := &oauth2.Token{AccessToken: name}
		if seconds > 0 {
			got.Expiry = at(from + seconds)
		}
		return got
	}
	check := func(e *Tokens, seconds float64, want bool) {
		t.Helper()
		if got := e.stale(at(seconds)); got != want {
			t.Errorf("after %v s: stale %v, want %v", seconds, got, want)
		}
	}
	e := new(Tokens)
	check(e, 0, true)
	e.take(nil, errors.New("failed"), at(0))
	check(e, 4.9, false)
	check(e, 5, true)
	e.take(token("a", 5, 100), nil, at(5))
	check(e, 84.9, false)
	check(e, 85, true)
	e.take(nil, errors.New("failed"), at(85))
	check(e, 89.9, false)
	check(e, 90, true)
	e.take(token("b", 90, 0), nil, at(90))
	check(e, 100_000, false)
	e.refuse("a") // an old one
	check(e, 100_000, false)
	e.refuse("b")
	check(e, 94.9, false)
	check(e, 95, true)
	e.take(token("c", 95, 1), nil, at(95))
	check(e, 95.9, false)
	check(e, 96, true)
}

// A broker that refuses every token is given others ever more seldom: after 5 s,
// 10 s, 20 s, and so on to 5 minutes. One that none has refused ends that.
func TestRefusedTokensAreReplacedEverMoreSeldom(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	e := new(Tokens)
	for i, seconds := range []int{5, 10, 20, 40, 80, 160, 300, 300} {
		name := fmt.Sprint("token-", i)
		e.take(&oauth2.Token{AccessToken: name}, nil, now)
		e.refuse(name)
		e.refuse(name) // by another broker
		next := now.Add(time.Duration(seconds) * time.Second)
		if e.stale(next.Add(-time.Millisecond)) || !e.stale(next) {
			t.Errorf("token %d is to be replaced %v after it came, want %d s", i, e.renew.Sub(now), seconds)
		}
		now = next
	}
	e.take(&oauth2.Token{AccessToken: "good"}, nil, now)
	e.take(&oauth2.Token{AccessToken: "revoked"}, nil, now)
	e.refuse("revoked")
	if wait := e.renew.Sub(now); wait != 5*time.Second {
		t.Errorf("after a good token a refused one is replaced after %v, want 5 s", wait)
	}
	e.take(&oauth2.Token{AccessToken: "short", Expiry: now.Add(4 * time.Second)}, nil, now)
	e.refuse("short")
	if wait := e.renew.Sub(now); wait != 2*time.Second {
		t.Errorf("a refused token of 4 s is replaced after %v, want 2 s", wait)
	}
	before := e.Newest()
	e.take(&oauth2.Token{AccessToken: "short"}, nil, now)
	if e.Newest() != before {
		t.Error("the same token counts as another")
	}
}

// Those that wait for a token share one request, and leave it when their time is
// over.
func TestTokenIsWaitedFor(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	begun, answer := make(chan struct{}), make(chan struct{})
	cfg := startEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		close(begun)
		<-answer
		giveToken(w, "abc", 3600)
	})
	e := newTokens(t.Context(), &cfg)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := e.current(ctx)
		first <- err
	}()
	<-begun
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) || failure.Of(err).Name != failure.Token.Name {
		t.Errorf("who left has error %v", err)
	}
	close(answer)
	if token, err := e.current(t.Context()); token != "abc" || err != nil || requests.Load() != 1 {
		t.Errorf("token %q, error %v, after %d requests", token, err, requests.Load())
	}
}

// The token is the example of RFC 7519, section 3.1, which expires at 1300819380.
func TestTokenTellsItsExpiry(t *testing.T) {
	t.Parallel()
	const example = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." +
		"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
		"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	end := time.Unix(1300819380, 0)
	for _, test := range []struct {
		token string
		now   time.Time
		want  time.Time
	}{
		{example, end.Add(-time.Second), end},
		{example, end, time.Time{}}, // a clock is wrong, ours or theirs
		{"opaque", end, time.Time{}},
		{"a.b.c", end, time.Time{}},
		{"." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x"}`)) + ".", end, time.Time{}},
		{"." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1e300}`)) + ".", end, time.Time{}},
		{"." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":"soon"}`)) + ".", end, time.Time{}},
	} {
		if got := expiryOf(test.token, test.now); !got.Equal(test.want) {
			t.Errorf("%s at %v: %v, want %v", test.token, test.now, got, test.want)
		}
	}
	cfg := startEndpoint(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":".%s.","token_type":"Bearer"}`, base64.RawURLEncoding.EncodeToString([]byte(`{"exp":4102444800}`)))
	})
	token, err := newTokens(t.Context(), &cfg).request()
	if err != nil || !token.Expiry.Equal(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("token %+v, error %v", token, err)
	}
}

// A proxy that makes no connection is told as one, without what is in its URL.
func TestProxyRefusesConnection(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct{ text, cure string }{
		407: {"the proxy answers status 407 Proxy Authentication Required", "put the proxy's user and password into HTTPS_PROXY or HTTP_PROXY, or the endpoint's host into NO_PROXY"},
		403: {"the proxy answers status 403 Forbidden", "have the proxy connect to the token endpoint, or put the endpoint's host into NO_PROXY"},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(proxy.Close)
		where, err := url.Parse(strings.Replace(proxy.URL, "//", "//user:proxy-secret@", 1))
		if err != nil {
			t.Fatal(err)
		}
		client, err := secrethttp.Client("")
		if err != nil {
			t.Fatal(err)
		}
		transport, ok := client.Transport.(*http.Transport)
		if !ok {
			t.Fatalf("the client has %T", client.Transport)
		}
		transport.Proxy = http.ProxyURL(where)
		cfg := OAuth{TokenURL: "https://idp.example.net/token"}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, cfg.TokenURL, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err == nil {
			answer.Body.Close()
			t.Fatal("there is a connection")
		}
		got := cfg.tokenError(t.Context(), err)
		if text := "OAuth token from https://idp.example.net/token: " + want.text; got.Error() != text || failure.Of(got).Cure != want.cure {
			t.Errorf("error %v, cure %q, want %s, %q", got, failure.Of(got).Cure, text, want.cure)
		}
	}
}

// A token that could not be replaced in time serves to its end, without a request
// that would hold up connections, and no longer.
func TestOldTokenServes(t *testing.T) {
	t.Parallel()
	cfg := startEndpoint(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	for _, left := range []time.Duration{time.Minute, -time.Minute} {
		e := newTokens(t.Context(), &cfg)
		now := time.Now()
		e.take(&oauth2.Token{AccessToken: "old", Expiry: now.Add(left)}, nil, now.Add(left-time.Hour))
		got, err := e.current(t.Context())
		if asked := e.lastProblem() != nil; asked != (left < 0) {
			t.Errorf("%v are left of an hour: another was asked for: %v", left, asked)
		}
		if served := got == "old" && err == nil; served != (left > 0) {
			t.Errorf("%v are left of an hour: token %q, error %v", left, got, err)
		}
	}
}

func TestRenewAfter(t *testing.T) {
	t.Parallel()
	for lifetime, want := range map[time.Duration]time.Duration{
		time.Hour: 48 * time.Minute, 30 * time.Second: 24 * time.Second, 20 * time.Second: 15 * time.Second,
		8 * time.Second: 4 * time.Second, time.Second: 500 * time.Millisecond,
	} {
		if got := renewAfter(lifetime); got != want {
			t.Errorf("a token that lasts %v is replaced after %v, want %v", lifetime, got, want)
		}
	}
}

// Whatever a token endpoint answers: there is an error in time, little is read of
// it, and no redirection is followed.
func TestHostileTokenEndpoint(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	fakehttp.Hostile(t, func(t *testing.T, address string) {
		t.Helper()
		cfg := oauthConfig(t, address)
		if token, err := newTokens(t.Context(), &cfg).request(); err == nil {
			t.Errorf("the endpoint gave %v", token)
		}
	})
}

// shows reports whether a text has a secret in it, as it is or encoded.
func shows(text, secret string) bool {
	for _, form := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)),
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}
