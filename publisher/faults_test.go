package publisher

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/flowpub/flowpub/internal/testlog"
	"github.com/flowpub/flowpub/internal/testwait"
)

// produceFault makes the broker answer produce requests with an error.
func produceFault(err *kerr.Error, count int) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: count}
}

// Whatever a broker answers, and however often, each record is delivered once
// and in order.
func TestAnswersAreOvercome(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	tests := []struct {
		err  *kerr.Error
		name string // in kafka_produce_errors_total
	}{
		{kerr.NotLeaderForPartition, "not_leader"},
		{kerr.LeaderNotAvailable, "leader_not_available"},
		{kerr.UnknownTopicOrPartition, "unknown_topic_or_partition"},
		{kerr.NotEnoughReplicas, "not_enough_replicas"},
		{kerr.NotEnoughReplicasAfterAppend, "not_enough_replicas"}, // appended all the same
		{kerr.RequestTimedOut, "request_timed_out"},                // appended all the same
		{kerr.KafkaStorageError, "storage"},
		{kerr.UnknownServerError, "unknown_server_error"},
		{kerr.UnsupportedForMessageFormat, "unsupported_format"},
		{kerr.InconsistentVoterSet, "other"},
		{kerr.InvalidRecord, "invalid_record"},
		{kerr.OutOfOrderSequenceNumber, "out_of_order_sequence"},
		{kerr.UnknownProducerID, "unknown_producer"},
		{kerr.InvalidProducerEpoch, "unknown_producer"},
		{kerr.InvalidProducerIDMapping, "unknown_producer"},
		{kerr.ProducerFenced, "unknown_producer"},
	}
	for _, test := range tests {
		t.Run(test.err.Message, func(t *testing.T) {
			t.Parallel()
			broker := startBroker(t, 2)
			p := startPublisher(t, broker.ListenAddrs(), nil)
			n := publish(t, p, 0, 100, testwait.Fewer(5, 30))
			eventually(t, patience, "the first records are delivered", func() bool { return p.Stats().Delivered > 0 })
			broker.Fault(produceFault(test.err, 3))
			n += publish(t, p, 100, 300, testwait.Fewer(5, 30))
			closeWithin(t, p, patience)
			wantDelivered(t, p, n)
			checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
			s := p.Stats()
			if s.ProduceErrors[test.name] == 0 {
				t.Errorf("errors %v, want some %s", s.ProduceErrors, test.name)
			}
			if s.PossiblyDuplicated != 0 {
				t.Errorf("%d possibly duplicated, though no attempt went unanswered", s.PossiblyDuplicated)
			}
		})
	}
}

// A batch that is too large for the topic is split, down to single records.
func TestTooLargeIsSplit(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 1)
	if err := broker.CreateTopic("small", 1, map[string]string{"max.message.bytes": "2000"}); err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{true, false} {
		p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
			c.Topic = "small"
			c.Compression = CompressionNone
		})
		eventually(t, 10*time.Second, "the topic is checked", func() bool { return p.Stats().TopicWarnings[warnMessageSize] })
		if !known {
			p.topics[0].messageLimit.Store(0) // as when its settings may not be read
		}
		n := publish(t, p, 0, 100, 30)
		closeWithin(t, p, patience)
		wantDelivered(t, p, n)
		if refused := p.Stats().ProduceErrors["message_too_large"]; (refused == 0) != known {
			t.Errorf("known in advance: %v, refused %d times", known, refused)
		}
	}
	info := broker.PartitionInfo("small", 0)
	if info.HighWatermark != 2*100*30 {
		t.Errorf("the topic has %d records, want %d", info.HighWatermark, 2*100*30)
	}
}

// A single record that is refused as too large is dropped, and what follows
// goes on.
func TestOneRecordTooLarge(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Logger = log.Logger() })
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	broker.Fault(produceFault(kerr.MessageTooLarge, 1))
	publish(t, p, 0, 1, 1)
	eventually(t, 10*time.Second, "the record is dropped", func() bool { return p.Stats().Dropped[DropTooLarge] == 1 })
	if !log.Has(`msg="Kafka refused a batch for the last time: its flows are dropped"`) || log.Has("trying again") {
		t.Errorf("the loss is not told as one:\n%s", log.Text())
	}
	publish(t, p, 1, 11, 30)
	closeWithin(t, p, patience)
	s := p.Stats()
	checkLedger(t, s)
	if s.Delivered != 300 {
		t.Errorf("delivered %d, want 300", s.Delivered)
	}
}

