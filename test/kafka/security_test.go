//go:build kafka

package kafka_test

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
)

// TestSecuredBroker has all tests of authentication, encryption and permissions:
// what flows, what is refused until it is mended, and secrets that are replaced
// under load. Each flow is delivered once, in its exporter's order.
func TestSecuredBroker(t *testing.T) {
	t.Parallel()
	s := startSecured(t)
	t.Run("ProducerForgotten", s.producerForgotten)
	t.Run("Plain", func(t *testing.T) { s.delivers(t, 60, "SECURED", s.withPassword(auth.Plain)) })
	t.Run("ScramSHA256", func(t *testing.T) { s.delivers(t, 59, "SECURED", s.withPassword(auth.ScramSHA256)) })
	t.Run("ScramSHA512", func(t *testing.T) { s.delivers(t, 61, "SECURED", s.withPassword(auth.ScramSHA512)) })
	t.Run("OAuthTokenFile", func(t *testing.T) {
		s.delivers(t, 62, "SECURED", s.withTokenFile(testca.File(t, "token", []byte(unsecuredToken(t, time.Hour)))))
	})
	t.Run("OAuthClientCredentials", func(t *testing.T) { s.delivers(t, 63, "SECURED", s.withEndpoint(t, time.Hour, new(atomic.Int32))) })
	t.Run("MutualTLS", func(t *testing.T) {
		certFile, keyFile := s.ca.Issue(t, user).Files(t)
		s.delivers(t, 64, "MUTUAL", s.withCertificate(certFile, keyFile))
	})
	t.Run("WrongPassword", s.wrongPassword)
	t.Run("WrongToken", s.wrongToken)
	t.Run("UntrustedCA", s.untrustedCA)
	t.Run("ExpiredCertificate", s.expiredCertificate)
	t.Run("NoWritePermission", s.noWritePermission)
	t.Run("NoCreatePermission", s.noCreatePermission)
	t.Run("TemplatesNotReadable", s.templatesNotReadable)
	t.Run("TemplatesNotWritable", s.templatesNotWritable)
	t.Run("PasswordReplaced", s.passwordReplaced)
	t.Run("TokenReplaced", s.tokenReplaced)
	t.Run("TokenRenewed", s.tokenRenewed)
	t.Run("AuthorityReplaced", s.authorityReplaced)
	t.Run("ClientCertificateReplaced", s.clientCertificateReplaced)
}

// delivers sends flows to a listener.
func (s *secured) delivers(t *testing.T, network byte, listener string, secure func(*publisher.Config)) {
	t.Helper()
	t.Parallel()
	name := s.createTopic(t, "secured", 3)
	tr := newTraffic(network)
	p := startPublisher(t, []string{s.addresses[listener]}, name, secure)
	tr.publish(t, p, 100, 30)
	s.account(t, p, name, tr, terms{})
	wantFound(t, checkConfig([]string{s.addresses[listener]}, name, secure))
	s.tails(t, listener, name, secure, len(tr)*100*30)
}

func (s *secured) withPassword(mechanism string) func(*publisher.Config) {
	return func(cfg *publisher.Config) {
		cfg.TLS = &auth.TLS{CAFile: s.caFile}
		cfg.SASL = &auth.SASL{Mechanism: mechanism, Username: user, Password: password}
	}
}

func (s *secured) withTokenFile(file string) func(*publisher.Config) {
	return func(cfg *publisher.Config) {
		cfg.TLS = &auth.TLS{CAFile: s.caFile}
		cfg.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{TokenFile: file}}
	}
}

// withEndpoint has tokens come from an endpoint, each good for a time.
func (s *secured) withEndpoint(t *testing.T, lifetime time.Duration, given *atomic.Int32) func(*publisher.Config) {
	t.Helper()
	const secret = "client-secret"
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, got, _ := r.BasicAuth(); id != user || got != secret {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		given.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, unsecuredToken(t, lifetime), int(lifetime.Seconds()))
	}))
	t.Cleanup(endpoint.Close)
	return func(cfg *publisher.Config) {
		cfg.TLS = &auth.TLS{CAFile: s.caFile}
		cfg.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{
			TokenURL: endpoint.URL, ClientID: user, ClientSecretFile: testca.File(t, "secret", []byte(secret)),
			Extensions: "logicalCluster=lkc-1,identityPoolId=pool-1,pool-2",
		}}
	}
}

