package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go/sasl/plain"

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/publisher/scram"
)

// TLSConfig says how connections to brokers are encrypted. Files are PEM and
// read again when they change.
type TLSConfig struct {
	// CAFile holds the authorities that may sign a broker's certificate; empty
	// means those of the system.
	CAFile string
	// CertFile and KeyFile are the client's certificate and key, for brokers
	// that ask for one; both or neither.
	CertFile, KeyFile string
	// ServerName is the name expected in the brokers' certificates; empty means
	// the host part of each broker's address.
	ServerName string
	// Insecure accepts any certificate. For tests only.
	Insecure bool
}

// The SASL mechanisms.
const (
	SASLPlain       = "plain"
	SASLScramSHA256 = "scram-sha-256"
	SASLScramSHA512 = "scram-sha-512"
	SASLOAuthBearer = "oauthbearer"
)

// SASLConfig says how connections to brokers are authenticated.
type SASLConfig struct {
	// Mechanism is SASLPlain, SASLScramSHA256, SASLScramSHA512 or SASLOAuthBearer.
	Mechanism string
	// Username and a password are for all but SASLOAuthBearer.
	Username string
	// Password is the secret itself; PasswordFile the file that holds it, read
	// again when it changes. One of the two.
	Password, PasswordFile string
	// OAuth is for SASLOAuthBearer.
	OAuth OAuthConfig
}

// String leaves out the password, and all of OAuth.
func (c *SASLConfig) String() string {
	if c.Username == "" {
		return c.Mechanism
	}
	return c.Mechanism + " as " + c.Username
}

// sendsSecret tells whether brokers are sent the secret itself. SCRAM sends what
// proves that we know it.
func (c *SASLConfig) sendsSecret() bool {
	return c.Mechanism == SASLPlain || c.Mechanism == SASLOAuthBearer
}

func (c *TLSConfig) validate() error {
	if c == nil {
		return nil
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("publisher: a client certificate needs both its certificate file and its key file")
	}
	_, err := c.load()
	return err
}

func (c *SASLConfig) validate() error {
	if c == nil {
		return nil
	}
	switch c.Mechanism {
	case SASLPlain, SASLScramSHA256, SASLScramSHA512:
		return c.validatePassword()
	case SASLOAuthBearer:
		return c.validateBearer()
	}
	return errors.Join(fmt.Errorf("publisher: SASL mechanism %q is not known: use %s, %s, %s or %s",
		c.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512, SASLOAuthBearer), c.validatePassword())
}

func (c *SASLConfig) validatePassword() error {
	var errs []error
	if c.Username == "" {
		errs = append(errs, errors.New("publisher: SASL needs a user name"))
	}
	switch {
	case c.Password != "" && c.PasswordFile != "":
		errs = append(errs, errors.New("publisher: SASL takes a password or a password file, not both"))
	case c.Password == "" && c.PasswordFile == "":
		errs = append(errs, errors.New("publisher: SASL needs a password or a password file"))
	}
	if c.OAuth != (OAuthConfig{}) {
		errs = append(errs, errors.New("publisher: SASL takes OAuth settings with "+SASLOAuthBearer+" only: choose that, or remove them"))
	}
	if len(errs) == 0 {
		_, err := c.load(nil)
		return err
	}
	return errors.Join(errs...)
}

func (c *SASLConfig) validateBearer() error {
	var errs []error
	if c.Username != "" {
		errs = append(errs, errors.New("publisher: SASL takes no user name with "+SASLOAuthBearer+", whose token has it: remove it"))
	}
	if c.Password != "" {
		errs = append(errs, errors.New("publisher: SASL takes no password with "+SASLOAuthBearer+": remove it"))
	}
	if c.PasswordFile != "" {
		errs = append(errs, errors.New("publisher: SASL takes no password file with "+SASLOAuthBearer+": remove it"))
	}
	return errors.Join(append(errs, c.OAuth.validate())...)
}

// load reads the files into a configuration for crypto/tls.
func (c *TLSConfig) load() (*tls.Config, error) {
	conf := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.Insecure, //nolint:gosec // asked for by name, and warned of at start
	}
	if c.CAFile != "" {
		pool, err := secretfile.Authorities(c.CAFile)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = pool
	}
	if c.CertFile != "" {
		cert, err := c.loadCertificate()
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}

func (c *TLSConfig) loadCertificate() (tls.Certificate, error) {
	certPEM, certErr := secretfile.Read("client certificate", c.CertFile)
	keyPEM, keyErr := secretfile.Read("key of the client certificate", c.KeyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("publisher: client certificate %s with key %s: %w: both must be PEM, and belong together", c.CertFile, c.KeyFile, err)
	}
	return cert, nil
}

// files names everything that is read for new connections, for noticing changes.
func (c Config) files() []string {
	var names []string
	if c.TLS != nil {
		names = append(names, c.TLS.CAFile, c.TLS.CertFile, c.TLS.KeyFile)
	}
	if c.SASL != nil {
		names = append(names, c.SASL.PasswordFile, c.SASL.OAuth.TokenFile)
	}
	kept := names[:0]
	for _, n := range names {
		if n != "" {
			kept = append(kept, n)
		}
	}
	return kept
}

// password returns the password of now.
func (c *SASLConfig) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	return secretfile.Read("SASL password", c.PasswordFile)
}

// load reads the files, if there are any, into what authenticates new
// connections. Tokens of an endpoint come from tokens.
func (c *SASLConfig) load(tokens *tokenEndpoint) (*credentials, error) {
	if c.Mechanism == SASLOAuthBearer {
		return c.loadBearer(tokens)
	}
	password, err := c.password()
	if err != nil {
		return nil, err
	}
	read := &credentials{password: password}
	switch c.Mechanism {
	case SASLScramSHA256:
		read.sasl, err = scram.SHA256(c.Username, password)
	case SASLScramSHA512:
		read.sasl, err = scram.SHA512(c.Username, password)
	default:
		read.sasl = plain.Mechanism{Username: c.Username, Password: password}
	}
	return read, err
}

func (c *SASLConfig) loadBearer(tokens *tokenEndpoint) (*credentials, error) {
	b := &bearer{token: tokens.current, refused: tokens.refuse}
	if c.OAuth.TokenFile != "" {
		token, err := readToken(c.OAuth.TokenFile)
		if err != nil {
			return nil, err
		}
		b.token = func(context.Context) (string, error) { return token, nil }
		b.refused = func(string) {}
	}
	return &credentials{sasl: b, bearer: b}, nil
}