// A batch that is called invalid again and again is given up, and no sequence
// number of it is taken for one of another batch.
func TestRefusedBatchIsDropped(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	var log testlog.Book
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Logger = log.Logger() })
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	broker.Fault(produceFault(kerr.InvalidRecord, maxRefusals))
	publish(t, p, 0, 1, 30)
	eventually(t, 20*time.Second, "the batch is dropped", func() bool { return p.Stats().Dropped[DropRefused] == 30 })
	for _, line := range []string{
		`msg="Kafka did not take a batch, trying again"`,
		`msg="Kafka refused a batch for the last time: its flows are dropped"`, " flows=30",
	} {
		if !log.Has(line) {
			t.Errorf("the log lacks %s", line)
		}
	}
	publish(t, p, 16, 32, 30)
	closeWithin(t, p, patience)
	s := p.Stats()
	checkLedger(t, s)
	checkFlows(t, consume(t, broker.ListenAddrs(), 480), 480)
}

// The broker appends a batch but its answer is lost, then it refuses the batch
// until it is given up. The next batch must not get the sequence numbers of
// the first: the broker would take it for a repetition and throw it away.
func TestSequencesOfAnOpenBatchAreNotReused(t *testing.T) {
	t.Parallel()
	listener := new(lossyListener)
	broker := startBroker(t, 1, kfake.ListenFn(listener.listen))
	p := startPublisher(t, broker.ListenAddrs(), nil)
	publish(t, p, 0, 1, 30)
	eventually(t, patience, "the first batch is delivered", func() bool { return p.Stats().Delivered == 30 })
	listener.lose.Store(1)
	// The first attempt is appended; what comes after its lost answer is refused.
	broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: maxRefusals,
		When: func(kmsg.Request) bool { return listener.lose.Load() == 0 },
	})
	publish(t, p, 16, 17, 30)
	eventually(t, 20*time.Second, "the batch is dropped", func() bool { return p.Stats().Dropped[DropUnconfirmed] == 30 })
	publish(t, p, 32, 33, 30)
	closeWithin(t, p, patience)
	checkLedger(t, p.Stats())
	checkFlows(t, consume(t, broker.ListenAddrs(), 90), 90)
}

// The answer is lost though the batch was appended: repeated, it is recognised.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, idempotent := range []bool{true, false} {
		listener := new(lossyListener)
		broker := startBroker(t, 1, kfake.ListenFn(listener.listen))
		p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.Idempotent = idempotent })
		eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
		listener.lose.Store(2)
		publish(t, p, 0, 1, 30)
		closeWithin(t, p, patience)
		wantDelivered(t, p, 30)
		stored, doubted := int64(30), uint64(0)
		if !idempotent {
			stored, doubted = 90, 30 // two answers lost, three times appended
		}
		if got := broker.PartitionInfo(testTopic, 0).HighWatermark; got != stored {
			t.Errorf("idempotent %v: the topic has %d records, want %d", idempotent, got, stored)
		}
		if got := p.Stats().PossiblyDuplicated; got != doubted {
			t.Errorf("idempotent %v: %d possibly duplicated, want %d", idempotent, got, doubted)
		}
		if p.Stats().ProduceErrors["connection_lost"] != 2 {
			t.Errorf("errors %v, want two connections lost", p.Stats().ProduceErrors)
		}
	}
}

// An answer is lost, and then the broker does not know the producer any more:
// the batch goes again under a new id, and is counted as possibly duplicated.
func TestProducerForgottenAfterLostAnswer(t *testing.T) {
	t.Parallel()
	listener := new(lossyListener)
	broker := startBroker(t, 1, kfake.ListenFn(listener.listen))
	p := startPublisher(t, broker.ListenAddrs(), nil)
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	listener.lose.Store(1)
	broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.UnknownProducerID, Count: 1,
		When: func(kmsg.Request) bool { return listener.lose.Load() == 0 },
	})
	publish(t, p, 0, 1, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, 30)
	if got := p.Stats().PossiblyDuplicated; got != 30 {
		t.Errorf("%d possibly duplicated, want 30", got)
	}
	if got := broker.PartitionInfo(testTopic, 0).HighWatermark; got != 60 {
		t.Errorf("the topic has %d records, want 60: once under each id", got)
	}
}

