package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// verdict is what is to be done with a batch after an attempt.
type verdict uint8

const (
	// again: the same bytes, under the same sequence numbers, later.
	again verdict = iota
	// delivered: done.
	delivered
	// tooLarge: the broker takes it only in parts, if at all.
	tooLarge
	// refused: the broker calls the records invalid.
	refused
	// unknownProducer: the broker does not know the producer id, or has seen
	// other sequence numbers under it.
	unknownProducer
)

// outcome is what became of an attempt to deliver a batch.
type outcome struct {
	verdict verdict
	// definite: the batch is not in Kafka by this attempt. Anything but
	// delivered that is not definite leaves that open.
	definite bool
	failure
	err error
}

// failure describes a kind of error: its name in kafka_produce_errors_total and
// what to do about it.
type failure struct {
	name string
	cure string
	// moved: the partition may have another leader; ask the cluster.
	moved bool
	// slow: trying again soon cannot help, somebody has to mend something.
	slow bool
	// unconnected: nobody was reached at the address.
	unconnected bool
	// identity: it is about who we are, so that other brokers would say the same.
	identity bool
}

// Errors of our own about attempts that could not be made or judged.
var (
	errNoLeader = errors.New("publisher: the partition has no leader")
	errNoAnswer = errors.New("publisher: the answer does not mention the partition")
)

// answers are the errors in a broker's answer that need more than trying again.
// Those not listed are tried again, and their outcome counts as open: the
// broker may have appended the batch before it ran into them, as it may with
// NOT_LEADER_OR_FOLLOWER, which a leader that is deposed while it waits for the
// replicas gives for a batch that survives.
var answers = map[kafka.Error]outcome{
	kafka.InvalidMessage:             {verdict: refused, definite: true},
	kafka.InvalidTimestamp:           {verdict: refused, definite: true},
	kafka.InvalidRecord:              {verdict: refused, definite: true},
	kafka.MessageSizeTooLarge:        {verdict: tooLarge, definite: true},
	kafka.RecordListTooLarge:         {verdict: tooLarge, definite: true},
	kafka.OutOfOrderSequenceNumber:   {verdict: unknownProducer, definite: true},
	kafka.InvalidProducerEpoch:       {verdict: unknownProducer, definite: true},
	kafka.UnknownProducerId:          {verdict: unknownProducer, definite: true},
	kafka.InvalidProducerIDMapping:   {verdict: unknownProducer, definite: true},
	kafka.ProducerFenced:             {verdict: unknownProducer, definite: true},
	kafka.NotEnoughReplicas:          {definite: true},
	kafka.TopicAuthorizationFailed:   {definite: true},
	kafka.ClusterAuthorizationFailed: {definite: true},
	kafka.UnsupportedCompressionType: {definite: true},
	kafka.InvalidRequiredAcks:        {definite: true},
	kafka.ThrottlingQuotaExceeded:    {definite: true},
}

// answerFailures names the errors of brokers that get a name of their own.
var answerFailures = map[kafka.Error]failure{
	kafka.InvalidMessage:               {name: "corrupt_message", cure: "the broker found the batch damaged: look for faulty memory or network devices on the way"},
	kafka.UnknownTopicOrPartition:      {name: "unknown_topic_or_partition", cure: "create the topic, or correct its name", moved: true},
	kafka.LeaderNotAvailable:           {name: "leader_not_available", moved: true},
	kafka.NotLeaderForPartition:        {name: "not_leader", moved: true},
	kafka.RequestTimedOut:              {name: "request_timed_out", cure: "the broker waited in vain for its replicas: look at the cluster's health"},
	kafka.BrokerNotAvailable:           {name: "broker_not_available", moved: true},
	kafka.MessageSizeTooLarge:          {name: "message_too_large", cure: "raise max.message.bytes of the topic; batches are split until it fits"},
	kafka.RecordListTooLarge:           {name: "message_too_large", cure: "raise segment.bytes of the topic; batches are split until it fits"},
	kafka.NotEnoughReplicas:            {name: "not_enough_replicas", cure: "fewer replicas are in sync than min.insync.replicas asks for: bring the missing brokers back"},
	kafka.NotEnoughReplicasAfterAppend: {name: "not_enough_replicas", cure: "fewer replicas are in sync than min.insync.replicas asks for: bring the missing brokers back"},
	kafka.InvalidRequiredAcks:          {name: "invalid_required_acks", slow: true},
	kafka.TopicAuthorizationFailed:     {name: "authorization", cure: "give this user WRITE and DESCRIBE on the topic", slow: true},
	kafka.ClusterAuthorizationFailed:   {name: "authorization", cure: "give this user IDEMPOTENT_WRITE on the cluster, or switch idempotence off", slow: true},
	kafka.InvalidTimestamp:             {name: "invalid_timestamp", cure: "compare the clock of this machine with the broker's and with the topic's message.timestamp limits"},
	kafka.OutOfOrderSequenceNumber:     {name: "out_of_order_sequence"},
	kafka.InvalidProducerEpoch:         {name: "unknown_producer"},
	kafka.UnknownProducerId:            {name: "unknown_producer"},
	kafka.InvalidProducerIDMapping:     {name: "unknown_producer"},
	kafka.ProducerFenced:               {name: "unknown_producer"},
	kafka.KafkaStorageError:            {name: "storage", cure: "the broker cannot write to its disk: look at its log", moved: true},
	kafka.UnsupportedCompressionType:   {name: "unsupported_compression", cure: "choose a codec that the brokers know", slow: true},
	kafka.InvalidRecord:                {name: "invalid_record", cure: "the broker's log says why; a compacted topic refuses nothing of ours"},
	kafka.ThrottlingQuotaExceeded:      {name: "throttled"},
	kafka.FencedLeaderEpoch:            {name: "not_leader", moved: true},
	kafka.UnknownLeaderEpoch:           {name: "not_leader", moved: true},
}

