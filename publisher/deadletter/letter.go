package deadletter

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Limits of dead letters. They are for looking at, not for keeping all: whoever
// sends rubbish must not cost more than this.
const (
	// rate is how many a second are taken for each reason, after
	// burst at once.
	rate  = 100
	burst = 1000
	// maxBytes is what all that wait may take, each counted with
	// overhead beside its datagram.
	maxBytes = 4 << 20
	overhead = 512
	// requestBytes bounds what goes in one request, in the same measure.
	requestBytes = 512 << 10
	// patience is the longest wait for them at the end, when all flow
	// records are settled.
	patience = 2 * time.Second
	// timeout bounds a request.
	timeout = 10 * time.Second
	// pauseAfter is the wait after a failed attempt.
	pauseAfter = time.Second
)

// Outcome is what became of a dead letter.
type Outcome uint8

// The outcomes; each letter has exactly one in the end.
const (
	// Delivered: Kafka has it, perhaps more than once.
	Delivered Outcome = iota
	// RateLimited: more came than are taken.
	RateLimited
	// BufferFull: too many wait already, since Kafka is away or slow.
	BufferFull
	// Failed: refused by the brokers, or given up at shutdown.
	Failed

	outcomes
)

// String returns the outcome's metric label.
func (o Outcome) String() string {
	return [outcomes]string{"delivered", "rate_limited", "buffer_full", "failed"}[o]
}

// Outcomes lists all outcomes.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// letter is a dead letter that waits.
type letter struct {
	from     netip.AddrPort
	received time.Time
	reason   string
	datagram []byte
}

func (l *letter) size() int { return overhead + len(l.datagram) }

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
