package publisher

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/testca"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// registry is a schema registry, as far as Confluent's reference of its API says
// what is asked of it here.
type registry struct {
	server *httptest.Server

	mu       sync.Mutex
	next     uint32 // the id of the next schema
	schemas  map[string]map[string]uint32
	readOnly int // status with which registering is refused
	username string
	password string
	asked    []string // paths
}

func newRegistry() *registry {
	return &registry{next: 1, schemas: make(map[string]map[string]uint32)}
}

func startRegistry(t *testing.T) *registry {
	t.Helper()
	r := newRegistry()
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

// ServeHTTP registers schemas and looks them up.
func (r *registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, request.URL.Path)
	username, password, _ := request.BasicAuth()
	var body struct{ SchemaType, Schema string }
	decoded := json.NewDecoder(request.Body).Decode(&body)
	subject, isSubject := strings.CutPrefix(request.URL.Path, "/subjects/")
	subject, registers := strings.CutSuffix(subject, "/versions")
	id, known := r.schemas[subject][body.Schema]
	switch {
	case request.Method != http.MethodPost || !isSubject || strings.Contains(subject, "/"):
		refuseWith(w, http.StatusNotFound, 404, "HTTP 404 Not Found")
	case username != r.username || password != r.password:
		refuseWith(w, http.StatusUnauthorized, 401, "Unauthorized")
	case request.Header.Get("Content-Type") != "application/vnd.schemaregistry.v1+json":
		refuseWith(w, http.StatusUnsupportedMediaType, 415, "HTTP 415 Unsupported Media Type")
	case decoded != nil || body.SchemaType != "PROTOBUF" || body.Schema == "":
		refuseWith(w, http.StatusUnprocessableEntity, 42201, "Invalid schema")
	case registers && r.readOnly != 0:
		refuseWith(w, r.readOnly, 100*r.readOnly+1, "User is denied operation Write on Subject:\n"+subject)
	case !registers && !known:
		refuseWith(w, http.StatusNotFound, 40403, "Schema not found")
	default:
		if !known {
			id = r.add(subject, body.Schema)
		}
		fmt.Fprintf(w, `{"id":%d}`, id)
	}
}

func refuseWith(w http.ResponseWriter, status, code int, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error_code":%d,"message":%q}`, code, message)
}

// add gives a schema an id. The caller holds the lock.
func (r *registry) add(subject, schema string) uint32 {
	if r.schemas[subject] == nil {
		r.schemas[subject] = make(map[string]uint32)
	}
	id := r.next
	r.next++
	r.schemas[subject][schema] = id
	return id
}

// change does something to r while it runs.
func (r *registry) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// registered returns the ids of a subject's schemas.
func (r *registry) registered(subject string) []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []uint32
	for _, id := range r.schemas[subject] {
		ids = append(ids, id)
	}
	return ids
}

// The text that is registered describes the message: it needs no other text, and
// the first message type in it, which index 0 means, is the flow record.
func TestSchema(t *testing.T) {
	t.Parallel()
	file := flowv1.File_flow_v1_flow_record_proto
	if n := file.Imports().Len(); n > 0 {
		t.Errorf("the schema imports %d others", n)
	}
	if name := file.Messages().Get(0).FullName(); name != "flow.v1.FlowRecord" {
		t.Errorf("the first message is %s", name)
	}
	for _, line := range []string{"\nsyntax = \"proto3\";\n", "\npackage flow.v1;\n", "\nmessage FlowRecord {\n"} {
		if !strings.Contains(flowv1.Schema, line) {
			t.Errorf("the schema lacks %q", line)
		}
	}
}

// Each topic has a subject of its own, and its flows name the id of that.
func TestSchemaOfEachTopic(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 2, kfake.SeedTopics(3, "other"))
	r := startRegistry(t)
	r.next = 1 << 30
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &RegistryConfig{URL: r.server.URL + "/"}
		c.Routes, _ = parseRoutes("192.0.2.1/32=other")
	})
	n := publish(t, p, 0, 160, 30)
	closeWithin(t, p, 10*time.Second)
	wantDelivered(t, p, n)
	for topic, count := range map[string]uint64{testTopic: n / 16 * 15, "other": n / 16} {
		ids := r.registered(topic + "-value")
		if len(ids) != 1 {
			t.Fatalf("topic %s has the schemas %v, want one", topic, ids)
		}
		got := consumeTopic(t, broker.ListenAddrs(), topic, int(count))
		got.unframe(t, withSchema(ids[0]))
		checkFlows(t, got, count)
	}
	if s := p.Stats(); s.SchemasMissing != 0 {
		t.Errorf("%d schemas are missing", s.SchemasMissing)
	}
}

