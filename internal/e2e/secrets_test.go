//go:build linux

package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/exporter"
	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testwait"
)

// The secrets that flowpub is given. Each looks different in every encoding.
const (
	passwordSecret    = "p&ss/w?rd+with=%all~that"
	otherPassword     = "s3cond/p&ss?word=~%+"
	registryPassword  = "registry's p&ss/w?rd=~%+"
	oauthClientSecret = "client/s&cret?+=%~"
	urlSecret         = "url-parameter-secret"
	fileToken         = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmbG93cHViIiwibiI6MX0.c2lnbmF0dXJl"
	endpointToken     = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmbG93cHViIiwibiI6Mn0.c2lnbmF0dXJl"
)

// guardedKinds has every kind of secret, each with a Kafka that wants it. Whoever
// adds a variable that names a secret adds a line here.
var guardedKinds = map[string]func(t *testing.T) *guarded{
	"SASL password":       guardedByPassword,
	"SASL password file":  guardedByPasswordFile,
	"OAuth token file":    guardedByTokenFile,
	"OAuth client secret": guardedByClientSecret,
	"TLS key":             guardedByKey,
}

// guarded is a Kafka that wants a secret. While it refuses, it repeats all that it
// was sent and all that it knows, in every form.
type guarded struct {
	gate    *gate
	cluster *kfake.Cluster
	environ []string
	secrets []string
	refuses atomic.Bool
	// complaint is a part of what the log has while it refuses.
	complaint string
}

// start runs the broker.
func (g *guarded) start(t *testing.T, opts ...kfake.Opt) {
	t.Helper()
	g.gate = newGate(t)
	var err error
	g.cluster, err = kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(2, topic),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return g.gate, nil }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.cluster.Close)
	g.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.cluster.KeepControl()
		request, ok := r.(*kmsg.SASLAuthenticateRequest)
		if !ok || !g.refuses.Load() {
			return nil, nil, false
		}
		answer := kmsg.NewPtrSASLAuthenticateResponse()
		answer.Version = r.GetVersion()
		text := g.everything(string(request.SASLAuthBytes))
		answer.ErrorCode, answer.ErrorMessage = kerr.SaslAuthenticationFailed.Code, &text
		return answer, nil, true
	})
}

// everything is what a careless peer might put into an error.
func (g *guarded) everything(sent string) string {
	all := strings.Join(append(slices.Clone(g.secrets), sent), " ")
	return all + " " + url.QueryEscape(all) + " " + base64.StdEncoding.EncodeToString([]byte(all)) + " " +
		base64.URLEncoding.EncodeToString([]byte(all))
}

func guardedByPassword(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{secrets: []string{passwordSecret}, complaint: "SASL Authentication Failed"}
	g.start(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "flowpub", passwordSecret))
	g.environ = []string{
		"FLOWPUB_KAFKA_SASL_MECHANISM=plain", "FLOWPUB_KAFKA_SASL_USERNAME=flowpub", "FLOWPUB_KAFKA_SASL_PASSWORD=" + passwordSecret,
	}
	return g
}

func guardedByPasswordFile(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{secrets: []string{otherPassword}, complaint: "SASL Authentication Failed"}
	g.start(t, kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "flowpub", otherPassword))
	g.environ = []string{
		"FLOWPUB_KAFKA_SASL_MECHANISM=scram-sha-512", "FLOWPUB_KAFKA_SASL_USERNAME=flowpub",
		"FLOWPUB_KAFKA_SASL_PASSWORD_FILE=" + testca.File(t, "password", []byte(otherPassword+"\n")),
	}
	return g
}

func guardedByTokenFile(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{secrets: []string{fileToken}, complaint: "SASL Authentication Failed"}
	g.start(t)
	g.acceptBearer(fileToken)
	g.environ = []string{
		"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer",
		"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + testca.File(t, "token", []byte(fileToken)),
	}
	return g
}

