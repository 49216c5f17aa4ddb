package publisher

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/fakebroker"
	"github.com/flowpub/flowpub/internal/fakeregistry"
	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/registry"
)

// checked is a set-up, and what a check has to find.
type checked struct {
	name string
	// start returns the brokers, and may change the configuration.
	start func(t *testing.T, c *Config) []string
	// notOK is what each line that is not OK, in order, must begin with, verdict first,
	// and what must be in its text.
	notOK []foundLine
	// alsoOK are the beginnings of lines that must be OK.
	alsoOK []string
}

type foundLine struct{ begins, has string }

// plainBroker is a broker with the topic, all in order but that there is one replica.
func plainBroker(opts ...kfake.Opt) func(*testing.T, *Config) []string {
	return func(t *testing.T, _ *Config) []string {
		t.Helper()
		return startBroker(t, 3, opts...).ListenAddrs()
	}
}

// oneReplica is what is always told of the embedded broker's topic.
var oneReplica = foundLine{"risk settings of topic " + testTopic, "it has one replica"}

// notAsked is what follows where no broker could be asked.
var notAsked = foundLine{"unknown topics and permissions", "no broker could be asked"}

// userOf is a user of the embedded broker who may do something.
func userOf(resource kmsg.ACLResourceType, name string, operation kmsg.ACLOperation) kfake.Opt {
	return kfake.User("PLAIN", "guest", "let-me-in", kfake.ACL{
		Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: operation, Allow: true,
	})
}

func asGuest(c *Config) {
	c.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "guest", Password: "let-me-in"}
}

// faulty is a broker that answers one kind of request with an error.
func faulty(key kmsg.Key, err *kerr.Error) func(*testing.T, *Config) []string {
	return func(t *testing.T, _ *Config) []string {
		t.Helper()
		broker := startBroker(t, 3)
		broker.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: -1})
		return broker.ListenAddrs()
	}
}

// refusedLogin has a broker refuse each login as Apache Kafka does.
var refusedLogin = kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, Err: kerr.SaslAuthenticationFailed, Count: -1}

// described is a broker whose metadata are changed.
func described(change func(*kmsg.MetadataResponse)) func(*testing.T, *Config) []string {
	return func(t *testing.T, _ *Config) []string {
		t.Helper()
		return []string{fakebroker.Start(t, nil, func(b *fakebroker.Broker, r *fakebroker.Request) ([]byte, bool) {
			valid := b.Answer(r)
			if r.Key != int16(kmsg.Metadata) {
				return valid, true
			}
			answer := kmsg.NewPtrMetadataResponse()
			answer.SetVersion(r.Version)
			if err := answer.ReadFrom(valid[8:]); err != nil {
				t.Error(err)
			}
			change(answer)
			return fakebroker.Frame(r.ID, answer.AppendTo(nil)), true
		}).Address}
	}
}

// withTopic is a broker whose topic has settings.
func withTopic(settings map[string]string) func(*testing.T, *Config) []string {
	return func(t *testing.T, c *Config) []string {
		t.Helper()
		broker := startBroker(t, 1)
		c.Topic = "other"
		if err := broker.CreateTopic(c.Topic, 2, settings); err != nil {
			t.Fatal(err)
		}
		return broker.ListenAddrs()
	}
}

// withRegistry has values name a schema of a registry.
func withRegistry(change func(*fakeregistry.Registry, *registry.Config)) func(*testing.T, *Config) []string {
	return func(t *testing.T, c *Config) []string {
		t.Helper()
		r := fakeregistry.Start(t)
		c.Value, c.Registry = ValueConfluent, &registry.Config{URL: r.Server.URL}
		change(r, c.Registry)
		t.Cleanup(func() {
			for _, path := range r.Asked {
				if strings.HasSuffix(path, "/versions") {
					t.Errorf("a check has registered a schema: %s", path)
				}
			}
		})
		return startBroker(t, 3).ListenAddrs()
	}
}

