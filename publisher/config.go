package publisher

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/batch"
	"github.com/flowpub/flowpub/publisher/cluster"
	"github.com/flowpub/flowpub/publisher/registry"
)

// Limits of a configuration, and figures that follow from Kafka's own.
const (
	// MinBatchBytes and MaxBatchBytes bound Config.BatchBytes. The upper one is
	// what a batch may hold while its partition is busy.
	MinBatchBytes = 4 << 10
	MaxBatchBytes = batch.MaxBytes
	// MinBufferBytes is the smallest budget that keeps one partition moving: a
	// batch being filled, one under way, the client's copy of it.
	MinBufferBytes = 4 << 20
	// MaxBufferBytes bounds Config.BufferBytes. More would be a typing error: while Kafka is
	// away the buffer would grow until the system kills the process.
	MaxBufferBytes = 1 << 40
	// MaxLinger bounds Config.Linger.
	MaxLinger = time.Minute
	// maxTopicLength is Kafka's own bound, see its class Topic.
	maxTopicLength = 249
)

// Value is how a Kafka message's value holds its flow record.
type Value = batch.Value

// Compression is how record batches are compressed.
type Compression = batch.Compression

// The forms of values and the codecs, as package batch describes them.
const (
	ValueProtobuf          = batch.ValueProtobuf
	ValueProtobufDelimited = batch.ValueProtobufDelimited
	ValueJSON              = batch.ValueJSON
	ValueConfluent         = batch.ValueConfluent

	CompressionNone     = batch.CompressionNone
	CompressionGzip     = batch.CompressionGzip
	CompressionSnappy   = batch.CompressionSnappy
	CompressionLZ4      = batch.CompressionLZ4
	CompressionZstd     = batch.CompressionZstd
	CompressionLZ4Fast  = batch.CompressionLZ4Fast
	CompressionZstdFast = batch.CompressionZstdFast
)

// Config says where flow records go and how. DefaultConfig gives the values
// that the documentation promises; Brokers has none and must be set.
type Config struct {
	// Brokers are the host:port addresses of at least one broker of the
	// cluster; the rest is learned from it.
	Brokers []string
	// Topic receives all flow records. A name has 1 to 249 of A-Z, a-z, 0-9, '.',
	// '_' and '-', and is neither "." nor "..". Until it exists they wait.
	Topic string
	// Routes send the records of some exporters to other topics, at most MaxRoutes
	// to at most MaxTopics. The longest network wins.
	Routes []Route
	// Spreads divide what some exporters send among several partitions of their
	// topic, at most MaxSpreads. The longest network wins.
	Spreads []Spread
	// DeadLetterTopic, when not empty, gets the datagrams that PublishDeadLetter
	// is given. It is as Topic, and none of those for flow records.
	DeadLetterTopic string
	// CreateTopic, when not zero, is the shape in which a missing topic is created.
	CreateTopic cluster.TopicShape
	// Value is how a Kafka message's value holds its flow record.
	Value Value
	// ValueHeader, when not empty, names a header of each Kafka record that tells its
	// Value and the message in it, as in "json; flow.v1.FlowRecord". A name has 1 to
	// MaxHeaderName of A-Z, a-z, 0-9, '.', '_' and '-'.
	ValueHeader string
	// Registry is where ValueConfluent gets the id of the schema; else nil.
	Registry *registry.Config
	// ClientID names this program in the brokers' logs and quotas.
	ClientID string
	// Compression is the codec of the record batches.
	Compression Compression
	// Linger is the longest time a record waits for more before the batch of
	// an idle partition is sent.
	Linger time.Duration
	// BatchBytes is the uncompressed size at which the batch of an idle
	// partition is sent without waiting for Linger.
	BatchBytes int
	// BufferBytes is the budget for all records not yet acknowledged: the
	// allocated capacity of their batches and the client's copies, from
	// LeastBufferBytes to MaxBufferBytes.
	BufferBytes int
	// Partitioner maps an exporter's address to a partition.
	Partitioner Partitioner
	// Acks is how many replicas must have a batch before it counts as delivered.
	Acks Acks
	// Idempotent lets brokers recognise a repeated batch. It needs AcksAll.
	Idempotent bool
	// IdempotentRequired makes a cluster's refusal of a producer id an error to
	// be retried. Otherwise publishing goes on without, after one warning.
	IdempotentRequired bool
	// TLS, when not nil, encrypts the connections.
	TLS *auth.TLS
	// SASL, when not nil, authenticates them.
	SASL *auth.SASL
	// RequestTimeout is the longest wait for a broker's answer to a request,
	// after which the batches in it are sent again.
	RequestTimeout time.Duration
	// Logger receives what an operator should know; nil means nothing is logged.
	Logger *slog.Logger
}

