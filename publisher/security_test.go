package publisher

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/failure"
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
		c.TLS = &auth.TLS{CAFile: a.File(t), CertFile: certFile, KeyFile: keyFile}
	})
	n := publish(t, p, 0, 100, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// A broker that cannot be trusted, or does not trust us, is named with its
// cure, and nothing is lost while that lasts.
func TestTLSProblems(t *testing.T) {
	t.Parallel()
	a, stranger := testca.New(t), testca.New(t)
	certFile, keyFile := a.Issue(t, "client").Files(t)
	strangeCert, strangeKey := stranger.Issue(t, "client").Files(t)
	tests := map[string]*auth.TLS{
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
			if kind := failure.Of(p.cluster.Problem()); kind.Name != failure.TLS.Name {
				t.Errorf("%v is of kind %q, want %q", p.cluster.Problem(), kind.Name, failure.TLS.Name)
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
		auth.Plain: "PLAIN", auth.ScramSHA256: "SCRAM-SHA-256", auth.ScramSHA512: "SCRAM-SHA-512",
	} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 1, kfake.EnableSASL(), kfake.Superuser(theirs, "router", "hunter2"))
			p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
				c.SASL = &auth.SASL{Mechanism: mechanism, Username: "router", Password: "hunter2"}
			})
			n := publish(t, p, 0, 100, 30)
			closeWithin(t, p, patience)
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
		c.SASL = &auth.SASL{Mechanism: auth.ScramSHA512, Username: "router", PasswordFile: file}
	})
	n := publish(t, p, 0, 10, 30)
	eventually(t, 10*time.Second, "the reason is told", func() bool {
		kind := failure.Of(p.cluster.Problem())
		return kind == failure.Lost && strings.Contains(kind.Cure, "password")
	})
	if missing := p.Missing(); len(missing) != 1 || strings.Contains(missing[0], "wrong-password") {
		t.Errorf("missing %q, want one thing without the password", missing)
	}
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// Each partition that fails is tried for itself. If it is a revoked password that
// they fail of, brokers see no more of them than those under way and one each 5 s.
func TestRevokedPasswordIsNotTriedByAll(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 12, kfake.EnableSASL(), kfake.Superuser("PLAIN", "router", "hunter2"))
	var revoked atomic.Bool
	var refused atomic.Int32
	broker.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if !revoked.Load() {
			return nil, nil, false
		}
		refused.Add(1)
		answer := kmsg.NewPtrSASLAuthenticateResponse()
		answer.Version = r.GetVersion()
		answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return answer, nil, true
	})
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		if revoked.Load() {
			return nil, errors.New("closing the connection"), true
		}
		return nil, nil, false
	})
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "router", Password: "hunter2"}
	})
	n := publish(t, p, 0, 64, 30)
	eventually(t, patience, "the first flows are delivered", func() bool { return p.Stats().Delivered == n })
	revoked.Store(true)
	n += publish(t, p, 64, 128, 30)
	eventually(t, 10*time.Second, "the password is refused", func() bool { return refused.Load() > 0 })
	const watched = 6 * time.Second
	<-time.After(watched)
	if got, most := refused.Load(), int32(maxRequestsPerBroker+1+watched/failure.SlowPause); got > most {
		t.Errorf("%d logins in %v, want at most %d", got, watched, most)
	}
	revoked.Store(false)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}

// answerAlways has an embedded broker give answers of ours to a kind of request.
func answerAlways[R kmsg.Request](broker *kfake.Cluster, answer func(R) kmsg.Response) {
	var kind R
	broker.ControlKey(kind.Key(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		request, ok := r.(R)
		if !ok {
			return nil, errors.New("another request"), true
		}
		response := answer(request)
		response.SetVersion(r.GetVersion())
		return response, nil, true
	})
}