// guardedByClientSecret has an endpoint that refuses together with the broker.
func guardedByClientSecret(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{secrets: []string{oauthClientSecret, endpointToken, urlSecret}, complaint: "OAuth token from http://"}
	g.start(t)
	g.acceptBearer(endpointToken)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"access_token": endpointToken, "token_type": "Bearer", "expires_in": 3600}
		if g.refuses.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			text := g.everything(r.URL.String() + r.Header.Get("Authorization") + string(body))
			answer = map[string]any{"error": "invalid_client", "error_description": text, "error_uri": text}
		}
		json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(endpoint.Close)
	g.environ = []string{
		"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer",
		"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=" + endpoint.URL + "/token?key=" + urlSecret,
		"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=flowpub",
		"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + testca.File(t, "secret", []byte(oauthClientSecret)),
	}
	return g
}

// acceptBearer has the broker take a token, when it does not refuse: the embedded
// one knows no OAUTHBEARER.
func (g *guarded) acceptBearer(token string) {
	g.cluster.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.cluster.KeepControl()
		answer := kmsg.NewPtrSASLHandshakeResponse()
		answer.Version = r.GetVersion()
		return answer, nil, true
	})
	g.cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.cluster.KeepControl()
		request, ok := r.(*kmsg.SASLAuthenticateRequest)
		if !ok || string(request.SASLAuthBytes) != "n,,\x01auth=Bearer "+token+"\x01\x01" {
			return nil, errors.New("another token"), true
		}
		answer := kmsg.NewPtrSASLAuthenticateResponse()
		answer.Version = r.GetVersion()
		return answer, nil, true
	})
}

// guardedByKey wants a client certificate; it refuses by showing one that an
// unknown authority has signed.
func guardedByKey(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{complaint: "tls: failed to verify certificate"}
	a := testca.New(t)
	serving := func(cert tls.Certificate) *tls.Config {
		return &tls.Config{
			Certificates: []tls.Certificate{cert}, ClientCAs: a.Pool(), ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}
	}
	trusted, strange := serving(a.Issue(t, "broker").TLS(t)), serving(testca.New(t).Issue(t, "broker").TLS(t))
	trusted.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if g.refuses.Load() {
			return strange, nil
		}
		return nil, nil
	}
	g.start(t, kfake.TLS(trusted))
	client := a.Issue(t, "client")
	g.secrets = keySecrets(t, client.Key)
	certFile, keyFile := client.Files(t)
	g.environ = []string{
		"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CA_FILE=" + a.File(t),
		"FLOWPUB_KAFKA_TLS_CERT_FILE=" + certFile, "FLOWPUB_KAFKA_TLS_KEY_FILE=" + keyFile,
	}
	return g
}

// keySecrets are the parts of a key that nobody may see: the lines of its PEM,
// which are base64, and the number that it is.
func keySecrets(t *testing.T, key []byte) []string {
	t.Helper()
	block, _ := pem.Decode(key)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	number, ok := parsed.(interface{ Bytes() ([]byte, error) })
	if !ok {
		t.Fatalf("the key is a %T", parsed)
	}
	raw, err := number.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{string(raw)}
	for line := range strings.Lines(string(key)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") {
			secrets = append(secrets, line)
		}
	}
	return secrets
}

// Nothing that flowpub writes, at level debug, or serves has a secret in it, in
// any form: while Kafka refuses it from the start, while it flows, and when Kafka
// refuses it later.
func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	for kind, guard := range guardedKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := guard(t)
			g.refuses.Store(true)
			p := startFlowpub(t, g.gate.address, append(g.environ,
				"FLOWPUB_LOG_LEVEL=debug", "FLOWPUB_HTTP_PPROF=true", "FLOWPUB_SHUTDOWN_TIMEOUT=1s")...)
			testwait.Until(t, 20*time.Second, "the refusal is logged", func() bool { return p.says(g.complaint, "no metadata of the topics") })
			p.checkPages(t, g.secrets)

			g.refuses.Store(false)
			p.awaitReady(t)
			l := startLoad(t, exporter.Config{Target: p.UDP, Exporters: 4, Rate: 1000})
			testwait.Until(t, 20*time.Second, "it flows", func() bool { return p.scrape(t).count("flows_delivered_total") > 0 })

			g.refuses.Store(true)
			g.gate.shut()
			g.gate.open(t)
			testwait.Until(t, 20*time.Second, "the refusal of a batch is logged", func() bool { return p.says("Kafka did not take a batch, trying again") })
			p.checkPages(t, g.secrets)
			l.stop(t)
			p.signal(t, syscall.SIGTERM)
			<-p.Exited
			checkNoSecret(t, "the log", strings.Join(p.Log(), "\n"), g.secrets)
			checkNoSecret(t, "standard output", p.Stdout.String(), g.secrets)
		})
	}
}

