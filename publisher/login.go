package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"

	"github.com/segmentio/kafka-go/sasl"
)

// Login is how other clients of package kafka-go connect as a Publisher does. It
// is safe for concurrent use.
type Login struct {
	tls  *tls.Config
	sasl *freshMechanism // nil without SASL
}

// NewLogin checks both configurations, either of which may be nil, and reads
// their files. Tokens are asked for until life ends.
func NewLogin(life context.Context, tlsConfig *TLSConfig, saslConfig *SASLConfig) (*Login, error) {
	if err := errors.Join(tlsConfig.validate(), saslConfig.validate()); err != nil {
		return nil, err
	}
	cfg := Config{TLS: tlsConfig, SASL: saslConfig}
	tokens := cfg.tokenEndpoint(life)
	read, err := cfg.credentials(tokens)
	if err != nil {
		return nil, err
	}
	l := &Login{tls: read.tls}
	if saslConfig != nil {
		l.sasl = &freshMechanism{config: saslConfig, tokens: tokens, latest: read}
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
	config  *SASLConfig
	tokens  *tokenEndpoint
	gate    loginGate
	refused authRefusal

	mu     sync.Mutex
	latest *credentials
}

// Name is part of sasl.Mechanism.
func (m *freshMechanism) Name() string { return m.current().sasl.Name() }

// Start is part of sasl.Mechanism.
func (m *freshMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	read, err := m.config.load(m.tokens)
	if err != nil {
		return nil, nil, err
	}
	m.mu.Lock()
	m.latest = read
	m.mu.Unlock()
	exchange, first, err := (&gatedMechanism{read.sasl, &m.gate}).Start(m.refused.with(ctx))
	if err != nil {
		return nil, nil, err
	}
	return &notedExchange{exchange, &m.refused}, first, nil
}

func (m *freshMechanism) current() *credentials {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

func (m *freshMechanism) explain(err error) error {
	err = m.current().discreet(m.refused.explain(err))
	m.gate.judge(err)
	return err
}

// notedExchange keeps why a broker refuses a token.
type notedExchange struct {
	sasl.StateMachine
	refused *authRefusal
}

// Next is part of sasl.StateMachine.
func (e *notedExchange) Next(ctx context.Context, challenge []byte) (done bool, response []byte, err error) {
	return e.StateMachine.Next(e.refused.with(ctx), challenge)
}