// Where registering is refused the schema is looked up.
func TestSchemaLookedUp(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusConflict, http.StatusUnprocessableEntity} {
		r := startRegistry(t)
		r.readOnly = status
		c := RegistryConfig{URL: r.server.URL}
		_, err := c.schemaID(t.Context(), "flows-value")
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("status %d %s, error code %d01", status, http.StatusText(status), status)) {
			t.Errorf("%d, and not there: error %v", status, err)
		}
		r.add("flows-value", flowv1.Schema)
		if id, err := c.schemaID(t.Context(), "flows-value"); err != nil || id != 1 {
			t.Errorf("%d, and there: id %d, %v", status, id, err)
		}
	}
}

// The schema is registered once, however often that is asked for.
func TestSchemaRegisteredOnce(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	c := RegistryConfig{URL: r.server.URL}
	for range 3 {
		if id, err := c.schemaID(t.Context(), "flows-value"); err != nil || id != 1 {
			t.Errorf("id %d, %v", id, err)
		}
	}
}

// What is no answer of a registry is told, with its cure.
func TestRegistryErrors(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status       int
		header, body string
		want, cure   string
	}{
		"redirection":  {http.StatusMovedPermanently, "https://other.example.net/", "", "status 301 Moved Permanently", "set FLOWPUB_SCHEMA_REGISTRY_URL to where"},
		"TLS expected": {http.StatusBadRequest, "", "Client sent an HTTP request to an HTTPS server.", "status 400 Bad Request", "write https in FLOWPUB_SCHEMA_REGISTRY_URL"},
		"no path":      {http.StatusNotFound, "", "404 page not found", "status 404 Not Found", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"no id":        {http.StatusOK, "", `{"id":null}`, "its answer has no schema id", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"a web page":   {http.StatusOK, "", "<html>", "its answer has no schema id", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"large id":     {http.StatusOK, "", `{"id":2147483648}`, "its answer has no schema id", "correct FLOWPUB_SCHEMA_REGISTRY_URL"},
		"unauthorized": {http.StatusUnauthorized, "", `{"error_code":401,"message":"Unauthorized"}`, "status 401 Unauthorized, error code 401", "in the file that FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE names"},
		"trouble":      {http.StatusInternalServerError, "", `{"error_code":50001,"message":"Error in the backend\ndata store"}`, "status 500 Internal Server Error, error code 50001", "the registry's log"},
		"forbidden":    {http.StatusForbidden, "", "", "status 403 Forbidden", "let this user register schemas under this subject, or register proto/flow/v1/flow_record.proto there"},
		"read-only":    {http.StatusUnprocessableEntity, "", `{"error_code":42205,"message":"Operation not permitted"}`, "status 422 Unprocessable Entity, error code 42205", "not be read-only; or register proto/flow/v1"},
		"incompatible": {http.StatusConflict, "", "", "status 409 Conflict", "not compatible with"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				if !strings.HasSuffix(request.URL.Path, "/versions") {
					w.WriteHeader(http.StatusNotFound) // a look-up
					return
				}
				if tt.header != "" {
					w.Header().Set("Location", tt.header)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			t.Cleanup(server.Close)
			checkRegistryError(t, &RegistryConfig{URL: server.URL}, tt.want, tt.cure)
		})
	}
}

func checkRegistryError(t *testing.T, c *RegistryConfig, want, cure string) {
	t.Helper()
	_, err := c.schemaID(t.Context(), "flows-value")
	known, ok := err.(*registryError) //nolint:errorlint // that is promised
	if !ok {
		t.Fatalf("error %v (%T)", err, err)
	}
	if !strings.Contains(err.Error(), want) || !strings.Contains(known.cure, cure) {
		t.Errorf("error %q with cure %q, want %q and %q", err, known.cure, want, cure)
	}
}

// A registry that cannot be reached, or trusted, is told with its cure.
func TestRegistryUnreached(t *testing.T) {
	t.Parallel()
	authority := testca.New(t)
	address, _ := reserveAddress(t)
	plain := startRegistry(t)
	secured := startSecuredRegistry(t, authority)
	secure := "https://" + strings.TrimPrefix(plain.server.URL, "http://")
	for name, tt := range map[string]struct {
		config     RegistryConfig
		want, cure string
	}{
		"nobody listens":     {RegistryConfig{URL: "http://" + address}, "connection refused", "look whether the registry runs"},
		"no such name":       {RegistryConfig{URL: "http://registry.invalid"}, "registry.invalid", "look whether the registry runs"},
		"no TLS there":       {RegistryConfig{URL: secure}, "it answers without TLS", "write http in FLOWPUB_SCHEMA_REGISTRY_URL"},
		"unknown authority":  {RegistryConfig{URL: secured.server.URL}, "certificate signed by unknown authority", "the authorities in FLOWPUB_SCHEMA_REGISTRY_CA_FILE"},
		"another's name":     {RegistryConfig{URL: strings.Replace(secured.server.URL, "127.0.0.1", "localhost", 1), CAFile: authority.File(t)}, "localhost", "its name with FLOWPUB_SCHEMA_REGISTRY_URL"},
		"HTTP to a TLS port": {RegistryConfig{URL: strings.Replace(secured.server.URL, "https", "http", 1)}, "", "https"}, // an answer, or the connection's end
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkRegistryError(t, &tt.config, tt.want, tt.cure)
		})
	}
}

