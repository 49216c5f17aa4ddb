package publisher

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/testca"
	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// serverTLS is the TLS configuration of a broker that asks clients for a
// certificate of the authority.
func serverTLS(t *testing.T, a *testca.Authority) *tls.Config {
	t.Helper()
	return &tls.Config{
		Certificates: []tls.Certificate{a.Issue(t, "broker").TLS(t)}, ClientCAs: a.Pool(),
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a := testca.New(t)
	broker := startBroker(t, 2, kfake.TLS(serverTLS(t, a)))
	certFile, keyFile := a.Issue(t, "client").Files(t)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.TLS = &TLSConfig{CAFile: a.File(t), CertFile: certFile, KeyFile: keyFile}
	})
	n := publish(t, p, 0, 100, 30)
	closeWithin(t, p, 20*time.Second)
	wantDelivered(t, p, n)
}

// A broker that cannot be trusted, or does not trust us, is named with its
// cure, and nothing is lost while that lasts.
func TestTLSProblems(t *testing.T) {
	t.Parallel()
	a, stranger := testca.New(t), testca.New(t)
	certFile, keyFile := a.Issue(t, "client").Files(t)
	strangeCert, strangeKey := stranger.Issue(t, "client").Files(t)
	tests := map[string]*TLSConfig{
		"the broker's authority is not known":   {CAFile: stranger.File(t), CertFile: certFile, KeyFile: keyFile},
		"our authority is not known there":      {CAFile: a.File(t), CertFile: strangeCert, KeyFile: strangeKey},
		"the certificate is for another server": {CAFile: a.File(t), CertFile: certFile, KeyFile: keyFile, ServerName: "kafka.example.net"},
	}
	for name, conf := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1, kfake.TLS(serverTLS(t, a)))
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.TLS = conf })
			publish(t, p, 0, 10, 30)
			eventually(t, 10*time.Second, "the reason is told", func() bool {
				missing := p.Missing()
				return len(missing) == 1 && strings.Contains(missing[0], "tls: ")
			})
			if kind := kinds.Of(p.cluster.reached()); kind.Name != kinds.TLS.Name {
				t.Errorf("%v is of kind %q, want %q", p.cluster.reached(), kind.Name, kinds.TLS.Name)
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
		kind := kinds.Of(p.cluster.reached())
		return kind == kinds.Lost && strings.Contains(kind.Cure, "password")
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
