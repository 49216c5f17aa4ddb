package failure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/flowpub/flowpub/publisher/answers"
)

// What a broker may have appended before it gave an error is not taken for
// refused: see Kafka's DelayedProduce and ReplicaManager.appendRecords.
func TestAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code     kafka.Error
		verdict  Verdict
		definite bool
		moved    bool
	}{
		{0, Delivered, false, false},
		{kafka.DuplicateSequenceNumber, Delivered, false, false},
		{kafka.NotLeaderForPartition, Again, false, true},
		{kafka.RequestTimedOut, Again, false, false},
		{kafka.NotEnoughReplicas, Again, true, false},
		{kafka.NotEnoughReplicasAfterAppend, Again, false, false},
		{kafka.UnknownTopicOrPartition, Again, false, true},
		{kafka.KafkaStorageError, Again, false, true},
		{kafka.Unknown, Again, false, true},
		{kafka.TopicAuthorizationFailed, Again, true, false},
		{kafka.MessageSizeTooLarge, TooLarge, true, false},
		{kafka.RecordListTooLarge, TooLarge, true, false},
		{kafka.InvalidRecord, Invalid, true, false},
		{kafka.InvalidMessage, Invalid, true, false},
		{kafka.InvalidTimestamp, Invalid, true, false},
		{kafka.OutOfOrderSequenceNumber, UnknownProducer, true, false},
		{kafka.UnknownProducerId, UnknownProducer, true, false},
		{kafka.InvalidProducerEpoch, UnknownProducer, true, false},
		{kafka.ProducerFenced, UnknownProducer, true, false},
	}
	names := Names()
	for _, test := range tests {
		o := Answer(test.code, "because")
		if o.Verdict != test.verdict || o.Definite != test.definite || o.Kind.Moved != test.moved {
			t.Errorf("%v: verdict %d, definite %v, moved %v", test.code, o.Verdict, o.Definite, o.Kind.Moved)
		}
		if o.Verdict == Delivered {
			continue
		}
		if !errors.Is(o.Err, test.code) || !slices.Contains(names, o.Kind.Name) {
			t.Errorf("%v: error %v under %q, which is not among %v", test.code, o.Err, o.Kind.Name, names)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	refusedDial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, test := range []struct {
		err  error
		want Kind
	}{
		{refusedDial, Refused},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, Unreachable},
		{&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, Unreachable},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "kafka"}}, DNS},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, Lost},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, TLS},
		{io.ErrUnexpectedEOF, Lost},
		{context.DeadlineExceeded, Timeout},
		{&net.OpError{Op: "read", Err: timeoutError{}}, Timeout},
		{&net.OpError{Op: "dial", Err: timeoutError{}}, DialTimeout},
		{protocol.NewErrNoLeader("flows", 1), NoLeader},
		{protocol.NewErrNoTopic("flows"), NoTopic},
		{protocol.NewErrNoPartition("flows", 1), NoTopic},
		{ErrNoLeader, NoLeader},
		{kafka.SASLAuthenticationFailed, Auth},
		{kafka.TopicAuthorizationFailed, codes[kafka.TopicAuthorizationFailed]},
		{&Error{ProducerID, refusedDial}, ProducerID},
		{&answers.Error{Kind: answers.NotKafka, Cure: NotKafka.Cure}, NotKafka},
		{&answers.Error{Kind: answers.Malformed, Cure: Malformed.Cure}, Malformed},
		{&answers.Error{Kind: answers.WrongTLS, Cure: TLS.Cure}, TLS},
		{&answers.Error{Kind: answers.WrongSASL, Cure: Auth.Cure}, Auth},
		{errors.New("something else"), Other},
	} {
		wrapped := fmt.Errorf("around it: %w", test.err)
		if got := Of(wrapped); got != test.want {
			t.Errorf("%v is of kind %q, want %q", test.err, got.Name, test.want.Name)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }

// Names are metric labels: a fixed set, in snake case.
func TestNames(t *testing.T) {
	t.Parallel()
	names := Names()
	if len(names) < 20 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names %v", names)
	}
	for _, name := range names {
		if name == "" || slices.ContainsFunc([]byte(name), func(c byte) bool { return c != '_' && (c < 'a' || c > 'z') }) {
			t.Errorf("name %q is not in snake case", name)
		}
	}
}

// Errors of brokers say what to do.
func TestAnswersHaveCures(t *testing.T) {
	t.Parallel()
	for code := int16(-1); code < 140; code++ {
		if code == 0 || code == 46 { // no error, and none for us
			continue
		}
		o := Answer(kafka.Error(code), "")
		if o.Kind.Cure == "" {
			t.Errorf("error %d has no cure", code)
		}
		if o.Kind.Name == Other.Name && (!strings.Contains(o.Kind.Cure, fmt.Sprint(code)) || !strings.Contains(o.Err.Error(), fmt.Sprint(code))) {
			t.Errorf("error %d is %q with cure %q, which do not say the code", code, o.Err, o.Kind.Cure)
		}
	}
	for code, name := range map[int16]string{
		-1: "unknown_server_error", 35: "unsupported_version", 42: "invalid_request", 43: "unsupported_format", 44: "policy_violation",
	} {
		if o := Answer(kafka.Error(code), ""); o.Kind.Name != name {
			t.Errorf("error %d is %q, want %q", code, o.Kind.Name, name)
		}
	}
}
