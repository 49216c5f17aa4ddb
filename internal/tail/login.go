package tail

import (
	"context"
	"sync"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	kgosasl "github.com/twmb/franz-go/pkg/sasl"
)

// login is the authentication of connections for reading.
type login struct {
	security Security
	sasl     sasl.Mechanism

	mu sync.Mutex
	// open are the addresses at which a login has begun and not been completed.
	open map[string]bool
}

func newLogin(security Security) *login {
	return &login{security: security, sasl: security.SASL(), open: make(map[string]bool)}
}

// Name is part of sasl.Mechanism.
func (l *login) Name() string { return l.sasl.Name() }

// Authenticate is part of sasl.Mechanism. A login that begins where the last was not
// completed follows a refusal, and waits, so that nobody is locked out.
func (l *login) Authenticate(ctx context.Context, host string) (kgosasl.Session, []byte, error) {
	if l.begins(host) {
		_ = l.security.Explain(kafka.SASLAuthenticationFailed)
	}
	state, first, err := l.sasl.Start(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &exchange{state, ctx, func() { l.completed(host) }}, first, nil
}

// begins notes that a login begins, and reports whether the last was not completed.
func (l *login) begins(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := l.open[host]
	l.open[host] = true
	return open
}

func (l *login) completed(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, host)
}

// exchange is what is said in a login.
type exchange struct {
	state     sasl.StateMachine
	ctx       context.Context //nolint:containedctx // the interface it implements hands it over before
	completed func()
}

// Challenge is part of sasl.Session.
func (e *exchange) Challenge(challenge []byte) (done bool, response []byte, err error) {
	done, response, err = e.state.Next(e.ctx, challenge)
	if done && err == nil {
		e.completed()
		return true, nil, nil
	}
	return done, response, err
}