// startSecuredRegistry starts one with a certificate of an authority.
func startSecuredRegistry(t *testing.T, a *testca.Authority) *registry {
	t.Helper()
	r := newRegistry()
	r.server = httptest.NewUnstartedServer(r)
	r.server.TLS = serverTLS(t, a)
	r.server.TLS.ClientAuth = 0
	r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	r.server.StartTLS()
	t.Cleanup(r.server.Close)
	return r
}

// No redirection is followed: who is pointed to would get the password.
func TestRegistryRedirection(t *testing.T) {
	t.Parallel()
	elsewhere := startRegistry(t)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.server.URL+"/subjects/flows-value", http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	c := RegistryConfig{URL: server.URL, Username: "flowpub", PasswordFile: testca.File(t, "password", []byte("open-sesame"))}
	if _, err := c.schemaID(t.Context(), "flows-value"); err == nil || !strings.Contains(err.Error(), "status 307") {
		t.Errorf("error %v", err)
	}
	if len(elsewhere.asked) > 0 {
		t.Errorf("the other was asked for %v", elsewhere.asked)
	}
}

// confluent starts a publisher of ValueConfluent and publishes to it. What it logs
// is in the buffer.
func confluent(t *testing.T, c RegistryConfig) (*Publisher, *kfake.Cluster, uint64, *logBuffer) {
	t.Helper()
	broker := startBroker(t, 3)
	log := new(logBuffer)
	p := startPublisher(t, broker.ListenAddrs(), func(cfg *Config) {
		cfg.Value, cfg.Registry, cfg.Logger = ValueConfluent, &c, log.logger()
	})
	return p, broker, publish(t, p, 0, 100, 30), log
}

// awaitComplaint waits until the reason why there is no id is logged and missing,
// and checks that flows wait meanwhile.
func awaitComplaint(t *testing.T, p *Publisher, n uint64, log *logBuffer, parts ...string) {
	t.Helper()
	eventually(t, 10*time.Second, "the topic is reached", func() bool { return p.topics[0].seen.Load().known() })
	for _, part := range append(parts, "subject=flows-value", "cure=", "url=") {
		eventually(t, 10*time.Second, part+" is logged", func() bool { return log.has(part) })
	}
	missing := strings.Join(p.Missing(), "; ")
	if want := `the schema registry has given no id for subject "flows-value": `; !strings.Contains(missing, want) || !strings.Contains(missing, parts[0]) {
		t.Errorf("missing is %q, want %q and %q in it", missing, want, parts[0])
	}
	if s := p.Stats(); s.Buffered != n || s.SchemasMissing != 1 {
		t.Errorf("%d flows are buffered, want %d; %d schemas are missing", s.Buffered, n, s.SchemasMissing)
	}
}

