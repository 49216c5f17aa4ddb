package publisher

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// authority signs certificates for a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	var der []byte
	a.key, der = sign(t, a.cert, a)
	a.file = writePEM(t, "CERTIFICATE", der)
	return a
}

// issue returns the files of a certificate for 127.0.0.1 and its key.
func (a *authority) issue(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, der := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writePEM(t, "CERTIFICATE", der), writePEM(t, "EC PRIVATE KEY", keyDER)
}

// sign makes a key and a certificate for it; an authority without a key signs
// for itself.
func sign(t *testing.T, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := by.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func writePEM(t *testing.T, kind string, der []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// serverTLS is the TLS configuration of a broker that asks clients for a
// certificate of the authority.
func (a *authority) serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(a.issue(t))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := loadAuthorities(a.file)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	broker := startBroker(t, 2, kfake.TLS(a.serverTLS(t)))
	certFile, keyFile := a.issue(t)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.TLS = &TLSConfig{CAFile: a.file, CertFile: certFile, KeyFile: keyFile}
	})
	n := publish(t, p, 0, 100, 30)
	closeWithin(t, p, 20*time.Second)
	wantDelivered(t, p, n)
}

// A broker that cannot be trusted, or does not trust us, is named with its
// cure, and nothing is lost while that lasts.
func TestTLSProblems(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	certFile, keyFile := a.issue(t)
	stranger := newAuthority(t)
	strangeCert, strangeKey := stranger.issue(t)
	tests := map[string]*TLSConfig{
		"the broker's authority is not known":   {CAFile: stranger.file, CertFile: certFile, KeyFile: keyFile},
		"our authority is not known there":      {CAFile: a.file, CertFile: strangeCert, KeyFile: strangeKey},
		"the certificate is for another server": {CAFile: a.file, CertFile: certFile, KeyFile: keyFile, ServerName: "kafka.example.net"},
	}
	for name, conf := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1, kfake.TLS(a.serverTLS(t)))
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.TLS = conf })
			publish(t, p, 0, 10, 30)
			eventually(t, 10*time.Second, "the reason is told", func() bool {
				missing := p.Missing()
				return len(missing) == 1 && strings.Contains(missing[0], "tls: ")
			})
			if kind := localKind(p.cluster.reached()); kind.name != failureTLS.name {
				t.Errorf("%v is of kind %q, want %q", p.cluster.reached(), kind.name, failureTLS.name)
			}
			if s := p.Stats(); s.Buffered != 300 {
				t.Errorf("buffered %d, want 300", s.Buffered)
			}
		})
	}
}

func TestSASL(t *testing.T) {
	t.Parallel()
	for mechanism, theirs := range map[string]string{
		SASLPlain: "PLAIN", SASLScramSHA256: "SCRAM-SHA-256", SASLScramSHA512: "SCRAM-SHA-512",
	} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1, kfake.EnableSASL(), kfake.Superuser(theirs, "router", "hunter2"))
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
				c.SASL = &SASLConfig{Mechanism: mechanism, Username: "router", Password: "hunter2"}
			})
			n := publish(t, p, 0, 100, 30)
			closeWithin(t, p, 20*time.Second)
			wantDelivered(t, p, n)
		})
	}
}

// A wrong password is told, without the password; once the file holds the right
// one, publishing begins. The embedded broker gives no answer to a wrong one but
// closes the connection, as some real ones do.
func TestPasswordIsReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("wrong-password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broker := startBroker(t, 1, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "router", "hunter2"))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &SASLConfig{Mechanism: SASLScramSHA512, Username: "router", PasswordFile: file}
	})
	n := publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the reason is told", func() bool {
		kind := localKind(p.cluster.reached())
		return kind == failureLost && strings.Contains(kind.cure, "password")
	})
	if missing := p.Missing(); len(missing) != 1 || strings.Contains(missing[0], "wrong-password") {
		t.Errorf("missing %q, want one thing without the password", missing)
	}
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeWithin(t, p, 20*time.Second)
	wantDelivered(t, p, n)
}