// Nor is the password for a schema registry, while the registry refuses it and
// repeats it in every form, and when it is taken.
func TestNoRegistrySecretIsShown(t *testing.T) {
	t.Parallel()
	g := &guarded{secrets: []string{registryPassword}}
	g.start(t)
	g.refuses.Store(true)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if !g.refuses.Load() && password == registryPassword {
			io.WriteString(w, `{"id":1}`)
			return
		}
		text := g.everything(r.Header.Get("Authorization"))
		w.Header().Set("Location", "https://registry.example.net/"+url.PathEscape(text))
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(map[string]any{"error_code": 40301, "message": text})
	}))
	t.Cleanup(registry.Close)
	p := startFlowpub(t, g.gate.address, "FLOWPUB_LOG_LEVEL=debug", "FLOWPUB_HTTP_PPROF=true", "FLOWPUB_KAFKA_VALUE=confluent",
		"FLOWPUB_SCHEMA_REGISTRY_URL="+registry.URL, "FLOWPUB_SCHEMA_REGISTRY_USERNAME=flowpub",
		"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE="+testca.File(t, "password", []byte(registryPassword+"\n")))
	testwait.Until(t, 20*time.Second, "the refusal is logged", func() bool { return p.says("status 403 Forbidden, error code 40301", "gives no id") })
	p.checkPages(t, g.secrets)
	g.refuses.Store(false)
	p.awaitReady(t)
	p.checkPages(t, g.secrets)
	p.signal(t, syscall.SIGTERM)
	<-p.Exited
	checkNoSecret(t, "the log", strings.Join(p.Log(), "\n"), g.secrets)
	checkNoSecret(t, "standard output", p.Stdout.String(), g.secrets)
}

// Secrets in the wrong variables, and with everything else that is wrong, show no
// more; nor does the help.
func TestMistakesShowNoSecret(t *testing.T) {
	t.Parallel()
	key := string(testca.New(t).Issue(t, "client").Key)
	secrets := append(keySecrets(t, []byte(key)), passwordSecret, otherPassword, oauthClientSecret, urlSecret, fileToken, registryPassword)
	ofLines := []string{
		"FLOWPUB_KAFKA_BROKERS=flowpub:" + passwordSecret + "@kafka:9092",
		"FLOWPUB_KAFKA_SASL_PASSWORD=" + passwordSecret,
		"FLOWPUB_KAFKA_SASL_PASWORD=" + passwordSecret,
		"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=ftp://flowpub:" + urlSecret + "@%zz/?key=" + urlSecret,
		"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET=" + oauthClientSecret,
		"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + oauthClientSecret + "\n",
		"FLOWPUB_KAFKA_TLS_KEY_FILE=" + key,
		"FLOWPUB_KAFKA_VALUE=confluent",
		"FLOWPUB_SCHEMA_REGISTRY_URL=https://flowpub:" + registryPassword + "@registry",
		"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE=" + registryPassword + "\n",
	}
	ofOneLine := []string{
		"FLOWPUB_KAFKA_BROKERS=kafka:9092",
		"FLOWPUB_KAFKA_SASL_PASSWORD_FILE=" + otherPassword,
		"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + fileToken,
		"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + oauthClientSecret,
		"FLOWPUB_KAFKA_VALUE=confluent",
		"FLOWPUB_SCHEMA_REGISTRY_URL=https://registry",
		"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE=" + registryPassword,
		"FLOWPUB_KAFKA_TLS_CERT_FILE=" + strings.ReplaceAll(key, "\n", `\n`),
		"FLOWPUB_KAFKA_TLS_KEY_FILE=" + strings.ReplaceAll(key, "\n", `\n`),
	}
	for _, environ := range [][]string{
		append(ofLines, "FLOWPUB_KAFKA_SASL_MECHANISM=kerberos"),
		append(ofLines, "FLOWPUB_KAFKA_SASL_MECHANISM=plain"),
		append(ofLines, "FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer"),
		append(ofOneLine, "FLOWPUB_KAFKA_TLS=false"),
		append(ofOneLine, "FLOWPUB_KAFKA_SASL_MECHANISM=scram-sha-256", "FLOWPUB_KAFKA_SASL_USERNAME=flowpub", "FLOWPUB_KAFKA_TLS=true"),
		append(ofOneLine, "FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_TLS=true"),
		append(ofOneLine, "FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=",
			"FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=https://idp.example.net/", "FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=flowpub"),
	} {
		for status, args := range map[int][]string{2: nil, 0: {"-h"}} {
			command := exec.Command(program, args...)
			command.Env = environ
			output, err := command.CombinedOutput()
			if got := command.ProcessState.ExitCode(); got != status {
				t.Errorf("flowpub %v: exit status %d, want %d: %v\n%s", args, got, status, err, output)
			}
			checkNoSecret(t, "what is written", string(output), secrets)
		}
	}
}

