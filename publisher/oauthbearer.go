package publisher

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/internal/secrethttp"
	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// OAuthConfig says where SASLOAuthBearer has its tokens from: a file, or an
// endpoint that gives them for client credentials (RFC 6749, section 4.4).
type OAuthConfig struct {
	// TokenFile holds a token. Whoever writes the file replaces it in time; it is
	// read again when it changes.
	TokenFile string
	// TokenURL is the endpoint, https or http. ClientID and what ClientSecretFile
	// holds are who asks it; the file is read for each request.
	TokenURL, ClientID, ClientSecretFile string
	// Scope is what permissions to ask for, separated by spaces; empty leaves that
	// to the endpoint.
	Scope string
	// CAFile holds the authorities that may sign the endpoint's certificate; empty
	// means those of the system. It is read for each request.
	CAFile string
}

// validate returns every mistake; the files are looked at when there is none.
func (c *OAuthConfig) validate() error {
	var errs []error
	mistake := func(text string) { errs = append(errs, errors.New("publisher: "+text)) }
	client := *c
	client.TokenFile, client.TokenURL = "", ""
	switch {
	case c.TokenFile == "" && c.TokenURL == "":
		mistake("OAuth needs a token file or the URL of a token endpoint")
	case c.TokenFile != "" && c.TokenURL != "":
		mistake("OAuth takes a token file or the URL of a token endpoint, not both")
	case c.TokenURL == "" && client != (OAuthConfig{}):
		mistake("OAuth client settings are for a token endpoint: name its URL, or remove them")
	}
	if c.TokenURL != "" {
		errs = append(errs, validateTokenURL(c.TokenURL))
		if c.ClientID == "" {
			mistake("OAuth needs a client id for the token endpoint")
		}
		if c.ClientSecretFile == "" {
			mistake("OAuth needs the file of the client secret for the token endpoint")
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.validateFiles()
}

func (c *OAuthConfig) validateFiles() error {
	if c.TokenFile != "" {
		_, err := readToken(c.TokenFile)
		return err
	}
	_, secretErr := secretfile.Read("OAuth client secret", c.ClientSecretFile)
	_, clientErr := secrethttp.Client(c.CAFile)
	return errors.Join(secretErr, clientErr)
}

// validateTokenURL shows nothing of the URL: it may hold a password.
func validateTokenURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("publisher: OAuth token URL is none: write it as https://host/path")
	case u.User != nil:
		return errors.New("publisher: OAuth token URL holds credentials: set the client id and the file of the client secret instead")
	case u.Fragment != "":
		return errors.New("publisher: OAuth token URL has a fragment, which is never sent: leave out what begins with #")
	}
	return nil
}

// encrypted tells whether nobody on the way to the endpoint can read the client
// secret.
func (c *OAuthConfig) encrypted() bool {
	u, err := url.Parse(c.TokenURL)
	return err == nil && u.Scheme == "https"
}

// bearerToken is what a token may consist of: b64token of RFC 6750, section 2.1.
var bearerToken = regexp.MustCompile(`^[-A-Za-z0-9._~+/]+=*$`)

// readToken reads a file that holds a bearer token. Spaces around it are none of
// it.
func readToken(file string) (string, error) {
	text, err := secretfile.Read("OAuth token", file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(text)
	if !bearerToken.MatchString(token) {
		return "", fmt.Errorf("publisher: OAuth token: %s holds something else: write to it the token alone, such as a JWT, without quotes or \"Bearer\"", file)
	}
	return token, nil
}

// bearer is the SASL mechanism OAUTHBEARER (RFC 7628). It is safe for concurrent
// use.
type bearer struct {
	// token returns the token to send.
	token func(context.Context) (string, error)
	// refused is told of a token that a broker did not take.
	refused func(token string)

	mu   sync.Mutex
	sent [2]string // the last tokens
}

// Name is part of sasl.Mechanism.
func (*bearer) Name() string { return "OAUTHBEARER" }

// Start is part of sasl.Mechanism. The message is that of RFC 7628, section 3.1:
// no channel binding, no other user to act for, the token.
func (b *bearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	b.note(token)
	refusalOf(ctx).note("")
	return &bearerExchange{bearer: b, token: token}, []byte("n,,\x01auth=Bearer " + token + "\x01\x01"), nil
}

// note remembers the last tokens that were sent, so that no error repeats them.
func (b *bearer) note(token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sent[0] != token {
		b.sent = [2]string{token, b.sent[0]}
	}
}

// repeated tells whether a text has one of the last tokens in it.
func (b *bearer) repeated(text string) bool {
	b.mu.Lock()
	sent := b.sent
	b.mu.Unlock()
	return repeats(text, sent[0]) || repeats(text, sent[1])
}

// maxReason bounds what is kept of a broker's words.
const maxReason = 512

// refuse notes, for whom the connection is made, why a broker did not take a token.
func (b *bearer) refuse(ctx context.Context, token, reason string) {
	if b.repeated(reason) {
		reason = hiddenWords
	}
	refusalOf(ctx).note(reason[:min(len(reason), maxReason)])
	b.refused(token)
}

// authRefusal is what a broker last refused a token for, while connections were made
// for one purpose. It is safe for concurrent use; nil keeps nothing.
type authRefusal struct {
	mu     sync.Mutex
	reason string
}

// refusalKey marks the context in which the client connects.
type refusalKey struct{}

// with returns a context for connecting, of which r learns the refusals.
func (r *authRefusal) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusalKey{}, r)
}

func refusalOf(ctx context.Context) *authRefusal {
	r, _ := ctx.Value(refusalKey{}).(*authRefusal)
	return r
}

// note keeps a reason in place of the last one.
func (r *authRefusal) note(reason string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason
}

// take returns the reason, once.
func (r *authRefusal) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	reason := r.reason
	r.reason = ""
	return reason
}

// explain adds why a token was refused to the error in which the authentication
// ended, if the broker left that out there. Some just close the connection then.
func (r *authRefusal) explain(err error) error {
	reason := r.take()
	if reason == "" || strings.Contains(err.Error(), reason) {
		return err
	}
	switch localKind(err).name {
	case kinds.Auth.Name, kinds.Lost.Name:
		return &kinds.Error{Kind: kinds.Auth, Err: &refusedTokenError{err, reason}}
	}
	return err
}

// refusedTokenError is the error of a broker that refused a token for a reason.
type refusedTokenError struct {
	err    error
	reason string
}

// Error is part of error.
func (e *refusedTokenError) Error() string {
	return sentence(e.err) + ", and refuses the OAuth token: " + e.reason
}

// Unwrap is part of what errors.Is and errors.As look for.
func (e *refusedTokenError) Unwrap() error { return e.err }

// bearerExchange is one authentication.
type bearerExchange struct {
	bearer    *bearer
	token     string
	confirmed bool
}

// errTokenRefused is what a broker gets that goes on after it refused the token.
var errTokenRefused = errors.New("publisher: the broker refuses the OAuth token")

// Next is part of sasl.StateMachine. An empty answer is success. Anything else is
// why the broker refuses the token (RFC 7628, section 3.2.2); it wants that
// confirmed by a single byte, and then ends the exchange with an error.
func (e *bearerExchange) Next(ctx context.Context, answer []byte) (done bool, response []byte, err error) {
	switch {
	case e.confirmed:
		return false, nil, &kinds.Error{Kind: kinds.Auth, Err: errTokenRefused}
	case len(answer) == 0:
		return true, nil, nil
	}
	e.confirmed = true
	e.bearer.refuse(ctx, e.token, string(answer))
	return false, []byte{1}, nil
}
