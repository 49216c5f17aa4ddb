package config

import (
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// Prefix begins the name of every variable.
const Prefix = variable.Prefix

// settings has a field for each variable. Tags:
//
//	env         name without Prefix; "notEmpty" marks a required variable
//	envDefault  default value
//	default     what the default is, where it is not a fixed value
//	unit        what a value looks like
//	help        meaning, in one line
//	secret      "true" when the value must never be shown
//
// The names of the fields are unique, because errors of package env name the
// field.
type settings struct {
	Listen         addresses `env:"LISTEN" envDefault:":2055" unit:"UDP host:port, comma-separated" help:"where to listen; no host means every address, IPv4 and IPv6"`
	Sockets        count     `env:"SOCKETS" default:"min(GOMAXPROCS, 8)" unit:"number" help:"SO_REUSEPORT sockets for each address"`
	ReceiveBuffer  ByteSize  `env:"RECEIVE_BUFFER" envDefault:"32MiB" unit:"size" help:"receive buffer of each address, shared by its sockets"`
	ReceiveDelay   Duration  `env:"RECEIVE_DELAY" envDefault:"10ms" unit:"duration" help:"how long datagrams may wait for more to be read with them"`
	ExportersAllow prefixes  `env:"EXPORTERS_ALLOW" default:"empty: all" unit:"CIDR, comma-separated" help:"exporters to listen to; datagrams of others are counted and dropped"`
	ExportersFile  string    `env:"EXPORTERS_FILE" default:"none" unit:"file" help:"names and sampling intervals of exporters, by network"`
	Formats        formats   `env:"FORMATS" default:"empty: all" unit:"netflow_v5, netflow_v9, ipfix or sflow, comma-separated" help:"export formats to take; datagrams of others are counted and dropped"`
	Elements       string    `env:"ELEMENTS" default:"none" unit:"numbers, comma-separated" help:"information elements of NetFlow v9 and IPFIX to copy as they are, as in 82,25461/56701; all-unknown: all that fill no field"`

	HTTPListen       address `env:"HTTP_LISTEN" envDefault:":8080" unit:"TCP host:port" help:"status page, metrics and probes; empty means no HTTP at all"`
	HTTPPProf        toggle  `env:"HTTP_PPROF" envDefault:"false" unit:"true or false" help:"add the Go profiler under /debug/pprof/"`
	MetricsExporters limit   `env:"METRICS_EXPORTERS" envDefault:"0" unit:"number" help:"exporters that have metrics of their own, at most; those named in the file first"`

	DrainLinger     Duration `env:"DRAIN_LINGER" envDefault:"0s" unit:"duration" help:"after SIGTERM: how long to go on reading while not ready"`
	ShutdownTimeout Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"15s" unit:"duration" help:"after that: longest wait for Kafka to take what is buffered"`

	LogLevel   logLevel  `env:"LOG_LEVEL" envDefault:"info" unit:"debug, info, warn or error" help:"least important messages to log"`
	LogFormat  LogFormat `env:"LOG_FORMAT" envDefault:"text" unit:"text or json" help:"form of log lines"`
	LogSummary Duration  `env:"LOG_SUMMARY" envDefault:"0s" unit:"duration" help:"how often to log a summary at info, as in 1m; 0s: never"`

	Brokers     brokers               `env:"KAFKA_BROKERS,notEmpty" default:"required" unit:"host:port, comma-separated" help:"brokers to ask first; the rest of the cluster is learned from them"`
	Topic       string                `env:"KAFKA_TOPIC" envDefault:"flows" unit:"name" help:"topic that receives the flow records"`
	TopicRoutes routes                `env:"KAFKA_TOPIC_ROUTES" default:"none" unit:"CIDR=name, comma-separated" help:"topics for the flow records of some exporters; the longest network wins"`
	Spread      spreads               `env:"KAFKA_SPREAD" default:"none" unit:"CIDR=number, comma-separated" help:"exporters whose datagrams are divided among several partitions, by stream, or one by one, as in 192.0.2.1/32=4/datagram"`
	DeadLetters string                `env:"KAFKA_DEAD_LETTER_TOPIC" default:"none" unit:"name" help:"topic for datagrams that could not be decoded"`
	Templates   string                `env:"KAFKA_TEMPLATE_TOPIC" default:"none" unit:"name" help:"topic that keeps templates of NetFlow v9 and IPFIX for other replicas and restarts"`
	CreateTopic cluster.TopicShape    `env:"KAFKA_CREATE_TOPIC" default:"none" unit:"partitions,replication" help:"have a missing topic created, as in 12,3"`
	Value       publisher.Value       `env:"KAFKA_VALUE" envDefault:"protobuf" unit:"protobuf, protobuf-delimited, confluent or json" help:"how a message's value holds its flow record"`
	ValueHeader string                `env:"KAFKA_VALUE_HEADER" default:"none" unit:"name" help:"name of a header of each message that tells its form and schema"`
	ClientID    string                `env:"KAFKA_CLIENT_ID" envDefault:"flowpub" unit:"name" help:"name in the brokers' logs and quotas"`
	Compression publisher.Compression `env:"KAFKA_COMPRESSION" envDefault:"zstd-fast" unit:"none, gzip, snappy, lz4, lz4-fast, zstd or zstd-fast" help:"compression of record batches"`
	Linger      Duration              `env:"KAFKA_LINGER" envDefault:"100ms" unit:"duration" help:"longest wait before an idle partition's batch is sent"`
	BatchBytes  ByteSize              `env:"KAFKA_BATCH_BYTES" envDefault:"512KiB" unit:"size" help:"uncompressed size at which an idle partition's batch is sent at once"`
	BufferBytes ByteSize              `env:"KAFKA_BUFFER_BYTES" default:"256MiB, or 40 % of the container's memory limit if less" unit:"size" help:"memory for flow records that Kafka has not acknowledged"`
	Partitioner publisher.Partitioner `env:"KAFKA_PARTITIONER" envDefault:"murmur2" unit:"murmur2, crc32 or fnv1a" help:"how an exporter's address chooses its partition"`
	Acks        publisher.Acks        `env:"KAFKA_ACKS" envDefault:"all" unit:"all, 1 or 0" help:"replicas that must have a batch before it counts as delivered"`
	Idempotent  *toggle               `env:"KAFKA_IDEMPOTENT" default:"true when acks=all, else false" unit:"true or false" help:"let brokers recognise repeated batches"`

	TLS           toggle `env:"KAFKA_TLS" envDefault:"false" unit:"true or false" help:"encrypt connections to brokers"`
	TLSCAFile     string `env:"KAFKA_TLS_CA_FILE" default:"the system's authorities" unit:"PEM file" help:"authorities that may sign brokers' certificates"`
	TLSCertFile   string `env:"KAFKA_TLS_CERT_FILE" default:"none" unit:"PEM file" help:"client certificate, for brokers that ask for one"`
	TLSKeyFile    string `env:"KAFKA_TLS_KEY_FILE" default:"none" unit:"PEM file" help:"key of the client certificate"`
	TLSServerName string `env:"KAFKA_TLS_SERVER_NAME" default:"each broker's host" unit:"name" help:"name expected in brokers' certificates"`
	TLSInsecure   toggle `env:"KAFKA_TLS_INSECURE" envDefault:"false" unit:"true or false" help:"accept any certificate; for tests only"`

	SASLMechanism    mechanism `env:"KAFKA_SASL_MECHANISM" default:"none" unit:"plain, scram-sha-256, scram-sha-512 or oauthbearer" help:"how to authenticate to brokers"`
	SASLUsername     string    `env:"KAFKA_SASL_USERNAME" default:"none" unit:"text" help:"user name"`
	SASLPassword     string    `env:"KAFKA_SASL_PASSWORD" default:"none" unit:"text" secret:"true" help:"password; a file is safer"`
	SASLPasswordFile string    `env:"KAFKA_SASL_PASSWORD_FILE" default:"none" unit:"file" help:"file that holds the password"`

	OAuthTokenFile        string `env:"KAFKA_SASL_OAUTH_TOKEN_FILE" default:"none" unit:"file" help:"file that holds a token for oauthbearer"`
	OAuthTokenURL         string `env:"KAFKA_SASL_OAUTH_TOKEN_URL" default:"none" unit:"URL" secret:"true" help:"endpoint that gives tokens for client credentials"`
	OAuthClientID         string `env:"KAFKA_SASL_OAUTH_CLIENT_ID" default:"none" unit:"text" help:"client id for that endpoint"`
	OAuthClientSecretFile string `env:"KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE" default:"none" unit:"file" help:"file that holds the client secret"`
	OAuthScope            string `env:"KAFKA_SASL_OAUTH_SCOPE" default:"none" unit:"text" help:"scope to ask for, several separated by spaces"`
	OAuthCAFile           string `env:"KAFKA_SASL_OAUTH_CA_FILE" default:"the system's authorities" unit:"PEM file" help:"authorities that may sign that endpoint's certificate"`
	OAuthExtensions       string `env:"KAFKA_SASL_OAUTH_EXTENSIONS" default:"none" unit:"name=value, comma-separated" help:"SASL extensions to send with each token, where brokers want some"`

	RegistryURL          string `env:"SCHEMA_REGISTRY_URL" default:"none" unit:"URL" secret:"true" help:"schema registry, for confluent values"`
	RegistryUsername     string `env:"SCHEMA_REGISTRY_USERNAME" default:"none" unit:"text" help:"user name for the schema registry"`
	RegistryPasswordFile string `env:"SCHEMA_REGISTRY_PASSWORD_FILE" default:"none" unit:"file" help:"file that holds the password for the schema registry"`
	RegistryCAFile       string `env:"SCHEMA_REGISTRY_CA_FILE" default:"the system's authorities" unit:"PEM file" help:"authorities that may sign the schema registry's certificate"`
}