// An answer is lost, and the batch is repeated a day later: brokers have forgotten
// the producer by then, and would not say so.
func TestRepeatedAfterADay(t *testing.T) {
	t.Parallel()
	for age, doubted := range map[time.Duration]uint64{23 * time.Hour: 0, 25 * time.Hour: 30} {
		listener := new(lossyListener)
		broker := startBroker(t, 1, kfake.ListenFn(listener.listen))
		p := startPublisher(t, broker.ListenAddrs(), nil)
		eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
		listener.lose.Store(1 << 30)
		publish(t, p, 0, 1, 30)
		eventually(t, 10*time.Second, "an answer is lost", func() bool { return p.Stats().ProduceErrors["connection_lost"] > 0 })
		part := p.topics[0].layout.Load().partitions[0]
		part.mu.Lock()
		part.queue[0].opened = time.Now().Add(-age)
		part.mu.Unlock()
		listener.lose.Store(0)
		closeWithin(t, p, patience)
		wantDelivered(t, p, 30)
		if got := p.Stats().PossiblyDuplicated; got != doubted {
			t.Errorf("after %v: %d possibly duplicated, want %d", age, got, doubted)
		}
	}
}

// Close gives up what it cannot deliver in time and says which of it may have
// arrived.
func TestCloseWithDeadline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults func(*kfake.Cluster, *lossyListener)
		reason DropReason
	}{
		{"every attempt is refused", func(c *kfake.Cluster, _ *lossyListener) {
			// The next attempt comes after seconds, so none is under way at the end.
			c.Fault(produceFault(kerr.TopicAuthorizationFailed, -1))
		}, DropShutdown},
		{"an attempt had no answer", func(_ *kfake.Cluster, l *lossyListener) {
			l.lose.Store(1 << 30)
		}, DropUnconfirmed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			listener := new(lossyListener)
			broker := startBroker(t, 1, kfake.ListenFn(listener.listen))
			p := startPublisher(t, broker.ListenAddrs(), nil)
			eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
			test.faults(broker, listener)
			publish(t, p, 0, 10, 30)
			eventually(t, 10*time.Second, "an attempt fails", func() bool {
				s := p.Stats()
				return s.ProduceErrors["authorization"]+s.ProduceErrors["connection_lost"] > 0
			})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := p.Close(ctx); !errors.Is(err, ErrGivenUp) {
				t.Errorf("error %v, want ErrGivenUp", err)
			}
			s := p.Stats()
			checkLedger(t, s)
			if s.Dropped[test.reason] != 300 || s.Buffered != 0 || s.BufferBytes != 0 {
				t.Errorf("dropped %v, buffered %d in %d bytes, want 300 dropped for %v", s.Dropped, s.Buffered, s.BufferBytes, test.reason)
			}
			if err := p.Publish(testExporter(1), testTime, testPacket(1, 30)); !errors.Is(err, ErrClosed) {
				t.Errorf("publishing after Close: %v, want ErrClosed", err)
			}
			checkLedger(t, p.Stats())
		})
	}
}