// awaitDelivery waits until all that waited is delivered, and checks it.
func awaitDelivery(t *testing.T, p *Publisher, broker *kfake.Cluster, n uint64) {
	t.Helper()
	eventually(t, 20*time.Second, "the schema is known", func() bool { return len(p.Missing()) == 0 })
	n += publish(t, p, 100, 200, 30)
	closeWithin(t, p, 10*time.Second)
	wantDelivered(t, p, n)
	got := consume(t, broker.ListenAddrs(), int(n))
	got.unframe(t, withSchema(1))
	checkFlows(t, got, n)
}

// A registry that comes late costs no flow.
func TestRegistryComesLate(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p, broker, n, log := confluent(t, RegistryConfig{URL: "http://" + address})
	awaitComplaint(t, p, n, log, "connection refused", "look whether the registry runs")
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry()
	r.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: r}}
	r.server.Start()
	t.Cleanup(r.server.Close)
	awaitDelivery(t, p, broker, n)
}

// A wrong password can be corrected in its file while the program runs, and is
// told to nobody.
func TestRegistryPasswordCorrected(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	r.username, r.password = "flowpub", "open-sesame"
	file := testca.File(t, "password", []byte("hunter2"))
	p, broker, n, log := confluent(t, RegistryConfig{URL: r.server.URL, Username: r.username, PasswordFile: file})
	awaitComplaint(t, p, n, log, "status 401", "FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE", "sent without encryption")
	if err := os.WriteFile(file, []byte("open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitDelivery(t, p, broker, n)
	for _, secret := range []string{"hunter2", "open-sesame"} {
		if log.has(secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// So can the authorities.
func TestRegistryAuthorityCorrected(t *testing.T) {
	t.Parallel()
	authority := testca.New(t)
	r := startSecuredRegistry(t, authority)
	file := testca.New(t).File(t)
	p, broker, n, log := confluent(t, RegistryConfig{URL: r.server.URL, CAFile: file})
	awaitComplaint(t, p, n, log, "certificate signed by unknown authority", "FLOWPUB_SCHEMA_REGISTRY_CA_FILE")
	if err := os.WriteFile(file, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitDelivery(t, p, broker, n)
}

// A file that has gone is named.
func TestRegistryFileGone(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	c := RegistryConfig{URL: r.server.URL, Username: "flowpub", PasswordFile: testca.File(t, "password", []byte("hunter2"))}
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.PasswordFile); err != nil {
		t.Fatal(err)
	}
	if _, err := c.schemaID(t.Context(), "flows-value"); err == nil || !strings.Contains(err.Error(), "password: no such file or directory: name a file") {
		t.Errorf("error %v", err)
	}
}

// A topic whose schema is refused does not hold up another's flows.
func TestSchemaRefused(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	r.add("other-value", flowv1.Schema)
	r.readOnly = http.StatusForbidden
	broker := startBroker(t, 1, kfake.SeedTopics(1, "other"))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &RegistryConfig{URL: r.server.URL}
		c.Routes, _ = parseRoutes("192.0.2.1/32=other")
	})
	n := publish(t, p, 0, 160, 30)
	eventually(t, 10*time.Second, "the other topic's flows are delivered", func() bool { return p.Stats().Delivered == n/16 })
	if missing := p.Missing(); len(missing) != 1 || !strings.Contains(missing[0], "status 403") {
		t.Errorf("missing %q", missing)
	}
	r.change(func() { r.readOnly = 0 })
	eventually(t, 10*time.Second, "all is delivered", func() bool { return p.Stats().Delivered == n })
}

// What is wrong with the registry is found out once for all topics, not by a request
// for each: registries lock users out, too.
func TestRegistryAskedOnceForAll(t *testing.T) {
	t.Parallel()
	r := startRegistry(t)
	r.username = "somebody else"
	broker := startBroker(t, 1, kfake.SeedTopics(1, "other"))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &RegistryConfig{URL: r.server.URL}
		c.Routes, _ = parseRoutes("192.0.2.1/32=other")
	})
	eventually(t, 10*time.Second, "both topics miss their schema", func() bool {
		return strings.Count(strings.Join(p.Missing(), "; "), "status 401") == 2
	})
	r.change(func() {
		if len(r.asked) != 1 {
			t.Errorf("the registry was asked for %v, want one request", r.asked)
		}
	})
}

// Without a registry the publisher ends all the same, and counts what it gives up.
func TestCloseWithoutRegistry(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p, _, n, log := confluent(t, RegistryConfig{URL: "http://" + address})
	awaitComplaint(t, p, n, log, "connection refused")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d never reached Kafka", n)) {
		t.Errorf("error %v", err)
	}
	checkLedger(t, p.Stats())
}