var checkedSetUps = []checked{
	{
		name: "all in order", start: plainBroker(), notOK: []foundLine{oneReplica},
		alsoOK: []string{"broker 127.0.0.1:", "topic flows", "settings of topic flows", "permission to write to topic flows", "idempotence"},
	},
	{
		name: "nothing listens", start: func(t *testing.T, _ *Config) []string {
			t.Helper()
			address, _ := reserveAddress(t)
			return []string{address}
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "start the broker"}, notAsked},
	},
	{
		name: "one of two listens", start: func(t *testing.T, _ *Config) []string {
			t.Helper()
			address, _ := reserveAddress(t)
			return append(startBroker(t, 3).ListenAddrs(), address)
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "start the broker"}, oneReplica}, alsoOK: []string{"topic flows"},
	},
	{
		name: "the name is unknown", start: func(*testing.T, *Config) []string { return []string{"broker.invalid:9092"} },
		notOK: []foundLine{{"NOT OK name broker.invalid", "the name does not resolve here"}, notAsked},
	},
	{
		name: "it is no broker", start: func(t *testing.T, _ *Config) []string {
			t.Helper()
			return []string{speaks("HTTP/1.1 400 Bad Request\r\n\r\n", true, true)(t)}
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "it seems to speak HTTP"}, notAsked},
	},
	{
		name: "it wants TLS", start: func(t *testing.T, _ *Config) []string {
			t.Helper()
			return startBroker(t, 1, kfake.TLS(serverTLS(t, testca.New(t)))).ListenAddrs()
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "set FLOWPUB_KAFKA_TLS=true"}, notAsked},
	},
	{
		name: "it has no TLS", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.TLS = new(auth.TLS)
			return startBroker(t, 1).ListenAddrs()
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "set FLOWPUB_KAFKA_TLS=false"}, notAsked},
	},
	{
		name: "its authority is unknown", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.TLS = &auth.TLS{CAFile: testca.New(t).File(t)}
			return startBroker(t, 1, kfake.TLS(serverTLS(t, testca.New(t)))).ListenAddrs()
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "compare the certificate authority"}, notAsked},
	},
	{
		name: "certificates are not looked at", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			a := testca.New(t)
			certFile, keyFile := a.Issue(t, "client").Files(t)
			c.TLS = &auth.TLS{Insecure: true, CertFile: certFile, KeyFile: keyFile}
			return startBroker(t, 1, kfake.TLS(serverTLS(t, a))).ListenAddrs()
		},
		notOK: []foundLine{
			{"risk security", "certificates are not checked"},
			{"risk brokers' certificates", "the first, that of CN=broker, ends on "},
			{"risk client certificate", "replace the files of FLOWPUB_KAFKA_TLS_CERT_FILE"},
			oneReplica,
		},
	},
	{
		name: "the password is wrong", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.SASL = &auth.SASL{Mechanism: auth.ScramSHA512, Username: "router", Password: "wrong"}
			broker := startBroker(t, 1, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "router", "hunter2"))
			broker.Fault(refusedLogin)
			return broker.ListenAddrs()
		},
		notOK: []foundLine{{"NOT OK login at broker 127.0.0.1:", "correct the SASL mechanism, user name, password"}, notAsked},
	},
	{
		name: "the password is wrong, and the broker says nothing", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.SASL = &auth.SASL{Mechanism: auth.ScramSHA512, Username: "router", Password: "wrong"}
			return startBroker(t, 1, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "router", "hunter2")).ListenAddrs()
		},
		notOK: []foundLine{{"NOT OK broker 127.0.0.1:", "it may want TLS, SASL or another password"}, notAsked},
	},
	{
		name: "the password is right", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.SASL = &auth.SASL{Mechanism: auth.ScramSHA512, Username: "router", Password: "hunter2"}
			return startBroker(t, 1, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "router", "hunter2")).ListenAddrs()
		},
		notOK: []foundLine{oneReplica}, alsoOK: []string{"login: brokers accept scram-sha-512 as router"},
	},
	{
		name: "the token is refused", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			file := filepath.Join(t.TempDir(), "token")
			writeFile(t, file, "abc")
			c.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{TokenFile: file}}
			broker := startBroker(t, 1)
			bearerBroker(broker, only("right"), closes)
			return broker.ListenAddrs()
		},
		notOK: []foundLine{{"risk security", "without TLS"}, {"NOT OK login at broker 127.0.0.1:", "invalid_token"}, notAsked},
	},
	{
		name: "the token endpoint refuses", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
			t.Cleanup(endpoint.Close)
			file := filepath.Join(t.TempDir(), "secret")
			writeFile(t, file, "abc")
			c.SASL = &auth.SASL{Mechanism: auth.OAuthBearer, OAuth: auth.OAuth{TokenURL: endpoint.URL, ClientID: "flowpub", ClientSecretFile: file}}
			return startBroker(t, 1).ListenAddrs()
		},
		notOK: []foundLine{
			{"risk security", "without TLS"},
			{"risk security", "is not https"},
			{"NOT OK OAuth token endpoint", "status 401 Unauthorized"},
		},
	},
	{
		name: "what it advertises leads nowhere", start: func(t *testing.T, _ *Config) []string {
			t.Helper()
			told, _ := reserveAddress(t)
			listener := &misleadingListener{told: told}
			startBroker(t, 1, kfake.ListenFn(listener.listen))
			return []string{listener.address()}
		},
		notOK: []foundLine{
			{"NOT OK broker 0, which advertises 127.0.0.1:", "have it advertise one that can be reached from here"},
			{"unknown settings of topic flows", "connection refused"},
		},
	},
	{
		name: "the topic is missing", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.Topic = "wanted"
			return startBroker(t, 1).ListenAddrs()
		},
		notOK: []foundLine{{"NOT OK topic wanted", "kafka-topics.sh --bootstrap-server 127.0.0.1:"}},
	},
	{
		name: "the topic can be created", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.Topic, c.CreateTopic = "wanted", cluster.TopicShape{Partitions: 3, Replicas: 1}
			broker := startBroker(t, 1)
			t.Cleanup(func() {
				if broker.TopicInfo("wanted") != nil {
					t.Error("a check has created the topic")
				}
			})
			return broker.ListenAddrs()
		},
		alsoOK: []string{"topic wanted: it does not exist, and can be created as FLOWPUB_KAFKA_CREATE_TOPIC=3,1 asks for"},
	},
	{
		name: "the topic cannot be created", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.Topic, c.CreateTopic = "wanted", cluster.TopicShape{Partitions: 3, Replicas: 1}
			return faulty(kmsg.CreateTopics, kerr.TopicAuthorizationFailed)(t, c)
		},
		notOK: []foundLine{{"NOT OK topic wanted", "allow this user CREATE on the topic"}},
	},
	{
		name: "a partition has no leader", start: described(func(m *kmsg.MetadataResponse) {
			m.Topics[0].Partitions[0].Leader, m.Topics[0].Partitions[0].ISR = -1, nil
		}),
		notOK: []foundLine{{"NOT OK topic flows", "1 of 1 partition without a leader: 0"}, oneReplica, {"unknown permission", "do not say"}},
	},
	{
		name: "replicas are not in sync", start: described(func(m *kmsg.MetadataResponse) { m.Topics[0].Partitions[0].ISR = nil }),
		notOK: []foundLine{{"NOT OK settings of topic flows", "bring the missing brokers back"}, oneReplica, {"unknown permission", "do not say"}},
	},
	{
		name: "the topic is compacted", start: withTopic(map[string]string{"cleanup.policy": "compact"}),
		notOK: []foundLine{{"risk settings of topic other", "set cleanup.policy=delete"}, {"risk settings of topic other", "it has one replica"}},
	},
	{
		name: "brokers compress again", start: withTopic(map[string]string{"compression.type": "gzip"}),
		notOK: []foundLine{{"risk settings of topic other", "it has one replica"}, {"risk settings of topic other", "set compression.type=producer"}},
	},
	{
		name: "settings must not be read", start: faulty(kmsg.DescribeConfigs, kerr.TopicAuthorizationFailed),
		notOK: []foundLine{{"unknown settings of topic flows", "DESCRIBE_CONFIGS"}},
	},
	{
		name: "nothing may be seen", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			asGuest(c)
			return plainBroker(kfake.EnableSASL(), kfake.EnableACLs(), userOf(kmsg.ACLResourceTypeTopic, "another", kmsg.ACLOperationWrite))(t, c)
		},
		notOK: []foundLine{
			{"risk security", "without TLS"},
			{"NOT OK topic flows", "give this user WRITE and DESCRIBE on the topic"},
		},
	},
	{
		name: "nothing may be written", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			asGuest(c)
			return plainBroker(kfake.EnableSASL(), kfake.EnableACLs(), userOf(kmsg.ACLResourceTypeTopic, testTopic, kmsg.ACLOperationDescribe))(t, c)
		},
		notOK: []foundLine{
			{"risk security", "without TLS"},
			{"unknown settings of topic flows", "DESCRIBE_CONFIGS"},
			{"NOT OK permission to write to topic flows", "give this user WRITE and DESCRIBE on the topic"},
			{"risk idempotence", "allow WRITE on the topic"},
		},
		alsoOK: []string{"topic flows", "login: brokers accept plain as guest"},
	},
	{
		name: "what is needed may be written", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			asGuest(c)
			return plainBroker(kfake.EnableSASL(), kfake.EnableACLs(), userOf(kmsg.ACLResourceTypeTopic, testTopic, kmsg.ACLOperationWrite))(t, c)
		},
		notOK:  []foundLine{{"risk security", "without TLS"}, {"unknown settings of topic flows", "DESCRIBE_CONFIGS"}},
		alsoOK: []string{"permission to write to topic flows", "idempotence"},
	},
	{
		name: "idempotence is refused", start: faulty(kmsg.InitProducerID, kerr.ClusterAuthorizationFailed),
		notOK: []foundLine{oneReplica, {"risk idempotence", "allow WRITE on the topic"}},
	},
	{
		name: "idempotence is refused and required", start: func(t *testing.T, c *Config) []string {
			t.Helper()
			c.IdempotentRequired = true
			return faulty(kmsg.InitProducerID, kerr.ClusterAuthorizationFailed)(t, c)
		},
		notOK: []foundLine{oneReplica, {"NOT OK idempotence", "allow WRITE on the topic"}},
	},
	{
		name: "the registry does not have the schema", start: withRegistry(func(*fakeregistry.Registry, *registry.Config) {}),
		notOK: []foundLine{oneReplica}, alsoOK: []string{"schema registry, subject flows-value: it answers, and does not have the schema yet"},
	},
	{
		name:  "the registry has the schema",
		start: withRegistry(func(r *fakeregistry.Registry, _ *registry.Config) { r.Add("flows-value", flowv1.Schema) }),
		notOK: []foundLine{oneReplica}, alsoOK: []string{"schema registry, subject flows-value: it has the flow records' schema"},
	},
	{
		name:  "the registry wants a password",
		start: withRegistry(func(r *fakeregistry.Registry, _ *registry.Config) { r.Username = "flowpub" }),
		notOK: []foundLine{oneReplica, {"NOT OK schema registry", "correct FLOWPUB_SCHEMA_REGISTRY_USERNAME"}},
	},
	{
		name:  "the registry is elsewhere",
		start: withRegistry(func(_ *fakeregistry.Registry, c *registry.Config) { c.URL += "/elsewhere" }),
		notOK: []foundLine{oneReplica, {"NOT OK schema registry", "correct FLOWPUB_SCHEMA_REGISTRY_URL"}},
	},
	{
		name:  "the registry is away",
		start: withRegistry(func(r *fakeregistry.Registry, _ *registry.Config) { r.Server.Close() }),
		notOK: []foundLine{oneReplica, {"NOT OK schema registry", "check whether the registry runs"}},
	},
}

