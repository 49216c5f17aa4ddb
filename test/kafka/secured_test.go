//go:build kafka

package kafka_test

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher"
)

// Who the secured broker knows. The first may do everything, the guests what they
// are permitted.
const (
	user, password              = "flowpub", "open-sesame"
	guest, guestPassword        = "guest", "let-me-in"
	reader, readerPassword      = "reader", "let-me-look"
	keeper, keeperPassword      = "keeper", "let-me-store"
	rotated, oldPass, freshPass = "rotated", "old-password", "fresh-password"
)

// secured is a broker with a listener for each way to be secure. Those that a test
// changes, or whose connections it counts, are that test's.
type secured struct {
	*cluster
	ca        *testca.Authority
	caFile    string
	addresses map[string]string // of the listeners
}

// securedListeners are the listeners with their protocols.
var securedListeners = map[string]string{
	"SECURED":   "SASL_SSL",       // every mechanism
	"GUEST":     "SASL_PLAINTEXT", // PLAIN, for those who need permission
	"PASSWORD":  "SASL_SSL",       // SCRAM, for a password that is replaced
	"TOKEN":     "SASL_SSL",       // OAUTHBEARER; connections end with their token
	"MUTUAL":    "SSL",            // wants a client certificate
	"CLIENT":    "SSL",            // the same, for one that is replaced
	"AUTHORITY": "SSL",            // for an authority that is replaced
	"EXPIRED":   "SSL",            // its certificate has expired
}

// startSecured starts it.
func startSecured(t *testing.T) *secured {
	t.Helper()
	s := &secured{ca: testca.New(t), addresses: make(map[string]string)}
	s.caFile = s.ca.File(t)
	ports := freePorts(t, 2+len(securedListeners))
	protocols := "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	var listeners []string
	for name, protocol := range securedListeners {
		s.addresses[name] = "127.0.0.1:" + ports[2+len(listeners)]
		listeners = append(listeners, name+"://"+s.addresses[name])
		protocols += "," + name + ":" + protocol
	}
	config := testca.File(t, "secured.properties", []byte("listener.security.protocol.map="+protocols+`
ssl.keystore.type=PEM
ssl.keystore.location=`+testca.File(t, "keystore.pem", s.ca.Issue(t, "broker").Keystore())+`
ssl.truststore.type=PEM
ssl.truststore.location=`+s.caFile+`
listener.name.expired.ssl.keystore.type=PEM
listener.name.expired.ssl.keystore.location=`+testca.File(t, "expired.pem", s.ca.IssueExpired(t, "broker").Keystore())+`
listener.name.mutual.ssl.client.auth=required
listener.name.client.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
`+jaas("secured.plain", "plain.PlainLoginModule", user, password)+
		jaas("secured.scram-sha-256", "scram.ScramLoginModule", "", "")+
		jaas("secured.scram-sha-512", "scram.ScramLoginModule", "", "")+
		jaas("secured.oauthbearer", "oauthbearer.OAuthBearerLoginModule", "", "")+`
listener.name.guest.sasl.enabled.mechanisms=PLAIN
`+jaas("guest.plain", "plain.PlainLoginModule", guest, guestPassword, reader, readerPassword, keeper, keeperPassword)+`
listener.name.password.sasl.enabled.mechanisms=SCRAM-SHA-512
`+jaas("password.scram-sha-512", "scram.ScramLoginModule", "", "")+`
listener.name.token.sasl.enabled.mechanisms=OAUTHBEARER
listener.name.token.oauthbearer.connections.max.reauth.ms=3600000
`+jaas("token.oauthbearer", "oauthbearer.OAuthBearerLoginModule", "", "")+`
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:`+user+`;User:`+rotated+`;User:CN=`+user+`
producer.id.expiration.ms=1000
producer.id.expiration.check.interval.ms=500
num.network.threads=1
`))
	s.cluster = startOn(t, ports[:2], "KAFKA_LISTENERS="+strings.Join(listeners, ","), "KAFKA_CONFIG="+config,
		"KAFKA_SCRAM=name="+user+",password="+password)
	return s
}

