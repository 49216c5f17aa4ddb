package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	// tokenTimeout bounds a request for a token, in every form that it takes to
	// find out how the endpoint wants the credentials.
	tokenTimeout = 5 * time.Second
	// tokenPause is the least time between two requests, however short-lived the
	// tokens are; after a failure, or a refusal by a broker, it is slowBackoff.
	tokenPause = time.Second
	// tokenMargin is what a new token needs before the old one expires: up to two
	// clusterTick, the request, and the new connections.
	tokenMargin = 5 * time.Second
	// maxTokenHeader bounds the header of an answer. Its body is bounded by package
	// oauth2, to 1 MiB.
	maxTokenHeader = 64 << 10
)

// tokenEndpoint gets tokens for client credentials, one request at a time, and
// keeps each until it is time for the next. It is safe for concurrent use.
type tokenEndpoint struct {
	cfg  *OAuthConfig
	life context.Context // ends when no token is needed any more

	asking sync.Mutex // held during a request; guards client
	client clientcredentials.Config

	mu      sync.Mutex
	token   string
	expires time.Time // zero: not as far as known
	renew   time.Time // when the next should be asked for; zero: not before somebody refuses this one
	fetched time.Time
	quiet   time.Time // no request before
	problem error     // of the last request
}

func newTokenEndpoint(life context.Context, cfg *OAuthConfig) *tokenEndpoint {
	return &tokenEndpoint{cfg: cfg, life: life, client: clientcredentials.Config{
		ClientID: cfg.ClientID, TokenURL: cfg.TokenURL, Scopes: strings.Fields(cfg.Scope),
	}}
}

// errTokenShort is why there is no token although the endpoint gave one.
var errTokenShort = errors.New("publisher: the OAuth token has expired, and was asked for a moment ago: have the token endpoint give tokens that last longer")

// current returns a token that has not expired. It asks for one if there is none,
// or the last should be replaced.
func (e *tokenEndpoint) current() (string, error) {
	err := e.ask()
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.token != "" && (e.expires.IsZero() || time.Now().Before(e.expires)):
		return e.token, nil
	case err == nil:
		return "", &kindError{failureToken, errTokenShort}
	}
	return "", err
}

// stale tells whether there should be a request now.
func (e *tokenEndpoint) stale(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	wanted := e.token == "" || !e.renew.IsZero() && !now.Before(e.renew)
	return wanted && !now.Before(e.quiet)
}

// due tells whether the token there is should be replaced now.
func (e *tokenEndpoint) due() bool {
	e.mu.Lock()
	had := e.token != ""
	e.mu.Unlock()
	return had && e.stale(time.Now())
}

// refuse has another token asked for, soon but not at once: brokers that refuse
// every token must not turn into requests without end.
func (e *tokenEndpoint) refuse(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if token == e.token {
		e.renew = e.fetched.Add(slowBackoff)
	}
}

// ask makes a request if it is time for one, and returns why the last one failed.
func (e *tokenEndpoint) ask() error {
	if !e.stale(time.Now()) {
		return e.lastProblem()
	}
	e.asking.Lock()
	defer e.asking.Unlock()
	if !e.stale(time.Now()) { // somebody else was faster
		return e.lastProblem()
	}
	token, err := e.request()
	e.take(token, err, time.Now())
	return err
}

func (e *tokenEndpoint) lastProblem() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.problem
}

// take notes what came of a request that has just ended.
func (e *tokenEndpoint) take(token *oauth2.Token, err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.problem, e.quiet = err, now.Add(slowBackoff)
	if err != nil {
		return
	}
	e.token, e.fetched, e.quiet = token.AccessToken, now, now.Add(tokenPause)
	e.expires, e.renew = token.Expiry, time.Time{}
	if !token.Expiry.IsZero() {
		e.renew = now.Add(renewAfter(token.Expiry.Sub(now)))
	}
}

// renewAfter is when a token is replaced that lasts for a time: when four fifths of
// it are over, but early enough for the request and for new connections, unless
// that were before its half.
func renewAfter(lifetime time.Duration) time.Duration {
	return max(lifetime/2, min(lifetime/5*4, lifetime-tokenMargin))
}