// DefaultConfig returns the documented defaults: acks=all, idempotent, zstd-fast,
// 100 ms linger, 512 KiB batches and a budget of 256 MiB.
func DefaultConfig() Config {
	return Config{
		Topic:          "flows",
		ClientID:       "flowpub",
		Compression:    CompressionZstdFast,
		Linger:         100 * time.Millisecond,
		BatchBytes:     512 << 10,
		BufferBytes:    256 << 20,
		Partitioner:    PartitionerMurmur2,
		Acks:           AcksAll,
		Idempotent:     true,
		RequestTimeout: 30 * time.Second,
	}
}

// Validate returns every mistake in c, joined, or nil.
func (c Config) Validate() error {
	var errs []error
	mistake := func(name, format string, args ...any) {
		errs = append(errs, variable.Mistake(name, "publisher: "+format, args...))
	}
	if len(c.Brokers) == 0 {
		mistake(variable.Brokers, "no brokers: name at least one as host:port")
	}
	switch {
	case c.Topic == "":
		mistake(variable.Topic, "no topic: name the topic that receives the flow records")
	case !canBeTopic(c.Topic):
		mistake(variable.Topic, "topic %q cannot exist in Kafka: %s", c.Topic, topicRule)
	}
	if len(c.ClientID) > maxClientID || strings.ContainsFunc(c.ClientID, unprintable) {
		mistake(variable.ClientID, "client id %.40q cannot be: it has up to %d bytes that can be printed", c.ClientID, maxClientID)
	}
	if c.Linger < 0 || c.Linger > MaxLinger {
		mistake(variable.Linger, "linger is %v: it must be from 0 to %v", c.Linger, MaxLinger)
	}
	if c.BatchBytes < MinBatchBytes || c.BatchBytes > MaxBatchBytes {
		mistake(variable.BatchBytes, "batch size is %v: it must be from %v to %v", ByteSize(c.BatchBytes), ByteSize(MinBatchBytes), ByteSize(MaxBatchBytes))
	}
	least := ByteSize(c.LeastBufferBytes())
	if buffer := ByteSize(c.BufferBytes); buffer < least || buffer > MaxBufferBytes {
		mistake(variable.BufferBytes, "buffer is %v: it must be from %v to %v", buffer, least, ByteSize(MaxBufferBytes))
	}
	if c.Idempotent && c.Acks != AcksAll {
		mistake(variable.Idempotent, "idempotent publishing needs acks=all, not acks=%v: set acks to all, or idempotence to false", c.Acks)
	}
	if c.RequestTimeout < time.Second {
		errs = append(errs, fmt.Errorf("publisher: request timeout is %v: it must be at least 1s", c.RequestTimeout))
	}
	return errors.Join(append(errs,
		variable.In(variable.Value, c.Value.Validate()),
		variable.In(variable.ValueHeader, c.validateValueHeader()),
		variable.In(variable.TopicRoutes, c.validateRoutes()),
		variable.In(variable.Spread, c.validateSpreads()),
		variable.In(variable.DeadLetterTopic, c.validateDeadLetters()),
		variable.In(variable.CreateTopic, c.CreateTopic.Validate()),
		c.validateRegistry(),
		c.auth().Validate(),
	)...)
}

func (c Config) validateValueHeader() error {
	if len(c.ValueHeader) > batch.MaxHeaderName || strings.ContainsFunc(c.ValueHeader, unusual) {
		return fmt.Errorf("publisher: header %q cannot be: a name has 1 to %d of A-Z, a-z, 0-9, '.', '_' and '-'", c.ValueHeader, batch.MaxHeaderName)
	}
	return nil
}

// framing is what values are made of, but for the schema's id.
func (c Config) framing() batch.Framing {
	f := batch.Framing{Value: c.Value}
	if c.ValueHeader != "" {
		f.Headers = batch.Headers(c.ValueHeader, c.Value)
	}
	return f
}

