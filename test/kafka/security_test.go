//go:build kafka

package kafka_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/publisher"
)

// Over TLS, with either mechanism, flows are delivered; a wrong password is told
// as what is missing.
func TestSecuredBroker(t *testing.T) {
	t.Parallel()
	const user, password = "flowpub", "open-sesame"
	dir := t.TempDir()
	certificate := filepath.Join(dir, "certificate.pem")
	keystore := filepath.Join(dir, "keystore.pem")
	issueCertificate(t, certificate, keystore)
	config := filepath.Join(dir, "secured.properties")
	err := os.WriteFile(config, []byte(`
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=`+keystore+`
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_`+user+`="`+password+`";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
producer.id.expiration.ms=1000
producer.id.expiration.check.interval.ms=500
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 3)
	secured := "127.0.0.1:" + ports[2]
	c := startOn(t, ports[:2], "KAFKA_LISTENERS=SASL_SSL://"+secured, "KAFKA_CONFIG="+config,
		"KAFKA_SCRAM=name="+user+",password="+password)

	t.Run("ProducerForgotten", c.producerForgotten)
	for i, mechanism := range []string{publisher.SASLPlain, publisher.SASLScramSHA512} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			name := c.createTopic(t, mechanism, 3)
			tr := newTraffic(byte(60 + i))
			p := startPublisher(t, []string{secured}, name, func(cfg *publisher.Config) {
				cfg.TLS = &publisher.TLSConfig{CAFile: certificate}
				cfg.SASL = &publisher.SASLConfig{Mechanism: mechanism, Username: user, Password: password}
			})
			tr.publish(t, p, 100, 30)
			closeExactly(t, p, tr.flows())
			tr.checkFlows(t, readWithFranzGo(t, c, name, c.ends(t, name)), 1)
		})
		t.Run(mechanism+" with a wrong password", func(t *testing.T) {
			t.Parallel()
			p := startPublisher(t, []string{secured}, "any", func(cfg *publisher.Config) {
				cfg.TLS = &publisher.TLSConfig{CAFile: certificate}
				cfg.SASL = &publisher.SASLConfig{Mechanism: mechanism, Username: user, Password: "hunter2"}
			})
			eventually(t, 30*time.Second, "authentication is missing", func() bool {
				return slices.ContainsFunc(p.Missing(), func(what string) bool {
					return strings.Contains(what, "SASL Authentication Failed")
				})
			})
			if missing := strings.Join(p.Missing(), ""); strings.Contains(missing, "hunter2") {
				t.Errorf("the password is told: %s", missing)
			}
		})
	}
}

// A broker has forgotten the producer id of a partition that was idle for long,
// a day by default: what comes then is delivered all the same.
func (c *cluster) producerForgotten(t *testing.T) {
	t.Parallel()
	name := c.createTopic(t, "idle", 1)
	tr := newTraffic(51)
	p := startPublisher(t, c.brokers, name, nil)
	tr.publish(t, p, 1, 30)
	eventually(t, 30*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == tr.flows() })
	eventually(t, 30*time.Second, "the producer is forgotten", func() bool { return c.producers(t, name, 0) == 0 })
	tr.publish(t, p, 1, 30)
	closeExactly(t, p, tr.flows())
	tr.checkFlows(t, readWithFranzGo(t, c, name, c.ends(t, name)), 1)
}

// issueCertificate writes a certificate for loopback, that is its own authority,
// and a file that has its key besides.
func issueCertificate(t *testing.T, certificate, keystore string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "flowpub test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for file, content := range map[string][]byte{certificate: public, keystore: append(private, public...)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
