package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/flowpub/flowpub/publisher/failure"
)

// Config says how connections to brokers are encrypted and authenticated.
type Config struct {
	// TLS, when not nil, encrypts them.
	TLS *TLS
	// SASL, when not nil, authenticates them.
	SASL *SASL
}

// Validate returns every mistake in c, joined, or nil. It reads the files.
func (c Config) Validate() error { return errors.Join(c.TLS.validate(), c.SASL.validate()) }

// Files lists the files that are read for new connections, for noticing changes.
func (c Config) Files() []string {
	var names []string
	if c.TLS != nil {
		names = append(names, c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile)
	}
	if c.SASL != nil {
		names = append(names, c.SASL.PasswordFile, c.SASL.OAuth.TokenFile)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// Tokens returns where OAuth tokens come from until life ends; nil without a token
// endpoint.
func (c Config) Tokens(life context.Context) *Tokens {
	if c.SASL == nil || c.SASL.OAuth.TokenURL == "" {
		return nil
	}
	return newTokens(life, &c.SASL.OAuth)
}

// Credentials are what c and the files it names hold at one time. They are safe for
// concurrent use.
type Credentials struct {
	// TLS is nil for connections that are not encrypted.
	TLS *tls.Config
	// SASL is nil for those that are not authenticated.
	SASL sasl.Mechanism

	gate gate
}

// Load reads the files. Tokens of an endpoint come from tokens.
func (c Config) Load(tokens *Tokens) (*Credentials, error) {
	read := new(Credentials)
	var err error
	if c.SASL != nil {
		if read, err = c.SASL.load(tokens); err != nil {
			return nil, err
		}
		read.SASL = &gatedMechanism{read.SASL, &read.gate}
	}
	if c.TLS != nil {
		if read.TLS, err = c.TLS.load(); err != nil {
			return nil, err
		}
	}
	return read, nil
}

// Refused is why there may be no login now; nil when there may be one.
func (c *Credentials) Refused() error { return c.gate.refusal(time.Now()) }

// Admit allows logins again after a refusal: there is another token.
func (c *Credentials) Admit() { c.gate.open() }

// Explain is Discreet, and adds why a token was refused.
// After a broker's refusal logins have to wait, so that nobody is locked out.
func (c *Credentials) Explain(err error, refused *Refusal) error {
	err = refused.explain(c.Discreet(err))
	c.gate.judge(err)
	return err
}

// Discreet reduces a broker's error to Kafka's code where flowpub logs in to brokers: their text
// may repeat the secret that they were sent, in any encoding. Other errors stay as they are; err
// may be nil.
func (c *Credentials) Discreet(err error) error {
	code, ok := errors.AsType[kafka.Error](err)
	if !ok || c.SASL == nil {
		return err
	}
	return failure.Code(int16(code), "")
}