func (s *secured) withCertificate(certFile, keyFile string) func(*publisher.Config) {
	return func(cfg *publisher.Config) {
		cfg.TLS = &auth.TLS{CAFile: s.caFile, CertFile: certFile, KeyFile: keyFile}
	}
}

// A broker has forgotten the producer id of a partition that was idle for long,
// a day by default: what comes then is delivered all the same.
func (s *secured) producerForgotten(t *testing.T) {
	t.Parallel()
	name := s.createTopic(t, "idle", 1)
	tr := newTraffic(51)
	p := startPublisher(t, s.brokers, name, nil)
	tr.publish(t, p, 1, 30)
	testwait.Until(t, 30*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	testwait.Until(t, 30*time.Second, "the producer is forgotten", func() bool { return s.producers(t, name, 0) == 0 })
	tr.publish(t, p, 1, 30)
	s.account(t, p, name, tr, terms{})
}

// refusal is how a listener does not take what a publisher has.
type refusal struct {
	network  byte
	listener string
	secure   func(*publisher.Config)
	// told is what the log must say: the end of the error, and the cure.
	told, cure string
	// found begins the line that a check has for it.
	found string
	mend  func()
}

// refused publishes while a listener refuses: the log tells the broker, the topic,
// the error and the cure; it is tried again slowly; and once it is mended
// everything flows.
func (s *secured) refused(t *testing.T, r refusal) {
	t.Helper()
	t.Parallel()
	name := s.createTopic(t, "refused", 3)
	door := "127.0.0.1:" + freePorts(t, 1)[0]
	proxy := startProxy(t, door, s.addresses[r.listener])
	tr := newTraffic(r.network)
	var log *logbook
	p := startPublisher(t, []string{door}, name, func(cfg *publisher.Config) {
		log = logTo(t, cfg)
		r.secure(cfg)
	})
	tr.publish(t, p, 100, 30)
	line := log.await(t, "no metadata of the topics, trying again", r.told)
	if !strings.HasPrefix(line.Error, "broker "+door+": ") || line.Topic != name || line.Cure != r.cure {
		t.Errorf("logged %+v, want the broker %s, the topic %s, and the cure %q", line, door, name, r.cure)
	}
	if missing := strings.Join(p.Missing(), ""); !strings.Contains(missing, r.told) {
		t.Errorf("missing %q, want %s", missing, r.told)
	}
	wantFound(t, checkConfig([]string{door}, name, r.secure), r.found+door+": "+r.told+"...("+r.cure+")")
	before := proxy.accepted.Load()
	pass(t, 6*time.Second)
	if tries := proxy.accepted.Load() - before; tries > 2 {
		t.Errorf("%d connections in 6 s, want two at most", tries)
	}
	r.mend()
	s.account(t, p, name, tr, terms{})
}

func (s *secured) wrongPassword(t *testing.T) {
	file := testca.File(t, "password", []byte("hunter2\n"))
	s.refused(t, refusal{
		network: 65, listener: "SECURED",
		secure: func(cfg *publisher.Config) {
			cfg.TLS = &auth.TLS{CAFile: s.caFile}
			cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: user, PasswordFile: file}
		},
		told:  "[58] SASL Authentication Failed: SASL Authentication failed",
		found: "login at broker ",
		cure:  "correct the SASL mechanism, user name, password or token",
		mend:  func() { replaceFile(t, file, []byte(password)) },
	})
}

// The token has expired.
func (s *secured) wrongToken(t *testing.T) {
	file := testca.File(t, "token", []byte(unsecuredToken(t, -time.Second)))
	s.refused(t, refusal{
		network: 66, listener: "SECURED", secure: s.withTokenFile(file),
		told:  "[58] SASL Authentication Failed: SASL Authentication failed, and refuses the OAuth token: invalid_token",
		found: "login at broker ",
		cure:  "correct the SASL mechanism, user name, password or token",
		mend:  func() { replaceFile(t, file, []byte(unsecuredToken(t, time.Hour))) },
	})
}