// Exporters that move to a new partition keep their schema.
func TestConfluentMoved(t *testing.T) {
	t.Parallel()
	f := withSchema(7)
	broker := startBroker(t, 2)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { f.configure(t, c) })
	n := publish(t, p, 0, 160, 30)
	eventually(t, 10*time.Second, "the first flows are delivered", func() bool { return p.Stats().Delivered == n })
	addPartitions(t, broker, 7)
	for seed := uint64(160); p.Stats().Partitions < 7; seed += 16 {
		n += publish(t, p, seed, seed+16, 30)
		eventually(t, 10*time.Second, "they are delivered", func() bool { return p.Stats().Delivered == n })
	}
	closeWithin(t, p, 10*time.Second)
	wantDelivered(t, p, n)
	got := consume(t, broker.ListenAddrs(), int(n))
	got.unframe(t, f)
	checkMoved(t, got, n)
}

func TestRegistryMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	password, ca := testca.File(t, "password", []byte("hunter2")), testca.New(t).File(t)
	const url = "https://registry:8081"
	tests := map[string]struct {
		value    Value
		registry *RegistryConfig
		want     string // nothing: it is right
	}{
		"right":          {ValueConfluent, &RegistryConfig{URL: url, Username: "flowpub", PasswordFile: password, CAFile: ca}, ""},
		"a path":         {ValueConfluent, &RegistryConfig{URL: url + "/apis/ccompat/v7"}, ""},
		"none":           {ValueConfluent, nil, "need one: name its URL"},
		"other values":   {ValueJSON, &RegistryConfig{URL: url}, "but values are json"},
		"no URL":         {ValueConfluent, &RegistryConfig{}, "there is no schema registry"},
		"no scheme":      {ValueConfluent, &RegistryConfig{URL: "registry:8081"}, "URL is none"},
		"no host":        {ValueConfluent, &RegistryConfig{URL: "http:///subjects"}, "URL is none"},
		"another scheme": {ValueConfluent, &RegistryConfig{URL: "ftp://registry"}, "URL is none"},
		"credentials":    {ValueConfluent, &RegistryConfig{URL: "https://flowpub:hunter2@registry"}, "without credentials"},
		"a query":        {ValueConfluent, &RegistryConfig{URL: url + "?key=hunter2"}, "without credentials or a query"},
		"no password":    {ValueConfluent, &RegistryConfig{URL: url, Username: "flowpub"}, "both a user name and a password file"},
		"no user":        {ValueConfluent, &RegistryConfig{URL: url, PasswordFile: password}, "both a user name and a password file"},
		"no such file":   {ValueConfluent, &RegistryConfig{URL: url, Username: "flowpub", PasswordFile: dir + "/missing"}, "name a file that this user may read"},
		"no authority":   {ValueConfluent, &RegistryConfig{URL: url, CAFile: password}, "holds no PEM certificate"},
		"unused":         {ValueConfluent, &RegistryConfig{URL: "http://registry", CAFile: ca}, "need https"},
	}
	for name, tt := range tests {
		c := DefaultConfig()
		c.Brokers, c.Value, c.Registry = []string{"a:9092"}, tt.value, tt.registry
		err := c.Validate()
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one about %q", name, err, tt.want)
		}
	}
}
