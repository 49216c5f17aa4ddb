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

	"github.com/flowpub/flowpub/publisher/answers"
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
	errNoLeader = errors.New("the partition has no leader")
	errNoAnswer = errors.New("the answer does not mention the partition")
)

// codeOutcomes are the errors in a broker's answer that need more than trying again.
// Those not listed are tried again, and their outcome counts as open: the
// broker may have appended the batch before it ran into them, as it may with
// NOT_LEADER_OR_FOLLOWER, which a leader that is deposed while it waits for the
// replicas gives for a batch that survives.
var codeOutcomes = map[kafka.Error]outcome{
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
	// What is refused before anything is appended, as a whole request.
	kafka.UnsupportedVersion:          {definite: true},
	kafka.InvalidRequest:              {definite: true},
	kafka.UnsupportedForMessageFormat: {definite: true},
	kafka.PolicyViolation:             {definite: true},
	kafka.InvalidTopic:                {definite: true},
}

// cureCoordinator is for answers that a cluster gives while it starts.
const cureCoordinator = "the cluster is still starting, or a broker is away: look at its health if this lasts"

// answerFailures names the errors of brokers that get a name of their own: all that
// Kafka's list has for requests of producers, and those that other implementations
// send.
var answerFailures = map[kafka.Error]failure{
	kafka.Unknown:                            {name: "unknown_server_error", cure: "the broker ran into a fault of its own: look at its log", moved: true},
	kafka.InvalidMessage:                     {name: "corrupt_message", cure: "the broker found the batch damaged: look for faulty memory or network devices on the way"},
	kafka.UnknownTopicOrPartition:            {name: "unknown_topic_or_partition", cure: "create the topic, or correct its name", moved: true},
	kafka.LeaderNotAvailable:                 {name: "leader_not_available", cure: "the partition is getting a leader: bring its brokers back if this lasts", moved: true},
	kafka.NotLeaderForPartition:              {name: "not_leader", cure: "leaders have moved, and the new one is asked for: look at the cluster's health if this lasts", moved: true},
	kafka.RequestTimedOut:                    {name: "request_timed_out", cure: "the broker waited in vain for its replicas: look at the cluster's health"},
	kafka.BrokerNotAvailable:                 {name: "broker_not_available", cure: cureCoordinator, moved: true},
	kafka.ReplicaNotAvailable:                {name: "broker_not_available", cure: cureCoordinator, moved: true},
	kafka.MessageSizeTooLarge:                {name: "message_too_large", cure: "raise max.message.bytes of the topic; batches are split until it fits"},
	kafka.NetworkException:                   {name: "network", cure: "the broker lost a connection of its own: look at the network between brokers", moved: true},
	kafka.GroupLoadInProgress:                {name: "coordinator", cure: cureCoordinator},
	kafka.GroupCoordinatorNotAvailable:       {name: "coordinator", cure: cureCoordinator},
	kafka.NotCoordinatorForGroup:             {name: "coordinator", cure: cureCoordinator, moved: true},
	kafka.InvalidTopic:                       {name: "invalid_topic", cure: "the broker takes nothing for a topic of that name: choose another in FLOWPUB_KAFKA_TOPIC or FLOWPUB_KAFKA_TOPIC_ROUTES", slow: true},
	kafka.RecordListTooLarge:                 {name: "message_too_large", cure: "raise segment.bytes of the topic; batches are split until it fits"},
	kafka.NotEnoughReplicas:                  {name: "not_enough_replicas", cure: "fewer replicas are in sync than min.insync.replicas asks for: bring the missing brokers back"},
	kafka.NotEnoughReplicasAfterAppend:       {name: "not_enough_replicas", cure: "fewer replicas are in sync than min.insync.replicas asks for: bring the missing brokers back"},
	kafka.InvalidRequiredAcks:                {name: "invalid_required_acks", cure: "the broker does not take FLOWPUB_KAFKA_ACKS as it is: set it to all", slow: true},
	kafka.TopicAuthorizationFailed:           {name: "authorization", cure: "give this user WRITE and DESCRIBE on the topic", slow: true},
	kafka.ClusterAuthorizationFailed:         {name: "authorization", cure: "give this user IDEMPOTENT_WRITE on the cluster, or switch idempotence off", slow: true},
	kafka.TransactionalIDAuthorizationFailed: {name: "authorization", cure: "give this user IDEMPOTENT_WRITE on the cluster, or switch idempotence off", slow: true},
	kafka.BrokerAuthorizationFailed:          {name: "authorization", cure: "give this user WRITE and DESCRIBE on the topic", slow: true},
	kafka.PrincipalDeserializationFailure:    {name: "authorization", cure: "brokers do not understand each other's users: set principal.builder.class alike on all", slow: true},
	kafka.InvalidTimestamp:                   {name: "invalid_timestamp", cure: "compare the clock of this machine with the broker's and with the topic's message.timestamp limits"},
	kafka.UnsupportedVersion:                 {name: "unsupported_version", cure: "the broker does not take this version of the request: it must be Kafka 0.11 or later, or speak as that does; without idempotence (FLOWPUB_KAFKA_IDEMPOTENT=false) less is asked of it", slow: true},
	kafka.NotController:                      {name: "not_controller", cure: cureCoordinator, moved: true},
	kafka.InvalidRequest:                     {name: "invalid_request", cure: "the broker refuses the request as it is, and its log says why: try FLOWPUB_KAFKA_ACKS=all, FLOWPUB_KAFKA_IDEMPOTENT=false and FLOWPUB_KAFKA_COMPRESSION=none, one after the other", slow: true},
	kafka.UnsupportedForMessageFormat:        {name: "unsupported_format", cure: "the broker does not take this codec or form of batches: set FLOWPUB_KAFKA_COMPRESSION=gzip or none (Azure Event Hubs takes no zstd), or the topic's message.format.version to 2.1 or later", slow: true},
	kafka.PolicyViolation:                    {name: "policy_violation", cure: "a rule of the cluster refuses the batch, and the broker's log says which: change it for this topic; a rule that wants schemas is met by FLOWPUB_KAFKA_VALUE=confluent", slow: true},
	kafka.OutOfOrderSequenceNumber:           {name: "out_of_order_sequence", cure: "the broker has lost what it knew of earlier batches; a new producer id is asked for"},
	kafka.InvalidProducerEpoch:               {name: "unknown_producer", cure: cureProducer},
	kafka.UnknownProducerId:                  {name: "unknown_producer", cure: cureProducer},
	kafka.InvalidProducerIDMapping:           {name: "unknown_producer", cure: cureProducer},
	kafka.ProducerFenced:                     {name: "unknown_producer", cure: cureProducer},
	kafka.KafkaStorageError:                  {name: "storage", cure: "the broker cannot write to its disk: look at its log", moved: true},
	kafka.LogDirNotFound:                     {name: "storage", cure: "the broker misses a directory of its log: look at its disks", moved: true},
	kafka.ReassignmentInProgress:             {name: "not_leader", cure: cureCoordinator, moved: true},
	kafka.ListenerNotFound:                   {name: "leader_not_available", cure: "the partition's leader has no listener like the one that was asked: configure the same listeners on all brokers", moved: true},
	kafka.FencedLeaderEpoch:                  {name: "not_leader", cure: cureCoordinator, moved: true},
	kafka.UnknownLeaderEpoch:                 {name: "not_leader", cure: cureCoordinator, moved: true},
	kafka.UnsupportedCompressionType:         {name: "unsupported_compression", cure: "choose a codec that the brokers know in FLOWPUB_KAFKA_COMPRESSION", slow: true},
	kafka.PreferredLeaderNotAvailable:        {name: "leader_not_available", cure: cureCoordinator, moved: true},
	kafka.EligibleLeadersNotAvailable:        {name: "leader_not_available", cure: cureCoordinator, moved: true},
	kafka.InvalidRecord:                      {name: "invalid_record", cure: "the broker's log says why; a compacted topic refuses nothing of ours"},
	kafka.ThrottlingQuotaExceeded:            {name: "throttled", cure: "this user or client id has used up its quota: raise it"},
	kafka.UnknownTopicID:                     {name: "unknown_topic_or_partition", cure: "the topic was deleted, or made anew: look whether it is there", moved: true},
	kafka.InconsistentTopicID:                {name: "unknown_topic_or_partition", cure: "the topic was deleted, or made anew: look whether it is there", moved: true},
	// A login that ends here, later than usual.
	kafka.UnsupportedSASLMechanism:           failureAuth,
	kafka.IllegalSASLState:                   failureAuth,
	kafka.SASLAuthenticationFailed:           failureAuth,
	kafka.DelegationTokenNotFound:            failureAuth,
	kafka.DelegationTokenAuthorizationFailed: failureAuth,
	kafka.DelegationTokenExpired:             failureAuth,
	kafka.UnacceptableCredential:             failureAuth,
}