// jaas is the setting of a listener's mechanism: the class that logs in, and the
// users with their passwords, where Kafka has no other place for them.
func jaas(where, module string, users ...string) string {
	text := "listener.name." + where + ".sasl.jaas.config=org.apache.kafka.common.security." + module + " required"
	for i := 0; i < len(users); i += 2 {
		if users[i] != "" {
			text += fmt.Sprintf(" user_%s=%q", users[i], users[i+1])
		}
	}
	if strings.HasPrefix(module, "oauthbearer") {
		text += ` unsecuredLoginStringClaim_sub="broker"`
	}
	return text + ";\n"
}

// setPassword gives a user another password for SCRAM-SHA-512.
func (s *secured) setPassword(t *testing.T, name, secret string) {
	t.Helper()
	const iterations = 4096
	salt := []byte(rand.Text())
	salted, err := pbkdf2.Key(sha512.New, secret, salt, iterations, sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	change := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	change.Name, change.Mechanism, change.Iterations = name, 2, iterations
	change.Salt, change.SaltedPassword = salt, salted
	request := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	request.Upsertions = append(request.Upsertions, change)
	response, err := request.RequestWith(t.Context(), s.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Results[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("setting the password of %s: %v", name, err)
	}
}

// setCertificate gives a listener another certificate while it runs.
func (s *secured) setCertificate(t *testing.T, listener string, pair testca.Pair) {
	t.Helper()
	setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	value := testca.File(t, "keystore.pem", pair.Keystore())
	setting.Name = "listener.name." + strings.ToLower(listener) + ".ssl.keystore.location"
	setting.Value, setting.Op = &value, kmsg.IncrementalAlterConfigOpSet
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
	resource.Configs = append(resource.Configs, setting)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(t.Context(), s.admin)
	if err == nil {
		err = kerr.ErrorForCode(response.Resources[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("changing the certificate of listener %s: %v", listener, err)
	}
}

// unsecuredToken is a token of the user as Kafka's unsecured validator takes it
// (RFC 7515, appendix A.5), good for a time from now.
func unsecuredToken(t *testing.T, lifetime time.Duration) string {
	t.Helper()
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"sub": user, "iat": float64(now.Add(-time.Minute).Unix()), "exp": float64(now.Add(lifetime).UnixMilli()) / 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(claims) + "."
}

// replaceFile puts another content into a file, all at once.
func replaceFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// logbook keeps what a publisher logs.
type logbook struct {
	mu    sync.Mutex
	lines []logLine
}

// logLine is a line of the log as far as tests look at it.
type logLine struct {
	Message string `json:"msg"`
	Topic   string `json:"topic"`
	Broker  any    `json:"broker"`
	Address string `json:"address"`
	Error   string `json:"error"`
	Cure    string `json:"cure"`
}

// logTo has a publisher log to the test and to the logbook that is returned.
func logTo(t *testing.T, cfg *publisher.Config) *logbook {
	t.Helper()
	l := new(logbook)
	cfg.Logger = slog.New(slog.NewMultiHandler(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(l, nil)))
	return l
}

// Write takes one line.
func (l *logbook) Write(b []byte) (int, error) {
	var line logLine
	err := json.Unmarshal(b, &line)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return len(b), err
}

// find returns the first line with a message whose error has a text in it.
func (l *logbook) find(message, text string) (line logLine, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line.Message == message && strings.Contains(line.Error, text) {
			return line, true
		}
	}
	return logLine{}, false
}

// await waits for such a line.
func (l *logbook) await(t *testing.T, message, text string) logLine {
	t.Helper()
	var line logLine
	testwait.Until(t, 30*time.Second, "it is logged: "+message+": "+text, func() (found bool) {
		line, found = l.find(message, text)
		return found
	})
	return line
}
