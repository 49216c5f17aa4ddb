package failure

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher/answers"
)

// SlowPause is how long to wait before trying again what is Slow.
const SlowPause = 5 * time.Second

// Kind describes a kind of failure.
type Kind struct {
	// Name is its label in kafka_produce_errors_total.
	Name string
	// Cure is what an operator can do about it.
	Cure string
	// Moved: the partition may have another leader; ask the cluster.
	Moved bool
	// Slow: trying again soon cannot help, somebody has to mend something.
	Slow bool
	// Unconnected: nobody was reached at the address.
	Unconnected bool
	// Identity: authentication failed, and would fail at other brokers, too.
	Identity bool
}

// The kinds of failures on this side of the broker.
var (
	Timeout     = Kind{Name: "timeout", Cure: "the broker did not answer in time: look at its load and the network", Moved: true}
	DialTimeout = Kind{Name: "timeout", Cure: "no connection came about in time: look at the network, for a firewall, and whether the broker hangs", Moved: true, Unconnected: true}
	Refused     = Kind{Name: "connection_refused", Cure: "nothing listens there: start the broker, or correct " + variable.Brokers + " or its advertised.listeners", Moved: true, Unconnected: true}
	Unreachable = Kind{Name: "unreachable", Cure: "there is no way to that address: correct the broker's advertised.listeners, or the network", Moved: true, Unconnected: true}
	Lost        = Kind{Name: "connection_lost", Cure: "the broker ends or restarts; if that lasts, look at its log: it may want TLS, SASL or another password", Moved: true}
	DNS         = Kind{Name: "dns", Cure: "the name does not resolve here: correct it, or the broker's advertised.listeners", Moved: true, Unconnected: true}
	TLS         = Kind{Name: "tls", Cure: "compare the certificate authority, the server name, and whether that port speaks TLS", Slow: true}
	Auth        = Kind{Name: "authentication", Cure: "correct the SASL mechanism, user name, password or token", Slow: true, Identity: true}
	Token       = Kind{Name: "oauth_token", Cure: "look at the token endpoint", Slow: true, Identity: true}
	NoLeader    = Kind{Name: "no_leader", Cure: "the partition is without a broker that leads it: bring its brokers back", Moved: true}
	NoTopic     = Kind{Name: "unknown_topic_or_partition", Cure: "create the topic, or correct its name", Moved: true}
	ProducerID  = Kind{Name: "producer_id", Cure: "the cluster gives no producer id: look at its health and at this user's permissions"}
	Memory      = Kind{Name: "memory", Cure: "the operating system has no memory left"}
	NotKafka    = Kind{Name: "not_kafka", Cure: "name a Kafka broker in " + variable.Brokers, Moved: true, Slow: true}
	Malformed   = Kind{Name: "malformed_answer", Cure: "look at that broker's version and log", Moved: true, Slow: true}
	Other       = Kind{Name: "other", Cure: "look at the broker's log", Moved: true}
)

// Names lists the names of all kinds, each once, in order.
func Names() []string {
	var names []string
	for _, kind := range codes {
		names = append(names, kind.Name)
	}
	for _, kind := range []Kind{
		Timeout, DialTimeout, Refused, Unreachable, Lost, DNS, TLS, Auth, Token,
		NoLeader, NoTopic, ProducerID, Memory, NotKafka, Malformed, Other,
	} {
		names = append(names, kind.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ErrNoLeader is why there is no broker to send a batch to.
var ErrNoLeader = errors.New("the partition has no leader")

// Of returns the kind of an error.
func Of(err error) Kind {
	var code kafka.Error
	var dns *net.DNSError
	var known *Error
	var strange *answers.Error
	switch {
	case errors.As(err, &known):
		return known.Kind
	case errors.As(err, &strange):
		return ofStrange(strange)
	case errors.Is(err, ErrNoLeader), errors.Is(err, protocol.ErrNoLeader):
		return NoLeader
	case errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition):
		return NoTopic
	case errors.As(err, &dns):
		return DNS
	case IsTLS(err):
		return TLS
	case errors.As(err, &code):
		return ofCode(code)
	}
	return ofNetwork(err)
}

// ofStrange is the kind of an answer that cannot be used.
func ofStrange(err *answers.Error) Kind {
	kind := Malformed
	switch err.Kind {
	case answers.NotKafka:
		kind = NotKafka
	case answers.WrongTLS:
		kind = TLS
	case answers.WrongSASL:
		kind = Auth
	case answers.Malformed:
	}
	kind.Cure = err.Cure
	return kind
}

// ofNetwork is the kind of an error of the network.
func ofNetwork(err error) Kind {
	var timeout interface{ Timeout() bool }
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Timeout():
		return DialTimeout
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return Lost
	}
	return Other
}

// IsTLS reports whether a TLS handshake failed. Alerts, sent or received, come
// as the two operations that crypto/tls has for them.
func IsTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  *net.OpError
	)
	return errors.As(err, &verify) || errors.As(err, &record) ||
		errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error")
}

// Error is an error whose kind is known where it is made.
type Error struct {
	Kind Kind
	Err  error
}

// Error is part of error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *Error) Unwrap() error { return e.Err }

// CureAt is the cure of a failure at the address that a broker tells of itself. Where
// nobody configured it, and only the broker's word leads there, that is the likeliest to
// be wrong.
func CureAt(configured []string, address string, kind Kind) string {
	if kind.Unconnected && address != "" && !slices.Contains(configured, address) {
		return cureAdvertised
	}
	return kind.Cure
}

// cureAdvertised is what to do about a broker to which no connection can be made
// at an address that nobody configured here.
const cureAdvertised = "that address is the broker's own word, from its advertised.listeners: " +
	"if the broker runs, have it advertise one that can be reached from here"
