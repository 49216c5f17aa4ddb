package config

import (
	"bytes"
	"log/slog"
	"math"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowpub/flowpub/collector"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/registry"
)

// defaults is what the documentation promises, by hand.
func defaults() Config {
	bufferBytes := 256 << 20
	if limit, limited := collector.ContainerMemoryLimit(); limited {
		bufferBytes = int(min(int64(bufferBytes), max(int64(publisher.MinBufferBytes), limit/100*40)))
	}
	return Config{
		Collector: collector.Config{
			Listen:          []string{":2055"},
			Sockets:         min(runtime.GOMAXPROCS(0), 8),
			ReceiveBuffer:   33554432,
			ReceiveDelay:    10 * time.Millisecond,
			HTTPListen:      ":8080",
			ShutdownTimeout: 15 * time.Second,
			Publisher: publisher.Config{
				Brokers:        []string{"kafka:9092"},
				Topic:          "flows",
				ClientID:       "flowpub",
				Compression:    publisher.CompressionZstdFast,
				Linger:         100 * time.Millisecond,
				BatchBytes:     524288,
				BufferBytes:    bufferBytes,
				Partitioner:    publisher.PartitionerMurmur2,
				Acks:           publisher.AcksAll,
				Idempotent:     true,
				RequestTimeout: 30 * time.Second,
			},
		},
		Log: LogConfig{Level: slog.LevelInfo, Format: LogText},
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	files := writeFiles(t)
	tests := []struct {
		name    string
		environ []string
		change  func(*Config)
	}{
		{"defaults", nil, func(*Config) {}},
		{"empty counts as unset", []string{
			"FLOWPUB_LISTEN=", "FLOWPUB_SOCKETS=", "FLOWPUB_EXPORTERS_ALLOW=", "FLOWPUB_KAFKA_LINGER=",
			"FLOWPUB_KAFKA_IDEMPOTENT=", "FLOWPUB_KAFKA_TLS=", "FLOWPUB_KAFKA_TLS_CA_FILE=", "FLOWPUB_KAFKA_SASL_MECHANISM=",
		}, func(*Config) {}},
		{"other programs' variables", []string{"PATH=/bin", "KAFKA_LINGER=x", "FLOWPUBX=1"}, func(*Config) {}},
		{"Services of Kubernetes", []string{
			"FLOWPUB_SERVICE_HOST=10.96.0.1", "FLOWPUB_SERVICE_PORT=2055", "FLOWPUB_SERVICE_PORT_NETFLOW=2055",
			"FLOWPUB_PORT=udp://10.96.0.1:2055", "FLOWPUB_PORT_2055_UDP=udp://10.96.0.1:2055", "FLOWPUB_PORT_2055_UDP_PROTO=udp",
			"FLOWPUB_PORT_2055_UDP_PORT=2055", "FLOWPUB_PORT_2055_UDP_ADDR=10.96.0.1", "FLOWPUB_METRICS_SERVICE_HOST=10.96.0.2",
			"FLOWPUB_METRICS_PORT=tcp://10.96.0.2:8080", "FLOWPUB_METRICS_PORT_8080_TCP_ADDR=10.96.0.2",
			"FLOWPUB_SIGNAL_PORT_36412_SCTP=sctp://10.96.0.3:36412",
		}, func(*Config) {}},
		{"no HTTP", []string{"FLOWPUB_HTTP_LISTEN="}, func(c *Config) { c.Collector.HTTPListen = "" }},
		{"two addresses and spaces", []string{"FLOWPUB_LISTEN=192.0.2.1:2055, [2001:db8::1]:9995"}, func(c *Config) {
			c.Collector.Listen = []string{"192.0.2.1:2055", "[2001:db8::1]:9995"}
		}},
		{"addresses of interfaces, and groups", []string{
			"FLOWPUB_LISTEN=127.0.0.1%lo:2055,[::1%lo]:2055,:2055%vrf-blue,0.0.0.0%eth1:2055,239.1.2.3:2055,[ff02::1%eth0]:2055",
		}, func(c *Config) {
			c.Collector.Listen = []string{
				"127.0.0.1%lo:2055", "[::1%lo]:2055", ":2055%vrf-blue", "0.0.0.0%eth1:2055", "239.1.2.3:2055", "[ff02::1%eth0]:2055",
			}
		}},
		{"the last of two equal names", []string{"FLOWPUB_KAFKA_TOPIC=a", "FLOWPUB_KAFKA_TOPIC=b"}, func(c *Config) {
			c.Collector.Publisher.Topic = "b"
		}},
		{"all of the listener and the process", []string{
			"FLOWPUB_SOCKETS=3", "FLOWPUB_RECEIVE_BUFFER=8MiB", "FLOWPUB_RECEIVE_DELAY=1ms", "FLOWPUB_EXPORTERS_ALLOW=192.0.2.0/24,2001:db8::/32",
			"FLOWPUB_HTTP_LISTEN=127.0.0.1:9090", "FLOWPUB_HTTP_PPROF=true", "FLOWPUB_DRAIN_LINGER=8s",
			"FLOWPUB_METRICS_EXPORTERS=100", "FLOWPUB_LOG_SUMMARY=1m",
			"FLOWPUB_SHUTDOWN_TIMEOUT=20s", "FLOWPUB_LOG_LEVEL=debug", "FLOWPUB_LOG_FORMAT=json",
		}, func(c *Config) {
			c.Collector.Sockets = 3
			c.Collector.ReceiveBuffer = 8388608
			c.Collector.ReceiveDelay = time.Millisecond
			c.Collector.ExportersAllow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
			c.Collector.HTTPListen = "127.0.0.1:9090"
			c.Collector.HTTPPProf = true
			c.Collector.MetricsExporters = 100
			c.Collector.LogSummary = time.Minute
			c.Collector.DrainLinger = 8 * time.Second
			c.Collector.ShutdownTimeout = 20 * time.Second
			c.Log = LogConfig{Level: slog.LevelDebug, Format: LogJSON}
		}},
		{"all of the publisher", []string{
			"FLOWPUB_KAFKA_BROKERS=a:9092,b:9093", "FLOWPUB_KAFKA_TOPIC=netflow", "FLOWPUB_KAFKA_CREATE_TOPIC=24, 3", "FLOWPUB_KAFKA_DEAD_LETTER_TOPIC=dead", "FLOWPUB_KAFKA_TEMPLATE_TOPIC=templates", "FLOWPUB_KAFKA_TOPIC_ROUTES=10.1.0.0/16=customer-a, 2001:db8::/32 = customer-b",
			"FLOWPUB_KAFKA_SPREAD=198.51.100.7/32=4, 2001:db8::/32 = 12/datagram",
			"FLOWPUB_KAFKA_CLIENT_ID=site1", "FLOWPUB_KAFKA_VALUE=protobuf-delimited", "FLOWPUB_KAFKA_VALUE_HEADER=content-type",
			"FLOWPUB_KAFKA_COMPRESSION=lz4", "FLOWPUB_KAFKA_LINGER=1s", "FLOWPUB_KAFKA_BATCH_BYTES=64KiB",
			"FLOWPUB_KAFKA_BUFFER_BYTES=32MiB", "FLOWPUB_KAFKA_PARTITIONER=fnv1a", "FLOWPUB_KAFKA_ACKS=1",
		}, func(c *Config) {
			p := &c.Collector.Publisher
			p.Brokers = []string{"a:9092", "b:9093"}
			p.Topic, p.ClientID = "netflow", "site1"
			p.Routes = []publisher.Route{
				{Network: netip.MustParsePrefix("10.1.0.0/16"), Topic: "customer-a"},
				{Network: netip.MustParsePrefix("2001:db8::/32"), Topic: "customer-b"},
			}
			p.Spreads = []publisher.Spread{
				{Network: netip.MustParsePrefix("198.51.100.7/32"), Partitions: 4},
				{Network: netip.MustParsePrefix("2001:db8::/32"), Partitions: 12, Datagrams: true},
			}
			p.DeadLetterTopic = "dead"
			c.Collector.TemplateTopic = "templates"
			p.Value, p.ValueHeader = publisher.ValueProtobufDelimited, "content-type"
			p.CreateTopic = cluster.TopicShape{Partitions: 24, Replicas: 3}
			p.Compression, p.Partitioner = publisher.CompressionLZ4, publisher.PartitionerFNV1a
			p.Linger, p.BatchBytes, p.BufferBytes = time.Second, 65536, 33554432
			p.Acks, p.Idempotent = publisher.AcksLeader, false
		}},
		{"schema registry in full", []string{
			"FLOWPUB_KAFKA_VALUE=confluent", "FLOWPUB_SCHEMA_REGISTRY_URL=https://registry:8081/path", "FLOWPUB_SCHEMA_REGISTRY_USERNAME=alice",
			"FLOWPUB_SCHEMA_REGISTRY_PASSWORD_FILE=" + files.password, "FLOWPUB_SCHEMA_REGISTRY_CA_FILE=" + files.cert,
		}, func(c *Config) {
			c.Collector.Publisher.Value = publisher.ValueConfluent
			c.Collector.Publisher.Registry = &registry.Config{
				URL: "https://registry:8081/path", Username: "alice", PasswordFile: files.password, CAFile: files.cert,
			}
		}},
		{"idempotent by request", []string{"FLOWPUB_KAFKA_IDEMPOTENT=true"}, func(c *Config) {
			c.Collector.Publisher.IdempotentRequired = true
		}},
		{"not idempotent", []string{"FLOWPUB_KAFKA_IDEMPOTENT=false"}, func(c *Config) { c.Collector.Publisher.Idempotent = false }},
		{"TLS alone", []string{"FLOWPUB_KAFKA_TLS=true"}, func(c *Config) { c.Collector.Publisher.TLS = &auth.TLS{} }},
		{"TLS switched off in every way", []string{"FLOWPUB_KAFKA_TLS=false", "FLOWPUB_KAFKA_TLS_INSECURE=false"}, func(*Config) {}},
		{"TLS in full", []string{
			"FLOWPUB_KAFKA_TLS=true", "FLOWPUB_KAFKA_TLS_CA_FILE=" + files.cert, "FLOWPUB_KAFKA_TLS_CERT_FILE=" + files.cert,
			"FLOWPUB_KAFKA_TLS_KEY_FILE=" + files.key, "FLOWPUB_KAFKA_TLS_SERVER_NAME=kafka", "FLOWPUB_KAFKA_TLS_INSECURE=true",
		}, func(c *Config) {
			c.Collector.Publisher.TLS = &auth.TLS{
				CAFile: files.cert, CertFile: files.cert, KeyFile: files.key, ServerName: "kafka", Insecure: true,
			}
		}},
		{"SASL with a password", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=plain", "FLOWPUB_KAFKA_SASL_USERNAME=alice", "FLOWPUB_KAFKA_SASL_PASSWORD= hunter2,= ",
		}, func(c *Config) {
			c.Collector.Publisher.SASL = &auth.SASL{Mechanism: "plain", Username: "alice", Password: " hunter2,= "}
		}},
		{"SASL with a file, as Kafka writes the mechanism", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=SCRAM-SHA-512", "FLOWPUB_KAFKA_SASL_USERNAME=alice", "FLOWPUB_KAFKA_SASL_PASSWORD_FILE=" + files.password,
		}, func(c *Config) {
			c.Collector.Publisher.SASL = &auth.SASL{Mechanism: "scram-sha-512", Username: "alice", PasswordFile: files.password}
		}},
		{"OAuth with a token file", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=OAUTHBEARER", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_FILE=" + files.password,
		}, func(c *Config) {
			c.Collector.Publisher.SASL = &auth.SASL{
				Mechanism: "oauthbearer", OAuth: auth.OAuth{TokenFile: files.password},
			}
		}},
		{"OAuth with client credentials", []string{
			"FLOWPUB_KAFKA_SASL_MECHANISM=oauthbearer", "FLOWPUB_KAFKA_SASL_OAUTH_TOKEN_URL=https://idp.example.net/token?x=1",
			"FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_ID=flowpub", "FLOWPUB_KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + files.password,
			"FLOWPUB_KAFKA_SASL_OAUTH_SCOPE=kafka flows", "FLOWPUB_KAFKA_SASL_OAUTH_CA_FILE=" + files.cert,
			"FLOWPUB_KAFKA_SASL_OAUTH_EXTENSIONS=logicalCluster=lkc-1",
		}, func(c *Config) {
			c.Collector.Publisher.SASL = &auth.SASL{Mechanism: "oauthbearer", OAuth: auth.OAuth{
				TokenURL: "https://idp.example.net/token?x=1", ClientID: "flowpub", ClientSecretFile: files.password,
				Scope: "kafka flows", CAFile: files.cert, Extensions: "logicalCluster=lkc-1",
			}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(append([]string{"FLOWPUB_KAFKA_BROKERS=kafka:9092"}, tt.environ...))
			if err != nil {
				t.Fatal(err)
			}
			want := defaults()
			tt.change(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("Load:\n got %+v\nwant %+v", got, want)
			}
		})
	}
}