// request asks the endpoint. What the files hold now counts.
func (e *tokenEndpoint) request() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(e.life, tokenTimeout)
	defer cancel()
	secret, err := readSecret("OAuth client secret", e.cfg.ClientSecretFile)
	if err != nil {
		return nil, &kindError{failureToken, err}
	}
	client, err := httpClient(e.cfg.CAFile)
	if err != nil {
		return nil, &kindError{failureToken, err}
	}
	e.client.ClientSecret = secret
	token, err := e.client.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	switch {
	case err != nil:
		return nil, e.cfg.tokenError(ctx, err)
	case !strings.EqualFold(token.Type(), "bearer") || !bearerToken.MatchString(token.AccessToken):
		return nil, e.cfg.tokenFailure("its answer has no bearer token", "look at what the token endpoint answers to this client")
	}
	return token, nil
}

// httpClient is for one request that carries a secret, to a server whose
// certificate an authority in a file may sign, or if that is empty one of the
// system's. It follows no redirection, which would take the secret elsewhere.
func httpClient(caFile string) (*http.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pool, err := loadAuthorities(caFile)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, MaxResponseHeaderBytes: maxTokenHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// tokenErrorCodes are those of RFC 6749, sections 5.2 and 4.1.2.1. Of what an
// endpoint writes nothing else is ever shown: it may repeat what it was sent.
var tokenErrorCodes = map[string]string{
	"invalid_request":         "look at what the token endpoint wants of a client",
	"invalid_client":          "correct the client id or the client secret",
	"invalid_grant":           "allow this client the grant client_credentials",
	"unauthorized_client":     "allow this client the grant client_credentials",
	"unsupported_grant_type":  "use a token endpoint that knows the grant client_credentials",
	"invalid_scope":           "correct the scope, or allow it to this client",
	"access_denied":           "allow this client the scope",
	"server_error":            "look at the token endpoint's log",
	"temporarily_unavailable": "look at the token endpoint's health",
}

// tokenError tells of a request that brought no token. Texts of net/http and
// oauth2 quote answers and URLs, so only those of the network and of TLS, which do
// not, are shown.
func (c *OAuthConfig) tokenError(ctx context.Context, err error) error {
	var refusal *oauth2.RetrieveError
	var network *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &refusal):
		return c.tokenRefusal(refusal)
	case ctx.Err() != nil:
		return c.tokenFailure(fmt.Sprintf("no answer within %v", tokenTimeout), "look at the token endpoint's health and at the network")
	case errors.Is(err, http.ErrSchemeMismatch):
		return c.tokenFailure("it answers without TLS", "correct the token URL: http, or another port")
	case isTLS(err):
		return c.tokenFailure(withoutURL(err).Error(), "compare the endpoint's certificate with the authorities for it, and its name with the token URL")
	case errors.As(err, &dns), errors.As(err, &network):
		return c.tokenFailure(withoutURL(err).Error(), "start the token endpoint, or correct the token URL")
	}
	return c.tokenFailure("its answer has no token", "correct the token URL: something else answers there")
}

// tokenRefusal tells of an endpoint that answered with an error.
func (c *OAuthConfig) tokenRefusal(answer *oauth2.RetrieveError) error {
	status := answer.Response.StatusCode
	text := fmt.Sprintf("status %d %s", status, http.StatusText(status))
	cure := "correct the token URL"
	switch {
	case tokenErrorCodes[answer.ErrorCode] != "":
		text += ", " + answer.ErrorCode
		cure = tokenErrorCodes[answer.ErrorCode]
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		cure = tokenErrorCodes["invalid_client"]
	case status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		cure = tokenErrorCodes["temporarily_unavailable"]
	case status == http.StatusBadRequest, status < http.StatusMultipleChoices:
		cure = tokenErrorCodes["invalid_request"]
	}
	return c.tokenFailure(text, cure)
}

// tokenFailure is an error that names the endpoint, without what its URL may hold
// of secrets.
func (c *OAuthConfig) tokenFailure(text, cure string) error {
	where := "?"
	if u, err := url.Parse(c.TokenURL); err == nil {
		where = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	kind := failureToken
	kind.cure = cure
	return &kindError{kind, fmt.Errorf("publisher: OAuth token from %s: %s", where, text)}
}

// withoutURL returns what went wrong, without the URL of the request.
func withoutURL(err error) error {
	if request, ok := errors.AsType[*url.Error](err); ok {
		return request.Err
	}
	return err
}
