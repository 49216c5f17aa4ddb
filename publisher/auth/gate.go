package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/flowpub/flowpub/publisher/auth/scram"
	"github.com/flowpub/flowpub/publisher/failure"
)

// gate keeps brokers from locking the user out. Once one has refused a login, there is one
// login to all of them each failure.SlowPause, until one succeeds. Logins under way go on.
// It is safe for concurrent use; the zero value is open.
type gate struct {
	mu    sync.Mutex
	why   error     // nil while it is open
	until time.Time // no login before, if it is shut
}

// refusal is why there may be no login now.
func (g *gate) refusal(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refusalLocked(now)
}

func (g *gate) refusalLocked(now time.Time) error {
	if g.why == nil || !now.Before(g.until) {
		return nil
	}
	return &shutOutError{g.why}
}

// enter is refusal; without one the caller logs in.
func (g *gate) enter(now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refusalLocked(now); err != nil {
		return err
	}
	g.until = now.Add(failure.SlowPause)
	return nil
}

// judge looks at an error for a broker's refusal.
func (g *gate) judge(err error) {
	if _, ours := errors.AsType[*shutOutError](err); ours || failure.Of(err).Name != failure.Auth.Name {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.why = err
}

// open lets everybody in: a login has succeeded, or there is another token.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.why = nil
}

// shutOutError is what a connection that was not made gets for an error.
type shutOutError struct{ err error }

// Error is part of error.
func (e *shutOutError) Error() string { return "no login so soon after: " + e.err.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *shutOutError) Unwrap() error { return e.err }

// gatedMechanism lets logins through a gate. It is safe for concurrent use.
type gatedMechanism struct {
	sasl.Mechanism
	gate *gate
}

// Start is part of sasl.Mechanism.
func (m *gatedMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	exchange, first, err := m.Mechanism.Start(ctx)
	if err == nil {
		err = m.gate.enter(time.Now())
	}
	if err != nil {
		return nil, nil, err
	}
	return &gatedExchange{exchange, m.gate}, first, nil
}

// gatedExchange opens the gate when it succeeds.
type gatedExchange struct {
	sasl.StateMachine
	gate *gate
}

// Next is part of sasl.StateMachine.
func (e *gatedExchange) Next(ctx context.Context, challenge []byte) (done bool, response []byte, err error) {
	done, response, err = e.StateMachine.Next(ctx, challenge)
	if done && err == nil {
		e.gate.open()
	}
	return done, response, loginError(ctx, err)
}

// loginError is the error of a login that was not given up: it has failed for what the
// broker said. err may be nil.
func loginError(ctx context.Context, err error) error {
	if _, known := errors.AsType[*failure.Error](err); known || err == nil || ctx.Err() != nil {
		return err
	}
	kind := failure.Auth
	if _, ok := errors.AsType[*scram.IterationsError](err); ok {
		kind.Cure = fmt.Sprintf("give the user SCRAM credentials with %d to %d iterations, or check who answers in the broker's place", scram.MinIterations, scram.MaxIterations)
	}
	return &failure.Error{Kind: kind, Err: err}
}