// cureProducer is for brokers that do not know a producer id.
const cureProducer = "another producer took the id over, or the broker has forgotten it; a new one is asked for"

// The failures on this side of the broker.
var (
	failureTimeout     = failure{name: "timeout", cure: "the broker did not answer in time: look at its load and the network", moved: true}
	failureDialTimeout = failure{name: "timeout", cure: "no connection came about in time: look at the network, for a firewall, and whether the broker stands still", moved: true, unconnected: true}
	failureRefused     = failure{name: "connection_refused", cure: "nothing listens there: start the broker, or correct its advertised.listeners", moved: true, unconnected: true}
	failureUnreachable = failure{name: "unreachable", cure: "there is no way to that address: correct the broker's advertised.listeners, or the network", moved: true, unconnected: true}
	failureLost        = failure{name: "connection_lost", cure: "the broker ends or restarts; if that lasts, look at its log: it may want TLS, SASL or another password", moved: true}
	failureDNS         = failure{name: "dns", cure: "the name does not resolve here: correct it, or the broker's advertised.listeners", moved: true, unconnected: true}
	failureTLS         = failure{name: "tls", cure: "compare the certificate authority, the server name, and whether that port speaks TLS", slow: true}
	failureAuth        = failure{name: "authentication", cure: "correct the SASL mechanism, user name, password or token", slow: true, identity: true}
	failureToken       = failure{name: "oauth_token", cure: "look at the token endpoint", slow: true, identity: true}
	failureNoLeader    = failure{name: "no_leader", cure: "the partition is without a broker that leads it: bring its brokers back", moved: true}
	failureNoTopic     = failure{name: "unknown_topic_or_partition", cure: "create the topic, or correct its name", moved: true}
	failureProducerID  = failure{name: "producer_id", cure: "the cluster gives no producer id: look at its health and at this user's permissions"}
	failureMemory      = failure{name: "memory", cure: "the operating system has no memory left"}
	failureNotKafka    = failure{name: "not_kafka", cure: "name a Kafka broker in FLOWPUB_KAFKA_BROKERS", moved: true, slow: true}
	failureMalformed   = failure{name: "malformed_answer", cure: "look at that broker's version and log", moved: true, slow: true}
	failureOther       = failure{name: "other", cure: "look at the broker's log", moved: true}
)