// The failures on this side of the broker.
var (
	failureTimeout     = failure{name: "timeout", cure: "the broker did not answer in time: look at its load and the network", moved: true}
	failureDialTimeout = failure{name: "timeout", cure: "no connection came about in time: look at the network, for a firewall, and whether the broker stands still", moved: true, unconnected: true}
	failureRefused     = failure{name: "connection_refused", cure: "nothing listens there: start the broker, or correct its advertised.listeners", moved: true, unconnected: true}
	failureUnreachable = failure{name: "unreachable", cure: "there is no way to that address: correct the broker's advertised.listeners, or the network", moved: true, unconnected: true}
	failureLost        = failure{name: "connection_lost", cure: "the broker closed the connection: it has ended, or wants TLS or SASL or another password", moved: true}
	failureDNS         = failure{name: "dns", cure: "the name does not resolve here: correct it, or the broker's advertised.listeners", moved: true, unconnected: true}
	failureTLS         = failure{name: "tls", cure: "compare the certificate authority, the server name, and whether that port speaks TLS", slow: true}
	failureAuth        = failure{name: "authentication", cure: "correct the SASL mechanism, user name, password or token", slow: true, identity: true}
	failureToken       = failure{name: "oauth_token", cure: "look at the token endpoint", slow: true, identity: true}
	failureNoLeader    = failure{name: "no_leader", cure: "the partition is without a broker that leads it: bring its brokers back", moved: true}
	failureNoTopic     = failure{name: "unknown_topic_or_partition", cure: "create the topic, or correct its name", moved: true}
	failureProducerID  = failure{name: "producer_id", cure: "the cluster gives no producer id: look at its health and at this user's permissions"}
	failureMemory      = failure{name: "memory", cure: "the operating system has no memory left"}
	failureOther       = failure{name: "other", moved: true}
)

// failureNames lists the names of all failures, each once.
func failureNames() []string {
	var names []string
	for _, f := range answerFailures {
		names = append(names, f.name)
	}
	for _, f := range []failure{
		failureTimeout, failureDialTimeout, failureRefused, failureUnreachable, failureLost, failureDNS, failureTLS, failureAuth, failureToken,
		failureNoLeader, failureNoTopic, failureProducerID, failureMemory, failureOther,
	} {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// brokerAnswer is the outcome that a broker's answer tells. A broker that has
// seen the sequence numbers before has the batch.
func brokerAnswer(code kafka.Error, message string) outcome {
	if code == 0 || code == kafka.DuplicateSequenceNumber {
		return outcome{verdict: delivered}
	}
	o := answers[code]
	o.failure = answerFailures[code]
	if o.name == "" {
		o.failure = failureOther
	}
	o.err = code
	if message != "" {
		o.err = fmt.Errorf("%w (%s)", code, message)
	}
	return o
}

// localFailure is the outcome of an attempt that sent nothing of the batch.
func localFailure(err error) outcome {
	return outcome{verdict: again, definite: true, failure: localKind(err), err: err}
}

// unansweredFailure is the outcome of an attempt that sent the batch, or part
// of it, and had no answer.
func unansweredFailure(err error) outcome {
	o := localFailure(err)
	o.definite = false
	return o
}

// localKind tells what kind of failure an error is that no broker gave as an
// answer to the attempt.
func localKind(err error) failure {
	var code kafka.Error
	var dns *net.DNSError
	var own *kindError
	switch {
	case errors.As(err, &own):
		return own.failure
	case errors.Is(err, errNoLeader), errors.Is(err, protocol.ErrNoLeader):
		return failureNoLeader
	case errors.Is(err, protocol.ErrNoTopic), errors.Is(err, protocol.ErrNoPartition):
		return failureNoTopic
	case errors.As(err, &dns):
		return failureDNS
	case isTLS(err):
		return failureTLS
	case errors.Is(err, kafka.SASLAuthenticationFailed), errors.Is(err, kafka.UnsupportedSASLMechanism),
		errors.Is(err, kafka.IllegalSASLState):
		return failureAuth
	case errors.As(err, &code):
		return brokerAnswer(code, "").failure
	}
	return networkKind(err)
}

// networkKind tells what kind of failure an error of the network is.
func networkKind(err error) failure {
	var timeout interface{ Timeout() bool }
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Timeout():
		return failureDialTimeout
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return failureTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return failureRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return failureUnreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return failureLost
	}
	return failureOther
}

// isTLS tells whether the TLS handshake failed. Alerts, sent or received, come
// as the two operations that crypto/tls has for them.
func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  *net.OpError
	)
	return errors.As(err, &verify) || errors.As(err, &record) ||
		errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error")
}

// kindError is an error whose kind is known where it is made.
type kindError struct {
	failure
	err error
}

// Error is part of error.
func (e *kindError) Error() string { return e.err.Error() }

// Unwrap is part of what errors.Is and errors.As look for.
func (e *kindError) Unwrap() error { return e.err }
