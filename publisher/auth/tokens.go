package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
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

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/internal/secrethttp"
	"github.com/flowpub/flowpub/publisher/failure"
)

const (
	// tokenTimeout bounds a request for a token, in every form that it takes to
	// find out how the endpoint wants the credentials.
	tokenTimeout = 5 * time.Second
	// tokenPause is the least time between two requests, however short-lived the
	// tokens are; after a failure it is failure.SlowPause, and after refusals by brokers
	// from that to maxRefusedPause.
	tokenPause      = time.Second
	maxRefusedPause = 5 * time.Minute
	// tokenMargin is what a new token needs before the old one expires: up to two
	// looks of the cluster, the request, and the new connections.
	tokenMargin = 5 * time.Second
)

// Tokens gets tokens for client credentials, one request at a time, and
// keeps each until it is time for the next. It is safe for concurrent use.
type Tokens struct {
	cfg    *OAuth
	life   context.Context          // ends when no token is needed any more
	client clientcredentials.Config // of the request under way

	mu      sync.Mutex
	asking  chan struct{} // closed when the request under way has ended; nil without one
	token   string
	number  int       // of this token, counting only changes
	expires time.Time // zero: not as far as known
	renew   time.Time // when the next should be asked for; zero: not before somebody refuses this one
	fetched time.Time
	quiet   time.Time // no request before
	problem error     // of the last request
	// refused tells that a broker did not take the token, and pause how long the
	// last one that none took was kept.
	refused bool
	pause   time.Duration
}

func newTokens(life context.Context, cfg *OAuth) *Tokens {
	return &Tokens{cfg: cfg, life: life, client: clientcredentials.Config{
		ClientID: cfg.ClientID, TokenURL: cfg.TokenURL, Scopes: strings.Fields(cfg.Scope),
	}}
}

// errTokenShort is why there is no token although the endpoint gave one.
var errTokenShort = errors.New("the OAuth token has expired, and was asked for a moment ago: have the token endpoint give tokens that last longer")

// current returns a token that has not expired. It asks for one only if there is
// none: connections wait for no other.
func (e *Tokens) current(ctx context.Context) (string, error) {
	if token := e.unexpired(); token != "" {
		return token, nil
	}
	err := e.Ask(ctx)
	if token := e.unexpired(); token != "" {
		return token, nil
	}
	if err == nil {
		err = &failure.Error{Kind: failure.Token, Err: errTokenShort}
	}
	return "", err
}

// unexpired returns the token; empty if there is none that has not expired.
func (e *Tokens) unexpired() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.expires.IsZero() && !time.Now().Before(e.expires) {
		return ""
	}
	return e.token
}

// Newest is the number of the token. The first has number 1; one that is the same
// as the last has its number.
func (e *Tokens) Newest() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.number
}

// stale reports whether there should be a request now. The caller holds the lock.
func (e *Tokens) stale(now time.Time) bool {
	wanted := e.token == "" || !e.renew.IsZero() && !now.Before(e.renew)
	return wanted && !now.Before(e.quiet)
}

// Due reports whether the token there is should be replaced now.
func (e *Tokens) Due() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.token != "" && e.stale(time.Now())
}

// refuse asks for another token, soon but not at once, and later each time that the next is
// refused, too: brokers that refuse every token must turn neither into requests nor into new
// connections without end.
func (e *Tokens) refuse(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if token != e.token || e.refused {
		return
	}
	e.refused = true
	e.pause = min(max(failure.SlowPause, 2*e.pause), maxRefusedPause)
	if at := e.fetched.Add(e.pause); e.renew.IsZero() || at.Before(e.renew) {
		e.renew = at
	}
}

// Ask makes a request if it is time for one, and returns why the last one failed. All that ask at
// the same time share one, which goes on when ctx ends.
func (e *Tokens) Ask(ctx context.Context) error {
	ended := e.begin() //nolint:contextcheck // the request is for all that wait
	if ended == nil {
		return e.lastProblem()
	}
	select {
	case <-ended:
		return e.lastProblem()
	case <-ctx.Done():
		return &failure.Error{Kind: failure.Token, Err: fmt.Errorf("waiting for an OAuth token: %w", ctx.Err())}
	}
}