// failureNames lists the names of all failures, each once.
func failureNames() []string {
	var names []string
	for _, f := range answerFailures {
		names = append(names, f.name)
	}
	for _, f := range []failure{
		failureTimeout, failureDialTimeout, failureRefused, failureUnreachable, failureLost, failureDNS, failureTLS, failureAuth, failureToken,
		failureNoLeader, failureNoTopic, failureProducerID, failureMemory, failureNotKafka, failureMalformed, failureOther,
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
	o := codeOutcomes[code]
	o.failure = answerFailures[code]
	if o.name == "" {
		o.failure = failureOther
		o.cure = fmt.Sprintf("producers seldom get Kafka's error code %d: look at the broker's log", code)
	}
	o.err = answerError(int16(code), message)
	return o
}

// maxMessage bounds what is kept of a broker's words.
const maxMessage = 512

// answerError is the error that an answer tells; nil if it tells none.
func answerError(code int16, message string) error {
	known := kafka.Error(code)
	switch message = message[:min(len(message), maxMessage)]; {
	case code == 0:
		return nil
	case known.Title() == "":
		return &unknownCodeError{known, message}
	case message != "":
		return fmt.Errorf("%w (%s)", known, message)
	}
	return known
}

// unknownCodeError is an error of a list that is newer than the client's.
type unknownCodeError struct {
	code    kafka.Error
	message string
}

// Error is part of error.
func (e *unknownCodeError) Error() string {
	text := fmt.Sprintf("[%d] an error that this version of flowpub does not know", int(e.code))
	if e.message != "" {
		text += " (" + e.message + ")"
	}
	return text
}

// Unwrap is part of what errors.Is and errors.As look for.
func (e *unknownCodeError) Unwrap() error { return e.code }

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
	var strange *answers.Error
	switch {
	case errors.As(err, &own):
		return own.failure
	case errors.As(err, &strange):
		return strangeKind(strange)
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

// strangeKind tells what kind of failure an answer is that is not to be used.
func strangeKind(err *answers.Error) failure {
	kind := failureMalformed
	switch err.Kind {
	case answers.NotKafka:
		kind = failureNotKafka
	case answers.WrongTLS:
		kind = failureTLS
	case answers.WrongSASL:
		kind = failureAuth
	case answers.Malformed:
	}
	kind.cure = err.Cure
	return kind
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