// A value from a Secret or a file often ends in a line break. That changes none of
// the variables, whichever they are: the table has a value for each.
func TestLineBreakAtTheEnd(t *testing.T) {
	t.Parallel()
	files := writeFiles(t)
	environs := [][]string{
		{
			"LISTEN=:2056", "SOCKETS=3", "RECEIVE_BUFFER=8MiB", "RECEIVE_DELAY=1ms", "EXPORTERS_ALLOW=192.0.2.0/24",
			"EXPORTERS_FILE=" + files.exporters, "FORMATS=ipfix,netflow_v5", "ELEMENTS=82,25461/56701",
			"HTTP_LISTEN=127.0.0.1:9090", "HTTP_PPROF=true", "METRICS_EXPORTERS=100", "DRAIN_LINGER=8s", "SHUTDOWN_TIMEOUT=20s", "LOG_LEVEL=debug", "LOG_FORMAT=json", "LOG_SUMMARY=1m",
			"KAFKA_BROKERS=a:9092,b:9093", "KAFKA_TOPIC=netflow", "KAFKA_CREATE_TOPIC=24,3", "KAFKA_DEAD_LETTER_TOPIC=dead", "KAFKA_TEMPLATE_TOPIC=templates",
			"KAFKA_TOPIC_ROUTES=10.1.0.0/16=customer-a", "KAFKA_SPREAD=198.51.100.7/32=4/datagram", "KAFKA_CLIENT_ID=site1", "KAFKA_VALUE=protobuf-delimited", "KAFKA_VALUE_HEADER=flowpub", "KAFKA_COMPRESSION=lz4",
			"KAFKA_LINGER=1s", "KAFKA_BATCH_BYTES=64KiB", "KAFKA_BUFFER_BYTES=32MiB", "KAFKA_PARTITIONER=fnv1a", "KAFKA_ACKS=1",
			"KAFKA_IDEMPOTENT=false",
			"KAFKA_TLS=true", "KAFKA_TLS_CA_FILE=" + files.cert, "KAFKA_TLS_CERT_FILE=" + files.cert, "KAFKA_TLS_KEY_FILE=" + files.key,
			"KAFKA_TLS_SERVER_NAME=kafka", "KAFKA_TLS_INSECURE=true",
			"KAFKA_SASL_MECHANISM=plain", "KAFKA_SASL_USERNAME=alice", "KAFKA_SASL_PASSWORD= hunter2 ",
		},
		{"KAFKA_BROKERS=a:9092", "KAFKA_SASL_MECHANISM=plain", "KAFKA_SASL_USERNAME=alice", "KAFKA_SASL_PASSWORD_FILE=" + files.password},
		{"KAFKA_BROKERS=a:9092", "KAFKA_SASL_MECHANISM=oauthbearer", "KAFKA_SASL_OAUTH_TOKEN_FILE=" + files.password},
		{
			"KAFKA_BROKERS=a:9092", "KAFKA_SASL_MECHANISM=oauthbearer", "KAFKA_SASL_OAUTH_TOKEN_URL=https://idp.example.net/token",
			"KAFKA_SASL_OAUTH_CLIENT_ID=flowpub", "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE=" + files.password,
			"KAFKA_SASL_OAUTH_SCOPE=kafka flows", "KAFKA_SASL_OAUTH_CA_FILE=" + files.cert, "KAFKA_SASL_OAUTH_EXTENSIONS=logicalCluster=lkc-1",
			"KAFKA_VALUE=confluent", "SCHEMA_REGISTRY_URL=https://registry:8081", "SCHEMA_REGISTRY_USERNAME=alice",
			"SCHEMA_REGISTRY_PASSWORD_FILE=" + files.password, "SCHEMA_REGISTRY_CA_FILE=" + files.cert,
		},
	}
	tried := make(map[string]bool)
	for _, environ := range environs {
		for i, set := range environ {
			environ[i] = Prefix + set
			name, _, _ := strings.Cut(environ[i], "=")
			tried[name] = true
		}
		want, err := Load(environ)
		if err != nil {
			t.Fatal(err)
		}
		for i, set := range environ {
			for _, end := range []string{"\n", "\r\n", "\n\n"} {
				ended := slices.Clone(environ)
				ended[i] = set + end
				if got, err := Load(ended); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%q: %v\n got %+v\nwant %+v", ended[i], err, got, want)
				}
			}
		}
	}
	for _, v := range Variables() {
		if !tried[v.Name] {
			t.Errorf("%s: this test lacks a value for it", v.Name)
		}
	}
}