// begin returns what is closed when the request under way has ended, one that it
// begins if it is time for that; nil if there is none.
func (e *Tokens) begin() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asking == nil && e.stale(time.Now()) {
		e.asking = make(chan struct{})
		go func() {
			token, err := e.request()
			e.take(token, err, time.Now())
		}()
	}
	return e.asking
}

func (e *Tokens) lastProblem() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.problem
}

// take notes the result of a request that has just ended.
func (e *Tokens) take(token *oauth2.Token, err error, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asking != nil {
		close(e.asking)
		e.asking = nil
	}
	e.problem, e.quiet = err, now.Add(failure.SlowPause)
	if err != nil {
		return
	}
	if token.AccessToken != e.token {
		e.number++
	}
	if !e.refused {
		e.pause = 0
	}
	e.token, e.refused, e.fetched, e.quiet = token.AccessToken, false, now, now.Add(tokenPause)
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
func (e *Tokens) request() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(e.life, tokenTimeout)
	defer cancel()
	secret, err := secretfile.Read("OAuth client secret", e.cfg.ClientSecretFile)
	if err != nil {
		return nil, &failure.Error{Kind: failure.Token, Err: err}
	}
	client, err := secrethttp.Client(e.cfg.CAFile)
	if err != nil {
		return nil, &failure.Error{Kind: failure.Token, Err: err}
	}
	e.client.ClientSecret = secret
	token, err := e.client.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	switch {
	case e.life.Err() != nil:
		return nil, &failure.Error{Kind: failure.Token, Err: e.life.Err()}
	case err != nil:
		return nil, e.cfg.tokenError(ctx, err)
	case !strings.EqualFold(token.Type(), "bearer") || !bearerToken.MatchString(token.AccessToken):
		return nil, e.cfg.tokenFailure("its answer has no bearer token", "look at what the token endpoint answers to this client")
	}
	if token.Expiry.IsZero() {
		token.Expiry = expiryOf(token.AccessToken, time.Now())
	}
	return token, nil
}

// expiryOf is what a token says of itself if it is a JSON Web Token (RFC 7519,
// section 4.1.4) that has not expired; else zero.
func expiryOf(token string, now time.Time) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	var claims struct {
		Expiry float64 `json:"exp"`
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Expiry > 1<<53 {
		return time.Time{}
	}
	if expiry := time.Unix(int64(claims.Expiry), 0); expiry.After(now) {
		return expiry
	}
	return time.Time{}
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
func (c *OAuth) tokenError(ctx context.Context, err error) error {
	var refusal *oauth2.RetrieveError
	var network *net.OpError
	var dns *net.DNSError
	var proxy secrethttp.ProxyError
	switch {
	case errors.As(err, &refusal):
		return c.tokenRefusal(refusal)
	case errors.As(err, &proxy):
		return c.tokenFailure(proxy.Error(), proxy.Cure())
	case ctx.Err() != nil:
		return c.tokenFailure(fmt.Sprintf("no answer within %v", tokenTimeout), "look at the token endpoint's health and at the network")
	case errors.Is(err, http.ErrSchemeMismatch):
		return c.tokenFailure("it answers without TLS", "correct the token URL: http, or another port")
	case failure.IsTLS(err):
		return c.tokenFailure(secrethttp.Cause(err).Error(), "compare the endpoint's certificate with the authorities for it, and its name with the token URL")
	case errors.As(err, &dns), errors.As(err, &network):
		return c.tokenFailure(secrethttp.Cause(err).Error(), "start the token endpoint, or correct the token URL")
	}
	return c.tokenFailure("its answer has no token", "correct the token URL: something else answers there")
}

// tokenRefusal tells of an endpoint that answered with an error.
func (c *OAuth) tokenRefusal(answer *oauth2.RetrieveError) error {
	status := answer.Response.StatusCode
	if proxy := secrethttp.ProxyError(status); proxy == http.StatusProxyAuthRequired {
		return c.tokenFailure(proxy.Error(), proxy.Cure())
	}
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
func (c *OAuth) tokenFailure(text, cure string) error {
	where := "?"
	if u, err := url.Parse(c.TokenURL); err == nil {
		where = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	kind := failure.Token
	kind.Cure = cure
	return &failure.Error{Kind: kind, Err: fmt.Errorf("OAuth token from %s: %s", where, text)}
}