// says reports whether a line of the log has all of some texts.
func (p *process) says(texts ...string) bool {
	return slices.ContainsFunc(p.Log(), func(line string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
}

var link = regexp.MustCompile(`href=['"]([^'"]+)['"]`)

// checkPages looks at every page that can be reached from the first one.
func (p *process) checkPages(t *testing.T, secrets []string) {
	t.Helper()
	seen := make(map[string]bool)
	for left := []string{"/"}; len(left) > 0; {
		path := left[0]
		left = left[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		_, body := p.get(t, path)
		checkNoSecret(t, path, body, secrets)
		checkNoSecret(t, path+" unpacked", unpacked(body), secrets)
		base := &url.URL{Path: path}
		for _, match := range link.FindAllStringSubmatch(body, -1) {
			if to, err := base.Parse(match[1]); err == nil && to.Host == "" {
				left = append(left, page(to))
			}
		}
	}
	for _, path := range []string{"/status", "/metrics", "/readyz", "/debug/pprof/goroutine?debug=2"} {
		if !seen[path] {
			t.Errorf("%s was not looked at, only %q", path, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// page is what to ask for to see a page; profiles over time are cut short.
func page(to *url.URL) string {
	if strings.HasSuffix(to.Path, "/profile") || strings.HasSuffix(to.Path, "/trace") {
		return to.Path + "?seconds=1"
	}
	to.Fragment = ""
	return to.String()
}

// unpacked returns the content of what is gzip; nothing if it is not.
func unpacked(body string) string {
	r, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		return ""
	}
	var content bytes.Buffer
	io.Copy(&content, r)
	return content.String()
}

// checkNoSecret fails the test if a text has a secret in it in any form.
func checkNoSecret(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for i, secret := range secrets {
		for form, hidden := range secretForms(secret) {
			if at := strings.Index(text, hidden); at >= 0 {
				t.Errorf("%s shows secret %d of %d, %s: %q", where, i+1, len(secrets), form, text[max(0, at-80):min(len(text), at+len(hidden)+20)])
			}
		}
	}
}

// secretForms is what a secret looks like: as it is, as part of a URL, quoted, and
// in the base64 of something that it is a part of, by how many bytes come before
// it, with what its neighbours have a share in cut off.
func secretForms(secret string) map[string]string {
	forms := map[string]string{
		"as it is": secret, "in a query": url.QueryEscape(secret), "in a path": url.PathEscape(secret),
		"as a component": strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"), "quoted": strings.Trim(strconv.Quote(secret), `"`),
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64 for URLs": base64.RawURLEncoding} {
		bits := len(secret) * 8
		forms[name] = encoding.EncodeToString([]byte(secret))[:bits/6]
		forms[name+" after one byte"] = encoding.EncodeToString([]byte("x" + secret))[2 : (8+bits)/6]
		forms[name+" after two bytes"] = encoding.EncodeToString([]byte("xx" + secret))[3 : (16+bits)/6]
	}
	return forms
}

// What would be found, by hand.
func TestSecretForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"x hunt?r2 x", "p=hunt%3Fr2&", "aHVudD9yMg==", "eGh1bnQ/cjJ4", "eGh1bnQ_cjJ4", "eHhodW50P3IyeHg=",
	} {
		found := false
		for _, form := range secretForms("hunt?r2") {
			found = found || strings.Contains(text, form)
		}
		if !found {
			t.Errorf("hunt?r2 is not found in %q", text)
		}
	}
}
