package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/publisher/failure"
)

// describeQuorum is the number of a request that the client does not know, and the version
// of it that is made: Apache Kafka 3.3 and later take it.
const (
	describeQuorum        protocol.ApiKey = 55
	describeQuorumVersion                 = 1
	metadataTopic                         = "__cluster_metadata"
)

// mostQuorum bounds the answer, which has been checked.
const mostQuorum = 64 << 10

// errNoTime is why Kafka's time is not known.
var errNoTime = errors.New("the brokers do not tell their time: those of Apache Kafka do, since 3.3")

// quorumRequest asks for the state of the controllers. The leader's own entry has its time; no
// other request returns a time without sending a message. It encodes itself and decodes its
// answer.
type quorumRequest struct {
	clientID string
	known    bool // to the broker
}

// ApiKey is part of protocol.Message.
func (*quorumRequest) ApiKey() protocol.ApiKey { return describeQuorum } //nolint:revive // the client's name

// Required is part of protocol.RawExchanger.
func (r *quorumRequest) Required(versions map[protocol.ApiKey]int16) bool {
	_, r.known = versions[describeQuorum]
	return true
}

// RawExchange is part of protocol.RawExchanger.
func (r *quorumRequest) RawExchange(conn io.ReadWriter) (protocol.Message, error) {
	if !r.known {
		return nil, errNoTime
	}
	sent := time.Now()
	b, err := exchangeBytes(conn, frameOf(describeQuorum, describeQuorumVersion, r.clientID, r.body()), mostQuorum)
	if err != nil {
		return nil, err
	}
	took := time.Since(sent)
	told, err := leaderTime(b)
	return &quorumAnswer{offset: sent.Add(took / 2).Sub(told), took: took}, err
}

// body is the request without its head, as Kafka's protocol guide has it.
func (*quorumRequest) body() []byte {
	b := []byte{0, 1 + 1, byte(len(metadataTopic) + 1)} // no tagged fields, one topic
	b = append(b, metadataTopic...)
	return append(b, 1+1, 0, 0, 0, 0, 0, 0, 0) // one partition, the first; no tagged fields, three times
}

// quorumAnswer is the answer to it.
type quorumAnswer struct {
	offset time.Duration // by how much our clock is ahead
	took   time.Duration // of which the half is not known
}

// ApiKey is part of protocol.Message.
func (*quorumAnswer) ApiKey() protocol.ApiKey { return describeQuorum } //nolint:revive // the client's name

// leaderTime returns the time of the leader from an answer without its size.
func leaderTime(b []byte) (time.Time, error) {
	c := cursor{b: b}
	c.take(4) // number of the request
	c.tags()
	if err := failure.Code(int16(c.uint(2)), ""); err != nil {
		return time.Time{}, err
	}
	if c.varint() != 1+1 { // one topic
		return time.Time{}, errNoTime
	}
	c.take(max(c.varint()-1, 0)) // its name
	if c.varint() != 1+1 {       // one partition
		return time.Time{}, errNoTime
	}
	c.take(4) // its number
	if err := failure.Code(int16(c.uint(2)), ""); err != nil {
		return time.Time{}, err
	}
	leader := c.uint(4)
	c.take(4 + 8) // epoch, high watermark
	for range max(c.varint()-1, 0) {
		id := c.uint(4)
		c.take(8) // the end of its log
		last := int64(c.uint(8))
		c.take(8) // when it had all
		c.tags()
		if id == leader && last > 0 && !c.short {
			return time.UnixMilli(last), nil
		}
	}
	return time.Time{}, errNoTime
}

// varint reads an unsigned number of at most 32 bits.
func (c *cursor) varint() (n int) {
	for shift := 0; shift < 35; shift += 7 {
		b := c.uint(1)
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return n
}

// tags skips tagged fields.
func (c *cursor) tags() {
	for range c.varint() {
		c.varint()
		if c.take(c.varint()); c.short {
			return
		}
	}
}

// Limits of a difference between clocks: what is unusual with NTP, and from when on brokers
// refuse messages of the future, message.timestamp.after.max.ms by default.
const (
	clockNoticed = time.Second
	clockRefused = time.Hour
)

// clock tells how this machine's clock differs from Kafka's.
func (i *inspection) clock(ctx context.Context) {
	const what = "clock"
	answer, err := exchange[*quorumAnswer](ctx, i.link, &quorumRequest{clientID: i.cfg.ClientID})
	switch {
	case errors.Is(err, kafka.ClusterAuthorizationFailed):
		i.tell.Unknown(what, "Kafka does not tell this user its time", "give it DESCRIBE on the cluster to have the clocks compared, or see that both machines have NTP")
	case err != nil:
		i.tell.Unknown(what, failure.Sentence(err), "see that this machine and the brokers have NTP")
	default:
		i.tell(judgeClock(what, answer))
	}
}

// judgeClock judges the difference between the clocks.
func judgeClock(what string, a *quorumAnswer) checkup.Line {
	by, direction := a.offset, "ahead of"
	if by < 0 {
		by, direction = -by, "behind"
	}
	found := fmt.Sprintf("it is %v %s that of Kafka's controller", by.Round(time.Millisecond), direction)
	cure := failure.Of(kafka.InvalidTimestamp).Cure + "; give both NTP"
	switch {
	case by <= clockNoticed+a.took/2:
		return checkup.Line{Verdict: checkup.OK, What: what, Found: found}
	case a.offset > clockRefused:
		return checkup.Line{Verdict: checkup.Broken, What: what, Found: found + ", and brokers refuse messages from the future", Cure: cure}
	}
	return checkup.Line{Verdict: checkup.Risk, What: what, Found: found + ": times in flow records are wrong by that, if it is this one", Cure: cure}
}