// Brokers have a text of their own in several kinds of answers. Where they are logged
// in to, it is not shown: it may repeat the password.
func TestAnswersThatRepeatASecret(t *testing.T) {
	t.Parallel()
	const password = "p&ss/w?rd"
	text := "not as " + url.QueryEscape(password)
	broker := startBroker(t, 1, kfake.SeedTopics(1, testDead), kfake.EnableSASL(), kfake.Superuser("PLAIN", "router", password))
	answerAlways(broker, func(request *kmsg.ProduceRequest) kmsg.Response {
		answer := kmsg.NewPtrProduceResponse()
		for _, asked := range request.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic = asked.Topic
			for _, part := range asked.Partitions {
				p := kmsg.NewProduceResponseTopicPartition()
				p.Partition, p.ErrorCode, p.ErrorMessage = part.Partition, kerr.TopicAuthorizationFailed.Code, &text
				topic.Partitions = append(topic.Partitions, p)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer
	})
	answerAlways(broker, func(request *kmsg.CreateTopicsRequest) kmsg.Response {
		answer := kmsg.NewPtrCreateTopicsResponse()
		for _, asked := range request.Topics {
			topic := kmsg.NewCreateTopicsResponseTopic()
			topic.Topic, topic.ErrorCode, topic.ErrorMessage = asked.Topic, kerr.PolicyViolation.Code, &text
			answer.Topics = append(answer.Topics, topic)
		}
		return answer
	})
	answerAlways(broker, func(request *kmsg.DescribeConfigsRequest) kmsg.Response {
		answer := kmsg.NewPtrDescribeConfigsResponse()
		for _, asked := range request.Resources {
			resource := kmsg.NewDescribeConfigsResponseResource()
			resource.ResourceType, resource.ResourceName = asked.ResourceType, asked.ResourceName
			resource.ErrorCode, resource.ErrorMessage = kerr.TopicAuthorizationFailed.Code, &text
			answer.Resources = append(answer.Resources, resource)
		}
		return answer
	})
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		withDead(c)
		c.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "router", Password: password}
		c.Routes = []Route{{Network: netip.MustParsePrefix("198.51.100.0/24"), Topic: "missing"}}
		c.CreateTopic = cluster.TopicShape{Partitions: 1, Replicas: 1}
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	publish(t, p, 0, 10, 30)
	bury(p, "short", 1)
	for _, message := range []string{
		"Kafka did not take a batch, trying again", "dead letters could not be delivered",
		"the topic is missing and could not be created", "cannot read the topic's settings",
	} {
		eventually(t, 10*time.Second, message, func() bool {
			_, rest, found := strings.Cut(log.Text(), message)
			line, _, _ := strings.Cut(rest, "\n")
			return found && (strings.Contains(line, "Authorization Failed") || strings.Contains(line, "Policy Violation"))
		})
	}
	if strings.Contains(log.Text()+strings.Join(p.Missing(), ""), text) {
		t.Errorf("the password is shown:\n%s", log.Text())
	}
}

// What anybody on the way could read is warned of at the start.
func TestSecretsWithoutTLSAreWarnedOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sasl *auth.SASL
		tls  *auth.TLS
		want bool
	}{
		{nil, nil, false},
		{&auth.SASL{Mechanism: auth.Plain}, nil, true},
		{&auth.SASL{Mechanism: auth.OAuthBearer}, nil, true},
		{&auth.SASL{Mechanism: auth.ScramSHA256}, nil, false},
		{&auth.SASL{Mechanism: auth.Plain}, new(auth.TLS), false},
	} {
		var log testlog.Book
		c := &core{cfg: Config{SASL: test.sasl, TLS: test.tls}, log: log.Logger()}
		c.warnOfSecurity()
		if got := log.Has("cure=\"set FLOWPUB_KAFKA_TLS=true"); got != test.want {
			t.Errorf("with %v and TLS %v: warned %v, want %v", test.sasl, test.tls, got, test.want)
		}
	}
}
