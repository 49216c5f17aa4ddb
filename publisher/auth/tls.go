package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/secretfile"
)

// TLS says how connections to brokers are encrypted. Files are PEM and
// read again when they change.
type TLS struct {
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

func (c *TLS) validate() error {
	if c == nil {
		return nil
	}
	_, authorityErr := c.authorities()
	err := variable.In(variable.TLSCAFile, authorityErr)
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.Join(err, variable.Mistake(variable.TLSCertFile, "a client certificate needs both its certificate file and its key file"))
	}
	_, certificateErr := c.certificates()
	return errors.Join(err, certificateErr)
}

// load reads the files into a configuration for crypto/tls.
func (c *TLS) load() (*tls.Config, error) {
	pool, authorityErr := c.authorities()
	certificates, certificateErr := c.certificates()
	if err := errors.Join(authorityErr, certificateErr); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		RootCAs:            pool,
		Certificates:       certificates,
		InsecureSkipVerify: c.Insecure, //nolint:gosec // asked for by name, and warned of at start
	}, nil
}

// authorities are those that may sign brokers' certificates; nil for the system's.
func (c *TLS) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil //nolint:nilnil // as crypto/tls has it
	}
	return secretfile.Authorities(c.CAFile)
}

// certificates are the client's; none if it has none.
func (c *TLS) certificates() ([]tls.Certificate, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	certPEM, certErr := secretfile.Read("client certificate", c.CertFile)
	keyPEM, keyErr := secretfile.Read("key of the client certificate", c.KeyFile)
	if err := errors.Join(variable.In(variable.TLSCertFile, certErr), variable.In(variable.TLSKeyFile, keyErr)); err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		return nil, variable.Mistake(variable.TLSCertFile, "client certificate %s with key %s: %w: both must be PEM, and belong together", c.CertFile, c.KeyFile, err)
	}
	return []tls.Certificate{cert}, nil
}