// Without any broker the budget fills, what comes then is dropped and counted,
// and Close gives the rest up.
func TestBudgetUsedUp(t *testing.T) {
	t.Parallel()
	address, _ := reserveAddress(t)
	p := startPublisher(t, []string{address}, func(c *Config) { c.BufferBytes = MinBufferBytes })
	var sent, dropped uint64
	for seed := uint64(0); dropped < 3000; seed++ {
		sent += 30
		if err := p.Publish(testExporter(seed), testReceived(seed), testPacket(seed, 30)); errors.Is(err, ErrBufferFull) {
			dropped += 30
		}
	}
	s := p.Stats()
	checkLedger(t, s)
	if s.Decoded != sent || s.Dropped[DropBufferFull] != dropped || s.BufferBytes > s.BufferLimitBytes {
		t.Errorf("decoded %d of %d, dropped %v, %d bytes of %d", s.Decoded, sent, s.Dropped, s.BufferBytes, s.BufferLimitBytes)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Close(ctx); !errors.Is(err, ErrGivenUp) {
		t.Errorf("error %v, want ErrGivenUp", err)
	}
	if s = p.Stats(); s.Dropped[DropShutdown] != sent-dropped {
		t.Errorf("dropped %v, want %d at shutdown", s.Dropped, sent-dropped)
	}
	checkLedger(t, s)
}

// One partition fails for ever; the others lose nothing though the budget is
// small.
func TestOneDeadPartition(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 16)
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.BufferBytes = 8 << 20 })
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	dead := p.topics[0].layout.Load().partition(homeOf(3))
	broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{dead.number}, Err: kerr.NotEnoughReplicas, Count: -1,
	})
	var living uint64
	packet, dropped := testPacket(0, 30), false
	for seed := uint64(0); !dropped || seed < testwait.Fewer[uint64](5000, 20_000); seed++ {
		err := p.Publish(testExporter(seed), testReceived(seed), packet)
		home := p.topics[0].layout.Load().partition(homeOf(seed))
		if home == dead {
			for range 8 { // most is for this one, until it has all that it may
				dropped = dropped || errors.Is(err, ErrBufferFull)
				err = p.Publish(testExporter(seed), testReceived(seed), packet)
			}
			continue
		}
		living += 30
		if err != nil {
			t.Fatalf("packet %d for living partition %d: %v", seed, home.number, err)
		}
		if seed%200 == 0 { // no faster than the embedded broker
			eventually(t, patience, "the living partitions are delivered", func() bool { return p.Stats().Delivered == living })
		}
	}
	eventually(t, patience, "the living partitions are delivered", func() bool { return p.Stats().Delivered == living })
	eventually(t, 10*time.Second, "the partition counts as failing", func() bool { return p.Stats().PartitionsFailing == 1 })
	s := p.Stats()
	checkLedger(t, s)
	if s.Unreached {
		t.Error("the cluster is unreached, want one partition to fail of a cluster that is reached")
	}
}

// More partitions: exporters that move do not overtake their own records, even
// when the old partition cannot be written to at that time.
func TestPartitionsAreAdded(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 2)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	n := publish(t, p, 0, 320, 30)
	eventually(t, patience, "the first records are delivered", func() bool { return p.Stats().Delivered == n })
	stuck := broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Partitions: []int32{0, 1}, Err: kerr.NotEnoughReplicas, Count: -1,
	})
	n += publish(t, p, 320, 640, 30)
	addPartitions(t, broker, 7)
	p.cluster.Refresh()
	eventually(t, 10*time.Second, "the new partitions are known", func() bool { return p.Stats().Partitions == 7 })
	n += publish(t, p, 640, 1280, 30)
	checkLedger(t, p.Stats())
	failed := p.Stats().ProduceErrors["not_enough_replicas"]
	eventually(t, 20*time.Second, "the old partitions fail again", func() bool {
		return p.Stats().ProduceErrors["not_enough_replicas"] > failed+2
	})
	for number := int32(2); number < 7; number++ {
		if ahead := broker.PartitionInfo(testTopic, number).HighWatermark; ahead > 0 {
			t.Errorf("partition %d has %d records that should wait for older ones", number, ahead)
		}
	}
	stuck.Remove()
	eventually(t, patience, "all is delivered", func() bool { return p.Stats().Delivered == n })
	n += publish(t, p, 1280, 1600, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	got := consume(t, broker.ListenAddrs(), int(n))
	checkMoved(t, got, n)
	if len(got) < 5 {
		t.Errorf("only %d partitions have records", len(got))
	}
}

