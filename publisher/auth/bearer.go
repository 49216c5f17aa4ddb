package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/publisher/failure"
)

// bearerToken is what a token may consist of: b64token of RFC 6750, section 2.1.
var bearerToken = regexp.MustCompile(`^[-A-Za-z0-9._~+/]+=*$`)

// readToken reads a file that holds a bearer token. Spaces around it do not count.
func readToken(file string) (string, error) {
	text, err := secretfile.Read("OAuth token", file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(text)
	if !bearerToken.MatchString(token) {
		return "", fmt.Errorf("OAuth token: %s holds something else: write to it the token alone, such as a JWT, without quotes or \"Bearer\"", file)
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
	// extensions are sent behind the token, as they are on the wire.
	extensions string
}

// Name is part of sasl.Mechanism.
func (*bearer) Name() string { return "OAUTHBEARER" }

// Start is part of sasl.Mechanism. The message is that of RFC 7628, section 3.1:
// no channel binding, no other user to act for, the token, and what brokers want beside it.
func (b *bearer) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := b.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	refusalOf(ctx).note("")
	return &bearerExchange{bearer: b, token: token}, []byte("n,,\x01auth=Bearer " + token + "\x01" + b.extensions + "\x01"), nil
}

// tokenErrors are the codes of RFC 6750, section 3.1, and those of RFC 6749 that fit. Nothing else
// of a broker's answer is ever shown: it may repeat the token.
var tokenErrors = []string{
	"invalid_token", "insufficient_scope", "invalid_request", "invalid_client", "invalid_scope", "unauthorized_client",
	"access_denied", "server_error", "temporarily_unavailable",
}

// reasonIn returns the error code in a broker's refusal (RFC 7628, section 3.2.2).
func reasonIn(answer string) string {
	var refusal struct{ Status string }
	if json.Unmarshal([]byte(answer), &refusal) != nil || !slices.Contains(tokenErrors, refusal.Status) {
		return "it does not say why"
	}
	return refusal.Status
}

// Refusal is what a broker last refused a token for, while connections were made
// for one purpose. It is safe for concurrent use; nil keeps nothing.
type Refusal struct {
	mu     sync.Mutex
	reason string
}

// refusalKey marks the context in which the client connects.
type refusalKey struct{}

// With returns a context for connecting, of which r learns the refusals.
func (r *Refusal) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusalKey{}, r)
}

func refusalOf(ctx context.Context) *Refusal {
	r, _ := ctx.Value(refusalKey{}).(*Refusal)
	return r
}

// note keeps a reason in place of the last one.
func (r *Refusal) note(reason string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reason = reason
}

// take returns the reason, once.
func (r *Refusal) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	reason := r.reason
	r.reason = ""
	return reason
}

// explain adds why a token was refused to the error in which the authentication
// ended, if the broker left that out there. Some just close the connection then.
func (r *Refusal) explain(err error) error {
	reason := r.take()
	if reason == "" {
		return err
	}
	switch failure.Of(err).Name {
	case failure.Auth.Name, failure.Lost.Name:
		return &failure.Error{Kind: failure.Auth, Err: &refusedTokenError{err, reason}}
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
	return failure.Sentence(e.err) + ", and refuses the OAuth token: " + e.reason
}

// Unwrap is part of what errors.Is and errors.As look for.
func (e *refusedTokenError) Unwrap() error { return e.err }

// bearerExchange is one authentication.
type bearerExchange struct {
	bearer    *bearer
	token     string
	confirmed bool
}

// errTokenRefused ends the exchange with a broker that goes on after it refused the token.
var errTokenRefused = errors.New("the broker refuses the OAuth token")

// Next is part of sasl.StateMachine. An empty answer is success. Anything else is
// why the broker refuses the token (RFC 7628, section 3.2.2); it wants that
// confirmed by a single byte, and then ends the exchange with an error.
func (e *bearerExchange) Next(ctx context.Context, answer []byte) (done bool, response []byte, err error) {
	switch {
	case e.confirmed:
		return false, nil, &failure.Error{Kind: failure.Auth, Err: errTokenRefused}
	case len(answer) == 0:
		return true, nil, nil
	}
	e.confirmed = true
	refusalOf(ctx).note(reasonIn(string(answer)))
	e.bearer.refused(e.token)
	return false, []byte{1}, nil
}
