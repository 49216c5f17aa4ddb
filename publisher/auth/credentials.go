package auth

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
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

	password string
	bearer   *bearer // in SASL, if it is one
	gate     gate
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

// Admit lets logins through again that brokers refused: there is another token.
func (c *Credentials) Admit() { c.gate.open() }

// Explain adds to a client's error what it lacks, and keeps secrets out of it.
// After a broker's refusal logins have to wait, so that nobody is locked out.
func (c *Credentials) Explain(err error, refused *Refusal) error {
	err = c.Discreet(refused.explain(err))
	c.gate.judge(err)
	return err
}

// Discreet keeps secrets out of an error, which may be nil.
func (c *Credentials) Discreet(err error) error {
	if err != nil && c.repeated(err.Error()) {
		return &discreetError{err}
	}
	return err
}

// repeated reports whether a text has one of the secrets in it that brokers are
// sent.
func (c *Credentials) repeated(text string) bool {
	return repeats(text, c.password) || c.bearer != nil && c.bearer.repeated(text)
}

// hiddenWords stand for a text of a broker.
const hiddenWords = "what the broker says of it repeats a secret, and is not shown"

// discreetError stands for an error whose text repeats a secret.
type discreetError struct{ err error }

// Error is part of error. The code's own text is Kafka's, and always the same.
func (e *discreetError) Error() string {
	if code, ok := errors.AsType[kafka.Error](e.err); ok {
		return code.Error() + " (" + hiddenWords + ")"
	}
	return "" + hiddenWords
}

// Sentence is what operators are told.
func (e *discreetError) Sentence() string { return e.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *discreetError) Unwrap() error { return e.err }

// leastSecret is the shortest text that counts as a secret. Shorter ones are in
// every message by chance.
const leastSecret = 4

// repeats reports whether a text has a secret in it: as it is, encoded for a URL, or
// within something in base64.
func repeats(text, secret string) bool {
	if len(secret) < leastSecret {
		return false
	}
	query := url.QueryEscape(secret)
	for _, form := range []string{secret, query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(secret)} {
		if strings.Contains(text, form) {
			return true
		}
	}
	for before := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			if strings.Contains(text, withinBase64(encoding, secret, before)) {
				return true
			}
		}
	}
	return false
}

// withinBase64 returns the characters that a secret has for certain in the base64
// of something longer, in which so many bytes, modulo 3, come before it. Its first
// and last bits may share a character with what stands around it.
func withinBase64(encoding *base64.Encoding, secret string, before int) string {
	encoded := encoding.EncodeToString([]byte("\x00\x00"[:before] + secret))
	return encoded[(before*8+5)/6 : (before+len(secret))*8/6]
}