// In each set-up the lines that are not OK are those of what is wrong, with the cure that
// the log would have, and no others.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range checkedSetUps {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := DefaultConfig()
			cfg.Brokers = tt.start(t, &cfg)
			if err := cfg.Validate(); err != nil {
				t.Fatal(err)
			}
			lines := checkLines(t, cfg)
			var wrong []checkup.Line
			var fine []string
			for _, l := range lines {
				if l.What == "clock" { // the embedded broker does not tell its time
					continue
				}
				if l.Verdict == checkup.OK {
					fine = append(fine, l.What+": "+l.Found)
				} else {
					wrong = append(wrong, l)
				}
			}
			if len(wrong) != len(tt.notOK) {
				t.Fatalf("%d lines are not OK, want %d", len(wrong), len(tt.notOK))
			}
			for i, l := range wrong {
				begins := l.Verdict.String() + " " + l.What
				if text := l.Found + "\n" + l.Cure; !strings.HasPrefix(begins, tt.notOK[i].begins) || !strings.Contains(text, tt.notOK[i].has) {
					t.Errorf("line %d is %+v, want %+v", i, l, tt.notOK[i])
				}
				if l.Verdict == checkup.Broken && l.Cure == "" {
					t.Errorf("no cure is told: %+v", l)
				}
			}
			for _, want := range tt.alsoOK {
				if !hasPrefix(fine, want) {
					t.Errorf("no line is OK that begins with %q", want)
				}
			}
		})
	}
}