func addPartitions(t *testing.T, broker *kfake.Cluster, n int32) {
	t.Helper()
	request := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = testTopic, n
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(t.Context(), kafkaClient(t, broker))
	if err == nil {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A user who may not have a producer id publishes without, unless idempotence
// was asked for.
func TestIdempotenceRefused(t *testing.T) {
	t.Parallel()
	for _, required := range []bool{false, true} {
		broker := startBroker(t, 1)
		refuseProducers(broker, -1)
		p := startPublisher(t, broker.ListenAddrs(), func(c *Config) { c.IdempotentRequired = required })
		publish(t, p, 0, 10, 30)
		if required {
			eventually(t, 10*time.Second, "the topic is known", func() bool { return p.Stats().Partitions == 1 })
			if missing := p.Missing(); len(missing) != 1 || p.Stats().Delivered != 0 {
				t.Errorf("missing %q, delivered %d, want the producer id missing", missing, p.Stats().Delivered)
			}
			continue
		}
		closeWithin(t, p, patience)
		wantDelivered(t, p, 300)
		if p.Stats().Idempotent {
			t.Error("still called idempotent")
		}
	}
}

// refuseProducers has the broker give this user no producer id, so many times.
func refuseProducers(broker *kfake.Cluster, count int) *kfake.FaultHandle {
	return broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.ClusterAuthorizationFailed, Count: count,
	})
}

// Producer ids are asked for again, and once they are given brokers recognise
// batches: what comes then, and what has been refused meanwhile.
func TestIdempotenceIsTakenOn(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 1)
	refuseProducers(broker, 1)
	p := startPublisher(t, broker.ListenAddrs(), nil)
	n := publish(t, p, 0, 10, 30)
	eventually(t, patience, "the first flows are delivered", func() bool { return p.Stats().Delivered == n })
	if p.Stats().Idempotent {
		t.Error("it is called idempotent without a producer id")
	}
	plain := n
	stuck := broker.Fault(produceFault(kerr.NotEnoughReplicas, -1))
	n += publish(t, p, 16, 26, 30)
	eventually(t, 10*time.Second, "they are refused", func() bool { return p.Stats().ProduceErrors["not_enough_replicas"] > 0 })
	eventually(t, 20*time.Second, "a producer id is given", func() bool { return p.Stats().Idempotent })
	stuck.Remove()
	n += publish(t, p, 32, 42, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	if doubted := p.Stats().PossiblyDuplicated; doubted != 0 {
		t.Errorf("%d possibly duplicated", doubted)
	}
	got := consume(t, broker.ListenAddrs(), int(n))
	checkFlows(t, got, n)
	for i, r := range got[0] {
		if recognised := r.ProducerID >= 0; recognised != (uint64(i) >= plain) {
			t.Fatalf("record %d of %d has producer id %d; %d went without", i, n, r.ProducerID, plain)
		}
	}
}

// A batch was given up that may be in Kafka, and no new producer id is given: the
// next batches have none, rather than the old one and the sequence numbers of the
// one given up.
func TestNoOldSequencesWhileRefused(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	listener := new(lossyListener)
	broker := startBroker(t, 1, kfake.ListenFn(listener.listen))
	p := startPublisher(t, broker.ListenAddrs(), nil)
	publish(t, p, 0, 1, 30)
	eventually(t, patience, "the first batch is delivered", func() bool { return p.Stats().Delivered == 30 })
	refused := refuseProducers(broker, -1)
	listener.lose.Store(1)
	broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.InvalidRecord, Count: maxRefusals,
		When: func(kmsg.Request) bool { return listener.lose.Load() == 0 },
	})
	publish(t, p, 16, 17, 30)
	eventually(t, 20*time.Second, "the batch is dropped", func() bool { return p.Stats().Dropped[DropUnconfirmed] == 30 })
	for seed := uint64(32); seed <= 64; seed += 16 {
		delivered := p.Stats().Delivered
		publish(t, p, seed, seed+1, 30)
		eventually(t, patience, "the next is delivered", func() bool { return p.Stats().Delivered > delivered })
	}
	refused.Remove()
	eventually(t, 20*time.Second, "a producer id is given", func() bool { return p.Stats().Idempotent })
	publish(t, p, 80, 81, 30)
	closeWithin(t, p, patience)
	checkLedger(t, p.Stats())
	got := consume(t, broker.ListenAddrs(), 180)
	checkFlows(t, got, 180)
	if len(got[0]) == 180 && (got[0][60].ProducerID >= 0 || got[0][179].ProducerID < 0 || got[0][179].ProducerID == got[0][0].ProducerID) {
		t.Errorf("producer ids %d, %d, %d; want some id, none, another one", got[0][0].ProducerID, got[0][60].ProducerID, got[0][179].ProducerID)
	}
}

