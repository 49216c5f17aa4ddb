package publisher

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of dead letters. They are for looking at, not for keeping all: whoever
// sends rubbish must not cost more than this.
const (
	// deadLetterRate is how many a second are taken for each reason, after
	// deadLetterBurst at once.
	deadLetterRate  = 100
	deadLetterBurst = 1000
	// deadLetterBytes is what all that wait may take, each counted with
	// deadLetterOverhead beside its datagram.
	deadLetterBytes    = 4 << 20
	deadLetterOverhead = 512
	// deadLetterRequest bounds what goes in one request, in the same measure.
	deadLetterRequest = 512 << 10
	// deadLetterPatience is the longest wait for them at the end, when all flow
	// records are settled.
	deadLetterPatience = 2 * time.Second
	// deadLetterTimeout bounds a request.
	deadLetterTimeout = 10 * time.Second
	// deadLetterPause is the wait after a failed attempt.
	deadLetterPause = time.Second
)

// DeadLetterOutcome is what became of a dead letter.
type DeadLetterOutcome uint8

// The outcomes; each letter has exactly one in the end.
const (
	// DeadLetterDelivered: Kafka has it, perhaps more than once.
	DeadLetterDelivered DeadLetterOutcome = iota
	// DeadLetterRateLimited: more came than are taken.
	DeadLetterRateLimited
	// DeadLetterBufferFull: too many wait already, since Kafka is away or slow.
	DeadLetterBufferFull
	// DeadLetterFailed: refused by the brokers, or given up at shutdown.
	DeadLetterFailed

	deadLetterOutcomes
)

// String returns the outcome's metric label.
func (o DeadLetterOutcome) String() string {
	return [deadLetterOutcomes]string{"delivered", "rate_limited", "buffer_full", "failed"}[o]
}

// DeadLetterOutcomes lists all outcomes.
func DeadLetterOutcomes() []DeadLetterOutcome {
	all := make([]DeadLetterOutcome, deadLetterOutcomes)
	for i := range all {
		all[i] = DeadLetterOutcome(i)
	}
	return all
}

func (c Config) validateDeadLetters() error {
	switch {
	case c.DeadLetterTopic == "":
		return nil
	case !canBeTopic(c.DeadLetterTopic):
		return fmt.Errorf("publisher: topic %q for dead letters cannot exist in Kafka: %s", c.DeadLetterTopic, topicRule)
	case slices.Contains(c.topics(), c.DeadLetterTopic):
		return fmt.Errorf("publisher: topic %q for dead letters is one of those for flow records: give them a topic of their own", c.DeadLetterTopic)
	}
	return nil
}

// PublishDeadLetter queues a datagram that could not be decoded for the topic of
// dead letters, if there is one. The key is the exporter's address as text, the
// value the datagram, Kafka's timestamp the time of receipt; headers tell reason,
// receive_time (RFC 3339, nanoseconds) and exporter_port. Reasons are a small
// fixed set. It never waits and keeps no reference to datagram; what is over the
// limits is counted and forgotten. A letter may be delivered more than once.
func (p *Publisher) PublishDeadLetter(from netip.AddrPort, received decoder.UnixNano, reason string, datagram []byte) {
	if p.letters != nil {
		p.letters.offer(from, received, reason, datagram)
	}
}

// letter is a dead letter that waits.
type letter struct {
	from     netip.AddrPort
	received time.Time
	reason   string
	datagram []byte
}

func (l *letter) size() int { return deadLetterOverhead + len(l.datagram) }

// key is the same as a flow record's.
func (l *letter) key() []byte { return []byte(l.from.Addr().Unmap().WithZone("").String()) }

// record is the letter as Kafka gets it.
func (l *letter) record() kafka.Record {
	return kafka.Record{
		Time:  l.received,
		Key:   kafka.NewBytes(l.key()),
		Value: kafka.NewBytes(l.datagram),
		Headers: []kafka.Header{
			{Key: "reason", Value: []byte(l.reason)},
			{Key: "receive_time", Value: []byte(l.received.Format(time.RFC3339Nano))},
			{Key: "exporter_port", Value: []byte(strconv.Itoa(int(l.from.Port())))},
		},
	}
}