func hasPrefix(lines []string, prefix string) bool {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			return true
		}
	}
	return false
}

// checkLines returns what a check tells.
func checkLines(t *testing.T, cfg Config) []checkup.Line {
	t.Helper()
	var lines []checkup.Line
	Check(t.Context(), cfg, func(l checkup.Line) {
		t.Logf("%v %s: %s (%s)", l.Verdict, l.What, l.Found, l.Cure)
		lines = append(lines, l)
	})
	return lines
}

// A broker that refuses a login gets no second one: nobody is locked out. It takes its time over it, as brokers
// that ask a directory do.
func TestCheckLogsInOnce(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1, kfake.NumBrokers(3), kfake.EnableSASL(), kfake.Superuser("PLAIN", "router", "hunter2"))
	broker.ControlKey(int16(kmsg.SASLAuthenticate), func(kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		broker.SleepControl(func() { <-time.After(time.Second) })
		return nil, nil, false
	})
	logins := broker.Fault(refusedLogin)
	cfg := DefaultConfig()
	cfg.Brokers = broker.ListenAddrs()
	cfg.SASL = &auth.SASL{Mechanism: auth.Plain, Username: "router", Password: "wrong"}
	lines := checkLines(t, cfg)
	if n := logins.Hits(); n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	if n := len(lines); n != 5 { // security, a login, two brokers, topics
		t.Errorf("%d lines, want 5", n)
	}
	broken := 0
	for _, l := range lines {
		if l.Verdict == checkup.Broken {
			broken++
		}
	}
	if broken != 1 {
		t.Errorf("%d lines are broken, want that of the refused login alone", broken)
	}
}

// Brokers that do not answer keep a check for a bounded time, all together.
func TestCheckOfSilentBrokers(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	cfg := DefaultConfig()
	for range 20 {
		cfg.Brokers = append(cfg.Brokers, speaks("", true, false)(t))
	}
	began := time.Now()
	lines := checkLines(t, cfg)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v, want a minute at most", took)
	}
	if len(lines) != len(cfg.Brokers)+1 {
		t.Errorf("%d lines, want one for each broker and one for topics", len(lines))
	}
}

// The clock is compared with that of a broker that tells it.
func TestCheckClock(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.Brokers = []string{fakebroker.Start(t, nil, nil).Address}
	for broker, want := range map[string]checkup.Verdict{
		cfg.Brokers[0]:                     checkup.OK,
		startBroker(t, 1).ListenAddrs()[0]: checkup.Unknown,
	} {
		cfg.Brokers = []string{broker}
		for _, l := range checkLines(t, cfg) {
			if l.What == "clock" && (l.Verdict != want || want != checkup.OK && !strings.Contains(l.Cure, "NTP")) {
				t.Errorf("%+v, want it to be %v", l, want)
			}
		}
	}
}
