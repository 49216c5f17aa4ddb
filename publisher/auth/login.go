package auth

import (
	"context"
	"crypto/tls"
	"sync"

	"github.com/segmentio/kafka-go/sasl"
)

// Login authenticates other clients of package kafka-go as a Publisher does. It is
// safe for concurrent use.
type Login struct {
	tls  *tls.Config
	sasl *freshMechanism // nil without SASL
}

// NewLogin checks c and reads its files. Tokens are asked for until life ends.
func NewLogin(life context.Context, c Config) (*Login, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	tokens := c.Tokens(life)
	read, err := c.Load(tokens)
	if err != nil {
		return nil, err
	}
	l := &Login{tls: read.TLS}
	if c.SASL != nil {
		l.sasl = &freshMechanism{config: c.SASL, tokens: tokens, latest: read}
	}
	return l, nil
}

// TLS is for connections that are to be encrypted; nil if none are.
func (l *Login) TLS() *tls.Config { return l.tls }

// SASL authenticates connections; nil if none are. It reads the files of passwords
// and tokens anew for each.
func (l *Login) SASL() sasl.Mechanism {
	if l.sasl == nil {
		return nil
	}
	return l.sasl
}

// Explain returns an error of such a client without secrets. When it is a broker's
// refusal, the next login has to wait, so that nobody is locked out.
func (l *Login) Explain(err error) error {
	if l.sasl == nil || err == nil {
		return err
	}
	return l.sasl.explain(err)
}

// freshMechanism is a SASL mechanism that reads its files for each login.
type freshMechanism struct {
	config  *SASL
	tokens  *Tokens
	gate    gate
	refused Refusal

	mu     sync.Mutex
	latest *Credentials
}

// Name is part of sasl.Mechanism.
func (m *freshMechanism) Name() string { return m.current().SASL.Name() }

// Start is part of sasl.Mechanism.
func (m *freshMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	read, err := m.config.load(m.tokens)
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	m.latest = read
	m.mu.Unlock()
	exchange, first, err := (&gatedMechanism{read.SASL, &m.gate}).Start(m.refused.With(ctx))
	if err != nil {
		return nil, nil, err
	}
	return &notedExchange{exchange, &m.refused}, first, nil
}

func (m *freshMechanism) current() *Credentials {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

func (m *freshMechanism) explain(err error) error {
	err = m.refused.explain(m.current().Discreet(err))
	m.gate.judge(err)
	return err
}

// notedExchange keeps why a broker refuses a token.
type notedExchange struct {
	sasl.StateMachine
	refused *Refusal
}

// Next is part of sasl.StateMachine.
func (e *notedExchange) Next(ctx context.Context, challenge []byte) (done bool, response []byte, err error) {
	return e.StateMachine.Next(e.refused.With(ctx), challenge)
}