func (s *secured) untrustedCA(t *testing.T) {
	file := testca.New(t).File(t)
	s.refused(t, refusal{
		network: 67, listener: "MUTUAL",
		secure: func(cfg *publisher.Config) {
			certFile, keyFile := s.ca.Issue(t, user).Files(t)
			cfg.TLS = &auth.TLS{CAFile: file, CertFile: certFile, KeyFile: keyFile}
		},
		told:  "tls: failed to verify certificate: x509: certificate signed by unknown authority",
		found: "broker ",
		cure:  "compare the certificate authority, the server name, and whether that port speaks TLS",
		mend:  func() { replaceFile(t, file, s.ca.PEM) },
	})
}

// The broker's certificate has expired; it gets another while it runs.
func (s *secured) expiredCertificate(t *testing.T) {
	s.refused(t, refusal{
		network: 68, listener: "EXPIRED",
		secure: func(cfg *publisher.Config) { cfg.TLS = &auth.TLS{CAFile: s.caFile} },
		told:   "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
		found:  "broker ",
		cure:   "compare the certificate authority, the server name, and whether that port speaks TLS",
		mend:   func() { s.setCertificate(t, "EXPIRED", s.ca.Issue(t, "broker")) },
	})
}

// steady is the rate of the loads below, in flows a second.
const steady = 5_000

// replaced publishes a steady stream to a listener while secrets are replaced.
func (s *secured) replaced(t *testing.T, network byte, listener string, secure func(*publisher.Config), replace func(p *publisher.Publisher, log *logbook)) publisher.Stats {
	t.Helper()
	name := s.createTopic(t, "replaced", 3)
	tr := newTraffic(network)
	var log *logbook
	p := startPublisher(t, []string{s.addresses[listener]}, name, func(cfg *publisher.Config) {
		log = logTo(t, cfg)
		secure(cfg)
	})
	awaitReady(t, p)
	stop := tr.load(t, p, steady)
	awaitMore(t, p, steady)
	replace(p, log)
	awaitMore(t, p, steady)
	stop()
	return s.account(t, p, name, tr, terms{})
}

// A password is replaced, in flowpub's file first: while Kafka does not know it yet
// the old connections serve.
func (s *secured) passwordReplaced(t *testing.T) {
	t.Parallel()
	s.setPassword(t, rotated, oldPass)
	file := testca.File(t, "password", []byte(oldPass+"\n"))
	s.replaced(t, 69, "PASSWORD", func(cfg *publisher.Config) {
		cfg.TLS = &auth.TLS{CAFile: s.caFile}
		cfg.SASL = &auth.SASL{Mechanism: auth.ScramSHA512, Username: rotated, PasswordFile: file}
	}, func(p *publisher.Publisher, log *logbook) {
		old := s.connections(t, "PASSWORD")
		replaceFile(t, file, []byte(freshPass+"\n"))
		log.await(t, "no metadata of the topics, trying again", "SASL Authentication Failed")
		awaitMore(t, p, steady)
		s.setPassword(t, rotated, freshPass)
		s.awaitReconnected(t, "PASSWORD", old)
	})
}

// Tokens of a file that last 10 seconds are replaced after 5: no connection lives
// for so long that the broker would cut it off.
func (s *secured) tokenReplaced(t *testing.T) {
	t.Parallel()
	const lifetime = 10 * time.Second
	file := testca.File(t, "token", []byte(unsecuredToken(t, lifetime)))
	stats := s.replaced(t, 70, "TOKEN", s.withTokenFile(file), func(p *publisher.Publisher, _ *logbook) {
		for _, next := range []time.Duration{lifetime, lifetime, time.Hour} {
			replaceFile(t, file, []byte(unsecuredToken(t, next)))
			pass(t, 4*time.Second)
			awaitMore(t, p, steady)
		}
	})
	wantNoFailures(t, stats)
}

