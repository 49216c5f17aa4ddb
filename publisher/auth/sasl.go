package auth

import (
	"context"
	"errors"

	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/publisher/auth/scram"
)

// The SASL mechanisms.
const (
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
	OAuthBearer = "oauthbearer"
)

// SASL says how connections to brokers are authenticated.
type SASL struct {
	// Mechanism is Plain, ScramSHA256, ScramSHA512 or OAuthBearer.
	Mechanism string
	// Username and a password are for all but OAuthBearer.
	Username string
	// Password is the secret itself; PasswordFile the file that holds it, read
	// again when it changes. One of the two.
	Password, PasswordFile string
	// OAuth is for OAuthBearer.
	OAuth OAuth
}

// String leaves out the password, and all of OAuth.
func (c *SASL) String() string {
	if c.Username == "" {
		return c.Mechanism
	}
	return c.Mechanism + " as " + c.Username
}

// SendsSecret reports whether brokers are sent the secret itself. SCRAM sends what
// proves that we know it.
func (c *SASL) SendsSecret() bool {
	return c.Mechanism == Plain || c.Mechanism == OAuthBearer
}

func (c *SASL) validate() error {
	if c == nil {
		return nil
	}
	switch c.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
		return c.validatePassword()
	case OAuthBearer:
		return c.validateBearer()
	}
	return errors.Join(variable.Mistake(variable.SASLMechanism, "SASL mechanism %q is not known: use %s, %s, %s or %s",
		c.Mechanism, Plain, ScramSHA256, ScramSHA512, OAuthBearer), c.validatePassword())
}

func (c *SASL) validatePassword() error {
	var errs []error
	mistake := func(name, text string) { errs = append(errs, variable.Mistake(name, "%s", text)) }
	if c.Username == "" {
		mistake(variable.SASLUsername, "SASL needs a user name")
	}
	switch {
	case c.Password != "" && c.PasswordFile != "":
		mistake(variable.SASLPassword, "SASL takes a password or a password file, not both")
	case c.Password == "" && c.PasswordFile == "":
		mistake(variable.SASLPasswordFile, "SASL needs a password or a password file")
	}
	if c.OAuth != (OAuth{}) {
		mistake(variable.SASLMechanism, "SASL takes OAuth settings with "+OAuthBearer+" only: choose that, or remove them")
	}
	_, err := c.password()
	errs = append(errs, variable.In(variable.SASLPasswordFile, err))
	if len(errs) == 0 {
		_, err := c.load(nil)
		errs = append(errs, variable.In(variable.SASLPassword, err))
	}
	return errors.Join(errs...)
}

func (c *SASL) validateBearer() error {
	var errs []error
	if c.Username != "" {
		errs = append(errs, variable.Mistake(variable.SASLUsername, "SASL takes no user name with "+OAuthBearer+", whose token has it: remove it"))
	}
	if c.Password != "" {
		errs = append(errs, variable.Mistake(variable.SASLPassword, "SASL takes no password with "+OAuthBearer+": remove it"))
	}
	if c.PasswordFile != "" {
		errs = append(errs, variable.Mistake(variable.SASLPasswordFile, "SASL takes no password file with "+OAuthBearer+": remove it"))
	}
	return errors.Join(append(errs, c.OAuth.validate())...)
}

// password returns the password of now.
func (c *SASL) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	return secretfile.Read("SASL password", c.PasswordFile)
}

// load reads the files, if there are any, into what authenticates new
// connections. Tokens of an endpoint come from tokens.
func (c *SASL) load(tokens *Tokens) (*Credentials, error) {
	if c.Mechanism == OAuthBearer {
		return c.loadBearer(tokens)
	}
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	read := new(Credentials)
	switch c.Mechanism {
	case ScramSHA256:
		read.SASL, err = scram.SHA256(c.Username, password)
	case ScramSHA512:
		read.SASL, err = scram.SHA512(c.Username, password)
	default:
		read.SASL = plain.Mechanism{Username: c.Username, Password: password}
	}
	return read, err
}

func (c *SASL) loadBearer(tokens *Tokens) (*Credentials, error) {
	extensions, err := ParseExtensions(c.OAuth.Extensions)
	if err != nil {
		return nil, err
	}
	b := &bearer{token: tokens.current, refused: tokens.refuse, extensions: wire(extensions)}
	if c.OAuth.TokenFile != "" {
		token, err := readToken(c.OAuth.TokenFile)
		if err != nil {
			return nil, err
		}
		b.token = func(context.Context) (string, error) { return token, nil }
		b.refused = func(string) {}
	}
	return &Credentials{SASL: b}, nil
}