func (c Config) validateRegistry() error {
	switch {
	case c.Registry == nil && c.Value == ValueConfluent:
		return variable.Mistake(variable.SchemaRegistryURL, "publisher: values for readers with a schema registry need one: name its URL, as in https://registry:8081")
	case c.Registry == nil:
		return nil
	case c.Value != ValueConfluent:
		return variable.Mistake(variable.Value, "publisher: there is a schema registry, but values are %v: make them %v, or remove it", c.Value, ValueConfluent)
	}
	return c.Registry.Validate()
}

func (c Config) validateDeadLetters() error {
	if c.DeadLetterTopic == "" {
		return nil
	}
	return c.ValidateTopic(c.DeadLetterTopic, "dead letters")
}

// ValidateTopic returns what is wrong with the name of a topic for something else than flow records.
func (c Config) ValidateTopic(name, purpose string) error {
	switch {
	case !canBeTopic(name):
		return fmt.Errorf("publisher: topic %q for %s cannot exist in Kafka: %s", name, purpose, topicRule)
	case slices.Contains(c.topics(), name):
		return fmt.Errorf("publisher: topic %q for %s is one of those for flow records: give them a topic of their own", name, purpose)
	}
	return nil
}

// cluster returns the configuration of the connections.
func (c Config) cluster(log *slog.Logger, notices *notice.Limiter) *cluster.Config {
	return &cluster.Config{
		Brokers: c.Brokers, ClientID: c.ClientID, Auth: c.auth(), Topics: c.topics(), DeadLetters: c.DeadLetterTopic,
		CreateTopic: c.CreateTopic, Unacknowledged: c.Acks == AcksNone, Idempotent: c.Idempotent, Required: c.IdempotentRequired,
		Log: log, Notices: notices,
	}
}

// auth is how connections are encrypted and authenticated.
func (c Config) auth() auth.Config { return auth.Config{TLS: c.TLS, SASL: c.SASL} }

// topicRule is what canBeTopic asks for, in words.
const topicRule = "a name has 1 to 249 of A-Z, a-z, 0-9, '.', '_' and '-', and is neither . nor .."

// canBeTopic reports whether Kafka takes name as a topic's: its class Topic has
// the rule.
func canBeTopic(name string) bool {
	return name != "" && len(name) <= maxTopicLength && name != "." && name != ".." && !strings.ContainsFunc(name, unusual)
}

// unusual reports whether r is not of A-Z, a-z, 0-9, '.', '_' and '-'.
func unusual(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	return !letter && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
}

// maxClientID is how long a client id may be: requests have 15 bits for its length, and brokers
// keep counts of each.
const maxClientID = 249

// unprintable reports whether r is a control character, or none at all.
func unprintable(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }

// ByteSize is a number of bytes that prints as people write it: 4KiB, 1MiB.
type ByteSize int64

// String returns the size in the largest power of 1,024, up to TiB, that divides
// it.
func (s ByteSize) String() string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for s != 0 && s%1024 == 0 && unit < len(units)-1 {
		s /= 1024
		unit++
	}
	return strconv.FormatInt(int64(s), 10) + units[unit]
}

// Acks is the number of replicas that must acknowledge a batch, as the Kafka
// protocol's produce request encodes it.
type Acks int16

// The acknowledgements Kafka knows.
const (
	// AcksNone: the batch counts as delivered once it is written to the
	// connection. If that fails then, its flows are lost without a trace.
	AcksNone Acks = 0
	// AcksLeader: once the partition's leader has it.
	AcksLeader Acks = 1
	// AcksAll: once all in-sync replicas have it.
	AcksAll Acks = -1
)

// String returns "all", "1" or "0".
func (a Acks) String() string {
	if a == AcksAll {
		return "all"
	}
	return fmt.Sprint(int16(a))
}

// MarshalText is String.
func (a Acks) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText accepts "all", "-1", "1" and "0".
func (a *Acks) UnmarshalText(b []byte) error {
	switch string(b) {
	case "all", "-1":
		*a = AcksAll
	case "1":
		*a = AcksLeader
	case "0":
		*a = AcksNone
	default:
		return fmt.Errorf("publisher: acks %q is not known: use all, 1 or 0", b)
	}
	return nil
}
