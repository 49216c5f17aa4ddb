package publisher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/flowpub/flowpub/publisher/answers"
)

// What a broker may have appended before it gave an error is not taken for
// refused: see Kafka's DelayedProduce and ReplicaManager.appendRecords.
func TestBrokerAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		code     kafka.Error
		verdict  verdict
		definite bool
		moved    bool
	}{
		{0, delivered, false, false},
		{kafka.DuplicateSequenceNumber, delivered, false, false},
		{kafka.NotLeaderForPartition, again, false, true},
		{kafka.RequestTimedOut, again, false, false},
		{kafka.NotEnoughReplicas, again, true, false},
		{kafka.NotEnoughReplicasAfterAppend, again, false, false},
		{kafka.UnknownTopicOrPartition, again, false, true},
		{kafka.KafkaStorageError, again, false, true},
		{kafka.Unknown, again, false, true},
		{kafka.TopicAuthorizationFailed, again, true, false},
		{kafka.MessageSizeTooLarge, tooLarge, true, false},
		{kafka.RecordListTooLarge, tooLarge, true, false},
		{kafka.InvalidRecord, refused, true, false},
		{kafka.InvalidMessage, refused, true, false},
		{kafka.InvalidTimestamp, refused, true, false},
		{kafka.OutOfOrderSequenceNumber, unknownProducer, true, false},
		{kafka.UnknownProducerId, unknownProducer, true, false},
		{kafka.InvalidProducerEpoch, unknownProducer, true, false},
		{kafka.ProducerFenced, unknownProducer, true, false},
	}
	names := failureNames()
	for _, test := range tests {
		o := brokerAnswer(test.code, "because")
		if o.verdict != test.verdict || o.definite != test.definite || o.moved != test.moved {
			t.Errorf("%v: verdict %d, definite %v, moved %v", test.code, o.verdict, o.definite, o.moved)
		}
		if o.verdict == delivered {
			continue
		}
		if !errors.Is(o.err, test.code) || !slices.Contains(names, o.name) {
			t.Errorf("%v: error %v under %q, which is not among %v", test.code, o.err, o.name, names)
		}
	}
}

func TestLocalKind(t *testing.T) {
	t.Parallel()
	refusedDial := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, test := range []struct {
		err  error
		want failure
	}{
		{refusedDial, failureRefused},
		{&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, failureUnreachable},
		{&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, failureUnreachable},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "kafka"}}, failureDNS},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, failureLost},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, failureTLS},
		{io.ErrUnexpectedEOF, failureLost},
		{context.DeadlineExceeded, failureTimeout},
		{&net.OpError{Op: "read", Err: timeoutError{}}, failureTimeout},
		{&net.OpError{Op: "dial", Err: timeoutError{}}, failureDialTimeout},
		{protocol.NewErrNoLeader("flows", 1), failureNoLeader},
		{protocol.NewErrNoTopic("flows"), failureNoTopic},
		{protocol.NewErrNoPartition("flows", 1), failureNoTopic},
		{errNoLeader, failureNoLeader},
		{kafka.SASLAuthenticationFailed, failureAuth},
		{kafka.TopicAuthorizationFailed, answerFailures[kafka.TopicAuthorizationFailed]},
		{&kindError{failureProducerID, refusedDial}, failureProducerID},
		{&answers.Error{Kind: answers.NotKafka, Cure: failureNotKafka.cure}, failureNotKafka},
		{&answers.Error{Kind: answers.Malformed, Cure: failureMalformed.cure}, failureMalformed},
		{&answers.Error{Kind: answers.WrongTLS, Cure: failureTLS.cure}, failureTLS},
		{&answers.Error{Kind: answers.WrongSASL, Cure: failureAuth.cure}, failureAuth},
		{errors.New("something else"), failureOther},
	} {
		wrapped := fmt.Errorf("around it: %w", test.err)
		if got := localKind(wrapped); got != test.want {
			t.Errorf("%v is of kind %q, want %q", test.err, got.name, test.want.name)
		}
	}
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }

// Names are metric labels: a fixed set, in snake case.
func TestFailureNames(t *testing.T) {
	t.Parallel()
	names := failureNames()
	if len(names) < 20 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names %v", names)
	}
	for _, name := range names {
		if name == "" || slices.ContainsFunc([]byte(name), func(c byte) bool { return c != '_' && (c < 'a' || c > 'z') }) {
			t.Errorf("name %q is not in snake case", name)
		}
	}
	counted := newFailureCounts().snapshot()
	if len(counted) != len(names) {
		t.Errorf("%d names are counted, want %d from the start", len(counted), len(names))
	}
}

func TestRecordSet(t *testing.T) {
	t.Parallel()
	var out writeRecorder
	set := &recordSet{batch: []byte("batch")}
	if n, err := io.Copy(&out, set); n != 9 || err != nil || string(out) != "\x00\x00\x00\x05batch" {
		t.Errorf("%d bytes %q, error %v", n, out, err)
	}
	if !set.revoke() {
		t.Error("a batch that was read counts as not sent")
	}
	set = &recordSet{batch: []byte("batch")}
	if set.revoke() {
		t.Error("a batch that nobody read counts as sent")
	}
	if _, err := set.WriteTo(&out); !errors.Is(err, errRevoked) {
		t.Errorf("reading after the end: error %v", err)
	}
	if _, err := set.Read(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}

type writeRecorder []byte

func (w *writeRecorder) Write(b []byte) (int, error) {
	*w = append(*w, b...)
	return len(b), nil
}

func TestNextSequence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sequence int32
		n        int
		want     int32
	}{
		{0, 30, 30}, {1<<31 - 1, 1, 0}, {1<<31 - 10, 30, 20}, {1<<31 - 30, 30, 0},
	} {
		if got := nextSequence(test.sequence, test.n); got != test.want {
			t.Errorf("%d records after %d: %d, want %d", test.n, test.sequence, got, test.want)
		}
	}
}