// What is made of nothing but white space is set to nothing.
func TestLineBreakAlone(t *testing.T) {
	t.Parallel()
	got, err := Load([]string{"FLOWPUB_KAFKA_BROKERS=kafka:9092", "FLOWPUB_KAFKA_TOPIC=\n", "FLOWPUB_HTTP_LISTEN=\n"})
	want := defaults()
	want.Collector.HTTPListen = ""
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Load: %v\n got %+v\nwant %+v", err, got, want)
	}
}

// What a Go program gets from DefaultConfig is what an operator gets who sets
// nothing but the brokers.
func TestDefaultsAreTheCollectors(t *testing.T) {
	t.Parallel()
	got, err := Load([]string{"FLOWPUB_KAFKA_BROKERS=kafka:9092"})
	if err != nil {
		t.Fatal(err)
	}
	want := collector.DefaultConfig()
	want.Publisher.Brokers = []string{"kafka:9092"}
	if !reflect.DeepEqual(got.Collector, want) {
		t.Errorf("defaults of the environment:\n got %+v\nwant %+v", got.Collector, want)
	}
}

// The fixed defaults, written out, must mean what leaving them out means.
func TestDefaultsCanBeWrittenOut(t *testing.T) {
	t.Parallel()
	environ := []string{"FLOWPUB_KAFKA_BROKERS=kafka:9092"}
	for _, v := range Variables() {
		field, _ := reflect.TypeFor[settings]().FieldByName(v.field)
		if value, fixed := field.Tag.Lookup("envDefault"); fixed {
			environ = append(environ, v.Name+"="+value)
		}
	}
	got, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	if want := defaults(); !reflect.DeepEqual(got, want) {
		t.Errorf("Load(%q):\n got %+v\nwant %+v", environ, got, want)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config LogConfig
		want   []string
	}{
		{"text", LogConfig{Level: slog.LevelInfo, Format: LogText}, []string{"level=INFO", "msg=hello", "answer=42"}},
		{"json", LogConfig{Level: slog.LevelInfo, Format: LogJSON}, []string{`"level":"INFO"`, `"msg":"hello"`, `"answer":42`}},
		{"below the level", LogConfig{Level: slog.LevelWarn, Format: LogText}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			logger := tt.config.Logger(&out)
			logger.LogAttrs(t.Context(), slog.LevelInfo, "hello", slog.Int("answer", 42))
			if tt.want == nil && out.Len() > 0 {
				t.Errorf("logged %q, want nothing", out.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("logged %q, want %q in it", out.String(), want)
				}
			}
		})
	}
}

func TestCountOfSocketsIsBounded(t *testing.T) {
	t.Parallel()
	var c count
	if err := c.UnmarshalText([]byte("9223372036854775808")); err == nil {
		t.Errorf("a number above %d was read as %d", math.MaxInt64, c)
	}
}
