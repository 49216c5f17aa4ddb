package publisher

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/flowpub/flowpub/internal/fakeregistry"
	"github.com/flowpub/flowpub/internal/testca"
	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
	"github.com/flowpub/flowpub/publisher/registry"
)

// Each topic has a subject of its own, and its flows name the id of that.
func TestSchemaOfEachTopic(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 2, kfake.SeedTopics(3, "other"))
	r := fakeregistry.Start(t)
	r.Next = 1 << 30
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &registry.Config{URL: r.Server.URL + "/"}
		c.Routes, _ = parseRoutes("192.0.2.1/32=other")
	})
	n := publish(t, p, 0, 160, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	for topic, count := range map[string]uint64{testTopic: n / 16 * 15, "other": n / 16} {
		ids := r.Registered(topic + "-value")
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

// confluent starts a publisher of ValueConfluent and publishes to it. What it logs
// is in the buffer.
func confluent(t *testing.T, c registry.Config) (*Publisher, *kfake.Cluster, uint64, *testlog.Book) {
	t.Helper()
	broker := startBroker(t, 3)
	log := new(testlog.Book)
	p := startPublisher(t, broker.ListenAddrs(), func(cfg *Config) {
		cfg.Value, cfg.Registry, cfg.Logger = ValueConfluent, &c, log.Logger()
	})
	return p, broker, publish(t, p, 0, 100, 30), log
}

// awaitComplaint waits until the reason why there is no id is logged and missing,
// and checks that flows wait meanwhile.
func awaitComplaint(t *testing.T, p *Publisher, n uint64, log *testlog.Book, parts ...string) {
	t.Helper()
	eventually(t, 10*time.Second, "the topic is reached", func() bool { return p.topics[0].seen.Load().known() })
	for _, part := range append(parts, "subject=flows-value", "cure=", "url=") {
		eventually(t, 10*time.Second, part+" is logged", func() bool { return log.Has(part) })
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
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	got := consume(t, broker.ListenAddrs(), int(n))
	got.unframe(t, withSchema(1))
	checkFlows(t, got, n)
}

// A registry that comes late costs no flow.
func TestRegistryComesLate(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	address, _ := reserveAddress(t)
	p, broker, n, log := confluent(t, registry.Config{URL: "http://" + address})
	awaitComplaint(t, p, n, log, "connection refused", "check whether the registry runs")
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	r := fakeregistry.New()
	r.Server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: r}}
	r.Server.Start()
	t.Cleanup(r.Server.Close)
	awaitDelivery(t, p, broker, n)
}

// A wrong password can be corrected in its file while the program runs, and is
// told to nobody.
func TestRegistryPasswordCorrected(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	r := fakeregistry.Start(t)
	r.Username, r.Password = "flowpub", "open-sesame"
	file := testca.File(t, "password", []byte("hunter2"))
	p, broker, n, log := confluent(t, registry.Config{URL: r.Server.URL, Username: r.Username, PasswordFile: file})
	awaitComplaint(t, p, n, log, "status 401", "FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE", "sent without encryption")
	if err := os.WriteFile(file, []byte("open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	awaitDelivery(t, p, broker, n)
	for _, secret := range []string{"hunter2", "open-sesame"} {
		if log.Has(secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// So can the authorities.
func TestRegistryAuthorityCorrected(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	authority := testca.New(t)
	r := fakeregistry.StartTLS(t, authority)
	file := testca.New(t).File(t)
	p, broker, n, log := confluent(t, registry.Config{URL: r.Server.URL, CAFile: file})
	awaitComplaint(t, p, n, log, "certificate signed by unknown authority", "FLOWPUB_SCHEMA_REGISTRY_CA_FILE")
	if err := os.WriteFile(file, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitDelivery(t, p, broker, n)
}

// A topic whose schema is refused does not hold up another's flows.
func TestSchemaRefused(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	r := fakeregistry.Start(t)
	r.Add("other-value", flowv1.Schema)
	r.ReadOnly = http.StatusForbidden
	broker := startBroker(t, 1, kfake.SeedTopics(1, "other"))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &registry.Config{URL: r.Server.URL}
		c.Routes, _ = parseRoutes("192.0.2.1/32=other")
	})
	n := publish(t, p, 0, 160, 30)
	eventually(t, patience, "the other topic's flows are delivered", func() bool { return p.Stats().Delivered == n/16 })
	if missing := p.Missing(); len(missing) != 1 || !strings.Contains(missing[0], "status 403") {
		t.Errorf("missing %q", missing)
	}
	r.Change(func() { r.ReadOnly = 0 })
	eventually(t, patience, "all is delivered", func() bool { return p.Stats().Delivered == n })
}

// What is wrong with the registry is found out once for all topics, not by a request
// for each: registries lock users out, too.
func TestRegistryAskedOnceForAll(t *testing.T) {
	t.Parallel()
	r := fakeregistry.Start(t)
	r.Username = "somebody else"
	broker := startBroker(t, 1, kfake.SeedTopics(1, "other"))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Value, c.Registry = ValueConfluent, &registry.Config{URL: r.Server.URL}
		c.Routes, _ = parseRoutes("192.0.2.1/32=other")
	})
	eventually(t, 10*time.Second, "both topics miss their schema", func() bool {
		return strings.Count(strings.Join(p.Missing(), "; "), "status 401") == 2
	})
	r.Change(func() {
		if len(r.Asked) != 1 {
			t.Errorf("the registry was asked for %v, want one request", r.Asked)
		}
	})
}

// Without a registry the publisher ends all the same, and counts what it gives up.
func TestCloseWithoutRegistry(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p, _, n, log := confluent(t, registry.Config{URL: "http://" + address})
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
	eventually(t, patience, "the first flows are delivered", func() bool { return p.Stats().Delivered == n })
	addPartitions(t, broker, 7)
	for seed := uint64(160); p.Stats().Partitions < 7; seed += 16 {
		n += publish(t, p, seed, seed+16, 30)
		eventually(t, patience, "they are delivered", func() bool { return p.Stats().Delivered == n })
	}
	closeWithin(t, p, patience)
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
		registry *registry.Config
		want     string // nothing: it is right
	}{
		"right":          {ValueConfluent, &registry.Config{URL: url, Username: "flowpub", PasswordFile: password, CAFile: ca}, ""},
		"a path":         {ValueConfluent, &registry.Config{URL: url + "/apis/ccompat/v7"}, ""},
		"none":           {ValueConfluent, nil, "need one: name its URL"},
		"other values":   {ValueJSON, &registry.Config{URL: url}, "but values are json"},
		"no URL":         {ValueConfluent, &registry.Config{}, "there is no schema registry"},
		"no scheme":      {ValueConfluent, &registry.Config{URL: "registry:8081"}, "URL is not valid"},
		"no host":        {ValueConfluent, &registry.Config{URL: "http:///subjects"}, "URL is not valid"},
		"another scheme": {ValueConfluent, &registry.Config{URL: "ftp://registry"}, "URL is not valid"},
		"credentials":    {ValueConfluent, &registry.Config{URL: "https://flowpub:hunter2@registry"}, "without credentials"},
		"a query":        {ValueConfluent, &registry.Config{URL: url + "?key=hunter2"}, "without credentials or a query"},
		"no password":    {ValueConfluent, &registry.Config{URL: url, Username: "flowpub"}, "both a user name and a password file"},
		"no user":        {ValueConfluent, &registry.Config{URL: url, PasswordFile: password}, "both a user name and a password file"},
		"no such file":   {ValueConfluent, &registry.Config{URL: url, Username: "flowpub", PasswordFile: dir + "/missing"}, "name a file that this user may read"},
		"no authority":   {ValueConfluent, &registry.Config{URL: url, CAFile: password}, "holds no PEM certificate"},
		"unused":         {ValueConfluent, &registry.Config{URL: "http://registry", CAFile: ca}, "need https"},
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
