package auth

import (
	"crypto/tls"
	"errors"
	"fmt"

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
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("a client certificate needs both its certificate file and its key file")
	}
	_, err := c.load()
	return err
}

// load reads the files into a configuration for crypto/tls.
func (c *TLS) load() (*tls.Config, error) {
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

func (c *TLS) loadCertificate() (tls.Certificate, error) {
	certPEM, certErr := secretfile.Read("client certificate", c.CertFile)
	keyPEM, keyErr := secretfile.Read("key of the client certificate", c.KeyFile)
	if err := errors.Join(certErr, keyErr); err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client certificate %s with key %s: %w: both must be PEM, and belong together", c.CertFile, c.KeyFile, err)
	}
	return cert, nil
}