// Tokens of an endpoint are renewed before they expire.
func (s *secured) tokenRenewed(t *testing.T) {
	t.Parallel()
	const lifetime = 10 * time.Second
	var given atomic.Int32
	stats := s.replaced(t, 71, "TOKEN", s.withEndpoint(t, lifetime, &given), func(*publisher.Publisher, *logbook) {
		pass(t, 2*lifetime)
	})
	wantNoFailures(t, stats)
	if n := given.Load(); n < 3 || n > 8 {
		t.Errorf("%d tokens were asked for, want 3 to 8 of %v in %v", n, lifetime, 2*lifetime)
	}
}

// The authority is replaced: flowpub trusts both, then the broker has a
// certificate of the new one, then flowpub trusts only that.
func (s *secured) authorityReplaced(t *testing.T) {
	t.Parallel()
	next := testca.New(t)
	file := s.ca.File(t)
	stats := s.replaced(t, 72, "AUTHORITY", func(cfg *publisher.Config) {
		cfg.TLS = &auth.TLS{CAFile: file}
	}, func(p *publisher.Publisher, _ *logbook) {
		old := s.connections(t, "AUTHORITY")
		replaceFile(t, file, slices.Concat(s.ca.PEM, next.PEM))
		s.awaitReconnected(t, "AUTHORITY", old)
		s.setCertificate(t, "AUTHORITY", next.Issue(t, "broker"))
		awaitMore(t, p, steady)
		old = s.connections(t, "AUTHORITY")
		replaceFile(t, file, next.PEM)
		s.awaitReconnected(t, "AUTHORITY", old)
	})
	wantNoFailures(t, stats)
}

// The client's certificate and key are replaced, one file after the other: in
// between they do not belong together, and the old ones stay.
func (s *secured) clientCertificateReplaced(t *testing.T) {
	t.Parallel()
	certFile, keyFile := s.ca.Issue(t, user).Files(t)
	stats := s.replaced(t, 73, "CLIENT", s.withCertificate(certFile, keyFile), func(p *publisher.Publisher, log *logbook) {
		old := s.connections(t, "CLIENT")
		fresh := s.ca.Issue(t, user)
		replaceFile(t, certFile, fresh.Cert)
		log.await(t, "cannot use changed credentials, going on with the old ones", "private key does not match public key")
		awaitMore(t, p, steady)
		if err := os.WriteFile(keyFile, fresh.Key, 0o600); err != nil {
			t.Fatal(err)
		}
		s.awaitReconnected(t, "CLIENT", old)
	})
	wantNoFailures(t, stats)
}

// wantNoFailures fails the test if an attempt failed: whatever was replaced, no
// request was cut off. That a broker did not know yet that it leads a partition of a
// new topic is no such failure.
func wantNoFailures(t *testing.T, s publisher.Stats) {
	t.Helper()
	failed := maps.Clone(s.ProduceErrors)
	maps.DeleteFunc(failed, func(name string, n uint64) bool { return n == 0 || name == "not_leader" })
	if len(failed) > 0 {
		t.Errorf("attempts failed: %v", failed)
	}
}

// connections returns the local ports of the connections that there are to a
// listener, as the kernel lists them.
func (s *secured) connections(t *testing.T, listener string) map[string]bool {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.addresses[listener])
	const established = "01"
	found := make(map[string]bool)
	for line := range strings.Lines(string(table)) {
		var local, remote, state string
		var n int
		if _, err := fmt.Sscanf(line, "%d: %s %s %s", &n, &local, &remote, &state); err != nil || state != established {
			continue
		}
		if _, hex, _ := strings.Cut(remote, ":"); hex == fmt.Sprintf("%04X", number(t, port)) {
			found[local] = true
		}
	}
	return found
}

func number(t *testing.T, text string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// awaitReconnected waits until none of the old connections to a listener is left,
// and there are others.
func (s *secured) awaitReconnected(t *testing.T, listener string, old map[string]bool) {
	t.Helper()
	if len(old) == 0 {
		t.Fatalf("there were no connections to listener %s", listener)
	}
	testwait.Until(t, 30*time.Second, "connections are made anew", func() bool {
		now := s.connections(t, listener)
		for local := range now {
			if old[local] {
				return false
			}
		}
		return len(now) > 0
	})
}
