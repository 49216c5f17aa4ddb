package secretfile

import (
	"crypto/x509"
	"fmt"
	"os"
)

// Authorities reads the certificate authorities in a PEM file.
func Authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w: name a file that this user may read", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authorities: %s holds no PEM certificate: name the file of those that signed the brokers' certificates", file)
	}
	return pool, nil
}
