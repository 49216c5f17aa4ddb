package publisher

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
)

// credentials are what the configuration and the files it names say of
// security. What is not configured is nil.
type credentials struct {
	tls      *tls.Config
	sasl     sasl.Mechanism
	password string
	bearer   *bearer // in sasl, if it is one
	gate     loginGate
}

// credentials reads them. Tokens of an endpoint come from tokens.
func (c Config) credentials(tokens *tokenEndpoint) (*credentials, error) {
	read := new(credentials)
	var err error
	if c.SASL != nil {
		if read, err = c.SASL.load(tokens); err != nil {
			return nil, err
		}
		read.sasl = &gatedMechanism{read.sasl, &read.gate}
	}
	if c.TLS != nil {
		if read.tls, err = c.TLS.load(); err != nil {
			return nil, err
		}
	}
	return read, nil
}

// tokenEndpoint returns where OAuth tokens come from until life ends; nil if from
// nowhere.
func (c Config) tokenEndpoint(life context.Context) *tokenEndpoint {
	if c.SASL == nil || c.SASL.OAuth.TokenURL == "" {
		return nil
	}
	return newTokenEndpoint(life, &c.SASL.OAuth)
}

// explain adds to a client's error what it lacks, and keeps secrets out of it. If
// it is a broker's refusal, the others are left alone.
func (c *credentials) explain(err error, refused *authRefusal) error {
	err = c.discreet(refused.explain(err))
	c.gate.judge(err)
	return err
}

// discreet keeps secrets out of an error, which may be nil.
func (c *credentials) discreet(err error) error {
	if err != nil && c.repeated(err.Error()) {
		return &discreetError{err}
	}
	return err
}

// repeated tells whether a text has one of the secrets in it that brokers are
// sent.
func (c *credentials) repeated(text string) bool {
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
	return "publisher: " + hiddenWords
}

// Sentence is what operators are told.
func (e *discreetError) Sentence() string { return e.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *discreetError) Unwrap() error { return e.err }

// leastSecret is the shortest text that counts as a secret. Shorter ones are in
// every message by chance.
const leastSecret = 4

// repeats tells whether a text has a secret in it: as it is, encoded for a URL, or
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
