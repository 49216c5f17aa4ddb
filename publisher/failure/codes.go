package failure

import (
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/config/variable"
)

// cureCoordinator is for answers that a cluster gives while it starts.
const cureCoordinator = "the cluster is still starting, or a broker is away: look at its health if this lasts"

// codes names the errors of brokers that get a name of their own: all that
// Kafka's list has for requests of producers, and those that other implementations
// send.
var codes = map[kafka.Error]Kind{
	kafka.Unknown:                            {Name: "unknown_server_error", Cure: "the broker ran into a fault of its own: look at its log", Moved: true},
	kafka.InvalidMessage:                     {Name: "corrupt_message", Cure: "the broker found the batch damaged: look for faulty memory or network devices on the way"},
	kafka.UnknownTopicOrPartition:            {Name: "unknown_topic_or_partition", Cure: "create the topic, or correct its name", Moved: true},
	kafka.LeaderNotAvailable:                 {Name: "leader_not_available", Cure: "the partition is getting a leader: bring its brokers back if this lasts", Moved: true},
	kafka.NotLeaderForPartition:              {Name: "not_leader", Cure: "leaders have moved, and the new one is asked for: look at the cluster's health if this lasts", Moved: true},
	kafka.RequestTimedOut:                    {Name: "request_timed_out", Cure: "the broker waited in vain for its replicas: look at the cluster's health"},
	kafka.BrokerNotAvailable:                 {Name: "broker_not_available", Cure: cureCoordinator, Moved: true},
	kafka.ReplicaNotAvailable:                {Name: "broker_not_available", Cure: cureCoordinator, Moved: true},
	kafka.MessageSizeTooLarge:                {Name: "message_too_large", Cure: "raise max.message.bytes of the topic; batches are split until it fits"},
	kafka.NetworkException:                   {Name: "network", Cure: "the broker lost a connection of its own: look at the network between brokers", Moved: true},
	kafka.GroupLoadInProgress:                {Name: "coordinator", Cure: cureCoordinator},
	kafka.GroupCoordinatorNotAvailable:       {Name: "coordinator", Cure: cureCoordinator},
	kafka.NotCoordinatorForGroup:             {Name: "coordinator", Cure: cureCoordinator, Moved: true},
	kafka.InvalidTopic:                       {Name: "invalid_topic", Cure: "the broker takes nothing for a topic of that name: choose another in " + variable.Topic + " or " + variable.TopicRoutes, Slow: true},
	kafka.RecordListTooLarge:                 {Name: "message_too_large", Cure: "raise segment.bytes of the topic; batches are split until it fits"},
	kafka.NotEnoughReplicas:                  {Name: "not_enough_replicas", Cure: "fewer replicas are in sync than min.insync.replicas asks for: bring the missing brokers back"},
	kafka.NotEnoughReplicasAfterAppend:       {Name: "not_enough_replicas", Cure: "fewer replicas are in sync than min.insync.replicas asks for: bring the missing brokers back"},
	kafka.InvalidRequiredAcks:                {Name: "invalid_required_acks", Cure: "the broker does not take " + variable.Acks + " as it is: set it to all", Slow: true},
	kafka.TopicAuthorizationFailed:           {Name: "authorization", Cure: "give this user WRITE and DESCRIBE on the topic", Slow: true},
	kafka.ClusterAuthorizationFailed:         {Name: "authorization", Cure: "give this user IDEMPOTENT_WRITE on the cluster, or switch idempotence off", Slow: true},
	kafka.TransactionalIDAuthorizationFailed: {Name: "authorization", Cure: "give this user IDEMPOTENT_WRITE on the cluster, or switch idempotence off", Slow: true},
	kafka.BrokerAuthorizationFailed:          {Name: "authorization", Cure: "give this user WRITE and DESCRIBE on the topic", Slow: true},
	kafka.PrincipalDeserializationFailure:    {Name: "authorization", Cure: "brokers do not understand each other's users: set principal.builder.class alike on all", Slow: true},
	kafka.InvalidTimestamp:                   {Name: "invalid_timestamp", Cure: "compare the clock of this machine with the broker's and with the topic's message.timestamp limits"},
	kafka.UnsupportedVersion:                 {Name: "unsupported_version", Cure: "the broker does not take this version of the request: it must be Kafka 0.11 or later, or speak as that does; without idempotence (" + variable.Idempotent + "=false) less is asked of it", Slow: true},
	kafka.NotController:                      {Name: "not_controller", Cure: cureCoordinator, Moved: true},
	kafka.InvalidRequest:                     {Name: "invalid_request", Cure: "the broker refuses the request as it is, and its log says why: try " + variable.Acks + "=all, " + variable.Idempotent + "=false and " + variable.Compression + "=none, one after the other", Slow: true},
	kafka.UnsupportedForMessageFormat:        {Name: "unsupported_format", Cure: "the broker does not take this codec or form of batches: set " + variable.Compression + "=gzip or none (Azure Event Hubs takes no zstd), or the topic's message.format.version to 2.1 or later", Slow: true},
	kafka.PolicyViolation:                    {Name: "policy_violation", Cure: "a rule of the cluster refuses the batch, and the broker's log says which: change it for this topic; a rule that wants schemas is met by " + variable.Value + "=confluent", Slow: true},
	kafka.OutOfOrderSequenceNumber:           {Name: "out_of_order_sequence", Cure: "the broker has lost what it knew of earlier batches; a new producer id is asked for"},
	kafka.InvalidProducerEpoch:               {Name: "unknown_producer", Cure: cureProducer},
	kafka.UnknownProducerId:                  {Name: "unknown_producer", Cure: cureProducer},
	kafka.InvalidProducerIDMapping:           {Name: "unknown_producer", Cure: cureProducer},
	kafka.ProducerFenced:                     {Name: "unknown_producer", Cure: cureProducer},
	kafka.KafkaStorageError:                  {Name: "storage", Cure: "the broker cannot write to its disk: look at its log", Moved: true},
	kafka.LogDirNotFound:                     {Name: "storage", Cure: "the broker misses a directory of its log: look at its disks", Moved: true},
	kafka.ReassignmentInProgress:             {Name: "not_leader", Cure: cureCoordinator, Moved: true},
	kafka.ListenerNotFound:                   {Name: "leader_not_available", Cure: "the partition's leader has no listener like the one that was asked: configure the same listeners on all brokers", Moved: true},
	kafka.FencedLeaderEpoch:                  {Name: "not_leader", Cure: cureCoordinator, Moved: true},
	kafka.UnknownLeaderEpoch:                 {Name: "not_leader", Cure: cureCoordinator, Moved: true},
	kafka.UnsupportedCompressionType:         {Name: "unsupported_compression", Cure: "choose a codec that the brokers know in " + variable.Compression, Slow: true},
	kafka.PreferredLeaderNotAvailable:        {Name: "leader_not_available", Cure: cureCoordinator, Moved: true},
	kafka.EligibleLeadersNotAvailable:        {Name: "leader_not_available", Cure: cureCoordinator, Moved: true},
	kafka.InvalidRecord:                      {Name: "invalid_record", Cure: "the broker's log says why; a compacted topic refuses nothing of ours"},
	kafka.ThrottlingQuotaExceeded:            {Name: "throttled", Cure: "this user or client id has used up its quota: raise it"},
	kafka.UnknownTopicID:                     {Name: "unknown_topic_or_partition", Cure: "the topic was deleted, or made anew: check whether it is there", Moved: true},
	kafka.InconsistentTopicID:                {Name: "unknown_topic_or_partition", Cure: "the topic was deleted, or made anew: check whether it is there", Moved: true},
	// A login that ends here, later than usual.
	kafka.UnsupportedSASLMechanism:           Auth,
	kafka.IllegalSASLState:                   Auth,
	kafka.SASLAuthenticationFailed:           Auth,
	kafka.DelegationTokenNotFound:            Auth,
	kafka.DelegationTokenAuthorizationFailed: Auth,
	kafka.DelegationTokenExpired:             Auth,
	kafka.UnacceptableCredential:             Auth,
}

// cureProducer is for brokers that do not know a producer id.
const cureProducer = "another producer took the id over, or the broker has forgotten it; a new one is asked for"

// ofCode is the kind of a broker's answer.
func ofCode(code kafka.Error) Kind {
	if kind, known := codes[code]; known {
		return kind
	}
	kind := Other
	kind.Cure = fmt.Sprintf("producers seldom get Kafka's error code %d: look at the broker's log", code)
	return kind
}

// maxMessage bounds what is kept of a broker's words.
const maxMessage = 512

// Code is the error in a broker's answer, with the broker's own words; nil for 0.
func Code(code int16, message string) error {
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