// A broker that has just started asks for a moment before it gives a producer
// id; that is no delay and no warning.
func TestProducerIDsAreLoading(t *testing.T) {
	t.Parallel()
	broker := startBroker(t, 1)
	broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.InitProducerID}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: 3,
	})
	var complaints bytes.Buffer
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(&complaints, nil))
	})
	n := publish(t, p, 0, 10, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	if strings.Contains(complaints.String(), "producer id") {
		t.Errorf("logged:\n%s", &complaints)
	}
}

// Without acknowledgements only a connection keeps batches in order, so all of
// them go through one.
func TestOneConnectionWithoutAcks(t *testing.T) {
	t.Parallel()
	listener := new(lossyListener)
	broker := startBroker(t, 8, kfake.ListenFn(listener.listen))
	p := startPublisher(t, broker.ListenAddrs(), func(c *Config) {
		c.Acks, c.Idempotent, c.BatchBytes = AcksNone, false, 64<<10
	})
	eventually(t, 10*time.Second, "the publisher is ready", func() bool { return len(p.Missing()) == 0 })
	n := publish(t, p, 0, 3000, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
	if used := listener.produced.Load(); used != 1 {
		t.Errorf("%d connections were used, want one", used)
	}
}

// lossyListener loses answers to produce requests: the connection ends instead.
type lossyListener struct {
	lose     atomic.Int32
	produced atomic.Int32 // connections with produce requests
}

func (l *lossyListener) listen(network, address string) (net.Listener, error) {
	inner, err := net.Listen(network, address)
	return lossyAccepter{inner, l}, err
}

type lossyAccepter struct {
	net.Listener
	lossy *lossyListener
}

func (a lossyAccepter) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	return &lossyConn{Conn: conn, lossy: a.lossy}, err
}

// lossyConn knows from the requests it passes on whether an answer is one to
// a produce request: each starts with its size, then the number of the API.
type lossyConn struct {
	net.Conn
	lossy   *lossyListener
	atBody  bool
	counted bool
	produce atomic.Bool
}

func (c *lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	switch {
	case len(b) == 4 && n == 4:
		c.atBody = true
	case c.atBody && n >= 2:
		c.atBody = false
		produce := binary.BigEndian.Uint16(b) == uint16(kmsg.Produce)
		c.produce.Store(produce)
		if produce && !c.counted {
			c.counted = true
			c.lossy.produced.Add(1)
		}
	}
	return n, err
}

func (c *lossyConn) Write(b []byte) (int, error) {
	if c.produce.Load() && c.lossy.lose.Load() > 0 {
		c.lossy.lose.Add(-1)
		c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// What waited while Kafka was away goes to a partition as fast as that delivers:
// a partition whose share is full for a moment is waited for.
func TestStagedRecordsWaitForTheirPartition(t *testing.T) {
	t.Parallel()
	address, port := reserveAddress(t)
	p := startPublisher(t, []string{address}, func(c *Config) { c.BufferBytes = 16 << 20 })
	n := uint64(0)
	for seed := uint64(0); seed < 16*120; seed += 16 { // one exporter, so one partition of four
		n += publish(t, p, seed, seed+1, 600)
	}
	broker := startBroker(t, 4, kfake.Ports(port))
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
	checkFlows(t, consume(t, broker.ListenAddrs(), int(n)), n)
}

// The first broker that answers gives no producer id: another one is asked.
func TestProducerIDFromAnotherBroker(t *testing.T) {
	testwait.Long(t)
	t.Parallel()
	broker := startBroker(t, 3, kfake.NumBrokers(3))
	refuses := []int32{0, 1}
	broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.InitProducerID}, Nodes: refuses, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: -1,
	})
	p := startPublisher(t, broker.ListenAddrs(), nil)
	n := publish(t, p, 0, 32, 30)
	closeWithin(t, p, patience)
	wantDelivered(t, p, n)
}
