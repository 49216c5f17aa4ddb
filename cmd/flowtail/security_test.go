package main

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testca"
)

// The variables are those of flowpub, and so are their rules.
func TestSecuredBroker(t *testing.T) {
	t.Parallel()
	ca := testca.New(t)
	pair := ca.Issue(t, "broker")
	client := testca.New(t)
	clientPair := client.Issue(t, "flowtail")
	certFile, keyFile := clientPair.Files(t)
	encryption := &tls.Config{Certificates: []tls.Certificate{pair.TLS(t)}, MinVersion: tls.VersionTLS12}
	mutual := encryption.Clone()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, client.Pool()
	own := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{clientPair.TLS(t)}, MinVersion: tls.VersionTLS12}
	_, address := securedBroker(t, &kafka.Transport{TLS: own, SASL: plain.Mechanism{Username: "reader", Password: "hunter2"}},
		kfake.TLS(encryption), kfake.EnableSASL(), kfake.Superuser("PLAIN", "reader", "hunter2"), kfake.Superuser("SCRAM-SHA-512", "scram", "hunter3"))
	_, mutualAddress := securedBroker(t, &kafka.Transport{TLS: own}, kfake.TLS(mutual))
	bearing, bearerAddress := securedBroker(t, &kafka.Transport{})
	takeOnly(bearing, "good.token")

	password := testca.File(t, "password", []byte("hunter2\n"))
	wrong := testca.File(t, "password", []byte("opensesame\n"))
	trusting := []string{"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CA_FILE=" + ca.File(t)}
	plainly := append([]string{"FLOWPUB_KAFKA_SASL_MECHANISM=plain", "FLOWPUB_KAFKA_SASL_USERNAME=reader"}, trusting...)
	with := func(list []string, more ...string) []string { return append(append([]string(nil), list...), more...) }
	token := func(token string) []string {
		return []string{"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + testca.File(t, "token", []byte(token))}
	}
	tests := []struct {
		name    string
		address string
		environ []string
		status  int
		want    string // part of standard error, empty when it prints a flow
	}{
		{"password", address, with(plainly, "FLOWPUB_KAFKA_SASL_PASSWORD_FILE="+password), 0, ""},
		{"SCRAM", address, with(trusting, "FLOWPUB_KAFKA_SASL_MECHANISM=scram-sha-512",
			"FLOWPUB_KAFKA_SASL_USERNAME=scram", "FLOWPUB_KAFKA_SASL_PASSWORD=hunter3"), 0, ""},
		{"client certificate", mutualAddress, with(trusting, "FLOWPUB_KAFKA_TLS_CERT_FILE="+certFile, "FLOWPUB_KAFKA_TLS_KEY_FILE="+keyFile), 0, ""},
		{"token", bearerAddress, token("good.token"), 0, ""},
		{"wrong token", bearerAddress, token("bad.token"), 1, "the broker refuses the login"},
		{"wrong password", address, with(plainly, "FLOWPUB_KAFKA_SASL_PASSWORD_FILE="+wrong), 1, "correct FLOWPUB_KAFKA_SASL_USERNAME and the password"},
		{"no client certificate", mutualAddress, trusting, 1, "wants a client certificate"},
		{"no TLS", address, nil, 1, "FLOWPUB_KAFKA_TLS=true"},
		{"no SASL", address, trusting, 1, "set FLOWPUB_KAFKA_SASL_MECHANISM"},
		{"another authority", address, with(plainly[:2], "FLOWPUB_KAFKA_SASL_PASSWORD_FILE="+password,
			"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CA_FILE="+client.File(t)), 1, "set FLOWPUB_KAFKA_TLS_CA_FILE to the authority"},
		{"file without TLS", address, trusting[1:], 2, "TLS is off: set FLOWPUB_KAFKA_TLS=true, or remove this"},
		{"no such mechanism", address, []string{"FLOWPUB_KAFKA_SASL_MECHANISM=kerberos"}, 2, "it must be plain, scram-sha-256,"},
		{"mistyped", address, []string{"FLOWPUB_KAFKA_TLS_CAFILE=x"}, 2, "FLOWPUB_KAFKA_TLS_CAFILE"},
		{"no password", address, plainly, 2, "FLOWPUB_KAFKA_SASL_PASSWORD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// Variables of the collector are not flowtail's to judge.
			environ := append([]string{"FLOWPUB_LISTEN=nonsense", "HOME=/"}, tt.environ...)
			status, stdout, stderr := runIn(t, environ, "-brokers", tt.address, "-topic", "netflow", "-from", "start", "-n", "1", "-format", "csv")
			printed := strings.Contains(stdout, ",10.0.0.1,")
			if status != tt.status || printed != (tt.want == "") || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit status %d, output %q, errors:\n%s\nwant status %d and %q", status, stdout, stderr, tt.status, tt.want)
			}
			if strings.Contains(stderr, "opensesame") || strings.Contains(stderr, "bad.token") {
				t.Errorf("a secret is shown:\n%s", stderr)
			}
		})
	}
}

// securedBroker starts a broker with a flow in its topic, which transport put there,
// and returns its address.
func securedBroker(t *testing.T, transport *kafka.Transport, options ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(1), kfake.SeedTopics(1, "netflow"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	address := cluster.ListenAddrs()[0]
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(address), Transport: transport, Timeout: 10 * time.Second}
	res, err := client.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: "netflow", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(record(t, 17, 53))}),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
	return cluster, address
}

// takeOnly makes a broker, which knows no OAUTHBEARER, speak it, and take one token.
func takeOnly(cluster *kfake.Cluster, token string) {
	cluster.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := kmsg.NewPtrSASLHandshakeResponse()
		answer.Version = r.GetVersion()
		return answer, nil, true
	})
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := kmsg.NewPtrSASLAuthenticateResponse()
		answer.Version = r.GetVersion()
		request, ok := r.(*kmsg.SASLAuthenticateRequest)
		switch {
		case !ok:
			return nil, errors.New("another request"), true
		case string(request.SASLAuthBytes) == "\x01":
			answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		case string(request.SASLAuthBytes) != "n,,\x01auth=Bearer "+token+"\x01\x01":
			answer.SASLAuthBytes = []byte(`{"status":"invalid_token"}`)
		}
		return answer, nil, true
	})
}
