// Package variable names the environment variables of flowpub, for the packages
// whose mistakes and cures name them. What they mean is in package config.
package variable

import "fmt"

// Prefix begins the name of every variable.
const Prefix = "FLOWPUB_"

// The variables, in the order in which they are documented.
const (
	Listen                     = Prefix + "LISTEN"
	Sockets                    = Prefix + "SOCKETS"
	ReceiveBuffer              = Prefix + "RECEIVE_BUFFER"
	ReceiveDelay               = Prefix + "RECEIVE_DELAY"
	ExportersAllow             = Prefix + "EXPORTERS_ALLOW"
	ExportersFile              = Prefix + "EXPORTERS_FILE"
	Formats                    = Prefix + "FORMATS"
	Elements                   = Prefix + "ELEMENTS"
	HTTPListen                 = Prefix + "HTTP_LISTEN"
	HTTPPprof                  = Prefix + "HTTP_PPROF"
	MetricsExporters           = Prefix + "METRICS_EXPORTERS"
	DrainLinger                = Prefix + "DRAIN_LINGER"
	ShutdownTimeout            = Prefix + "SHUTDOWN_TIMEOUT"
	LogLevel                   = Prefix + "LOG_LEVEL"
	LogFormat                  = Prefix + "LOG_FORMAT"
	LogSummary                 = Prefix + "LOG_SUMMARY"
	Brokers                    = Prefix + "KAFKA_BROKERS"
	Topic                      = Prefix + "KAFKA_TOPIC"
	TopicRoutes                = Prefix + "KAFKA_TOPIC_ROUTES"
	Spread                     = Prefix + "KAFKA_SPREAD"
	DeadLetterTopic            = Prefix + "KAFKA_DEAD_LETTER_TOPIC"
	TemplateTopic              = Prefix + "KAFKA_TEMPLATE_TOPIC"
	CreateTopic                = Prefix + "KAFKA_CREATE_TOPIC"
	Value                      = Prefix + "KAFKA_VALUE"
	ValueHeader                = Prefix + "KAFKA_VALUE_HEADER"
	ClientID                   = Prefix + "KAFKA_CLIENT_ID"
	Compression                = Prefix + "KAFKA_COMPRESSION"
	Linger                     = Prefix + "KAFKA_LINGER"
	BatchBytes                 = Prefix + "KAFKA_BATCH_BYTES"
	BufferBytes                = Prefix + "KAFKA_BUFFER_BYTES"
	Partitioner                = Prefix + "KAFKA_PARTITIONER"
	Acks                       = Prefix + "KAFKA_ACKS"
	Idempotent                 = Prefix + "KAFKA_IDEMPOTENT"
	TLS                        = Prefix + "KAFKA_TLS"
	TLSCAFile                  = Prefix + "KAFKA_TLS_CA_FILE"
	TLSCertFile                = Prefix + "KAFKA_TLS_CERT_FILE"
	TLSKeyFile                 = Prefix + "KAFKA_TLS_KEY_FILE"
	TLSServerName              = Prefix + "KAFKA_TLS_SERVER_NAME"
	TLSInsecure                = Prefix + "KAFKA_TLS_INSECURE"
	SASLMechanism              = Prefix + "KAFKA_SASL_MECHANISM"
	SASLUsername               = Prefix + "KAFKA_SASL_USERNAME"
	SASLPassword               = Prefix + "KAFKA_SASL_PASSWORD"
	SASLPasswordFile           = Prefix + "KAFKA_SASL_PASSWORD_FILE"
	SASLOAuthTokenFile         = Prefix + "KAFKA_SASL_OAUTH_TOKEN_FILE"
	SASLOAuthTokenURL          = Prefix + "KAFKA_SASL_OAUTH_TOKEN_URL"
	SASLOAuthClientID          = Prefix + "KAFKA_SASL_OAUTH_CLIENT_ID"
	SASLOAuthClientSecretFile  = Prefix + "KAFKA_SASL_OAUTH_CLIENT_SECRET_FILE"
	SASLOAuthScope             = Prefix + "KAFKA_SASL_OAUTH_SCOPE"
	SASLOAuthCAFile            = Prefix + "KAFKA_SASL_OAUTH_CA_FILE"
	SASLOAuthExtensions        = Prefix + "KAFKA_SASL_OAUTH_EXTENSIONS"
	SchemaRegistryURL          = Prefix + "SCHEMA_REGISTRY_URL"
	SchemaRegistryUsername     = Prefix + "SCHEMA_REGISTRY_USERNAME"
	SchemaRegistryPasswordFile = Prefix + "SCHEMA_REGISTRY_PASSWORD_FILE"
	SchemaRegistryCAFile       = Prefix + "SCHEMA_REGISTRY_CA_FILE"
)

// Error is a mistake in what a variable says.
type Error struct {
	Variable string
	err      error
}

// Error is part of error. It leaves the name to whoever shows it.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *Error) Unwrap() error { return e.err }

// Mistake returns an *Error with a text as fmt.Errorf makes it.
func Mistake(name, format string, args ...any) error {
	return &Error{name, fmt.Errorf(format, args...)}
}

// In returns an *Error for err; nil for nil.
func In(name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{name, err}
}
