package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/createtopics"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
)

// link is a client of the cluster, and the broker from which that learns who leads what. It asks
// no other, even when this one hangs or is gone: then a new link is needed, to one that answers.
// It is safe for concurrent use.
type link struct {
	addr      net.Addr
	transport kafka.RoundTripper
	secret    *auth.Credentials
	refused   auth.Refusal // refusals seen on the client's own connections
	end       func()       // ends what the client does by itself, and closes its idle connections

	mu       sync.Mutex
	requests int // under way
	closed   bool
}

// errLinkClosed is what a request gets that comes too late. Nothing of it has
// been sent.
var errLinkClosed = errors.New("the connections have been replaced")

// newLink returns a link to a broker, which is not connected yet. What the
// client does by itself ends with ctx.
func newLink(ctx context.Context, cfg *Config, secret *auth.Credentials, checker *answers.Checker, address string) *link {
	ctx, cancel := context.WithCancel(ctx)
	l := &link{addr: kafka.TCP(address), secret: secret}
	transport := &kafka.Transport{
		Dial:           (&dialer{secret, checker}).dial,
		DialTimeout:    dialTimeout,
		IdleTimeout:    idleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: cfg.allTopics(),
		ClientID:       cfg.ClientID,
		Context:        l.refused.With(ctx),
		SASL:           secret.SASL,
	}
	l.transport = transport
	l.end = func() {
		cancel()
		transport.CloseIdleConnections()
	}
	if cfg.Unacknowledged {
		l.transport = &soleTransport{inner: transport, connections: newSoleConnections()}
	}
	return l
}

// close gives the connections up when the last request has ended: before, the
// client would not know where to send it. l may be nil.
func (l *link) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed && l.requests == 0 {
		l.end()
	}
	l.closed = true
}

// begin reports whether a request may be made: after close none may.
func (l *link) begin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.requests++
	return true
}

// done follows when the request has ended.
func (l *link) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests--
	if l.closed && l.requests == 0 {
		l.end()
	}
}

// RoundTrip is part of kafka.RoundTripper. Its errors repeat no secret.
func (l *link) RoundTrip(ctx context.Context, addr net.Addr, r kafka.Request) (kafka.Response, error) {
	if !l.begin() {
		return nil, errLinkClosed
	}
	defer l.done()
	refused := &l.refused
	if _, byItself := r.(*metadata.Request); !byItself {
		refused = new(auth.Refusal)
		ctx = refused.With(ctx)
	}
	response, err := l.transport.RoundTrip(ctx, addr, r)
	if err != nil {
		return response, l.secret.Explain(err, refused)
	}
	return response, nil
}

// exchange sends a request and returns the answer, which is to be of type A.
func exchange[A kafka.Response](ctx context.Context, l *link, r kafka.Request) (A, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	response, err := l.RoundTrip(ctx, l.addr, r)
	answer, ok := response.(A)
	if err == nil && !ok {
		err = fmt.Errorf("the answer is a %T", response)
	}
	return answer, err
}

// refresh makes the client fetch metadata anew, and reports whether it did. A request to create no
// topics has that effect and keeps the connections. It does not tell whether metadata came, so the
// broker has to show first that it answers.
func (l *link) refresh(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if _, err := l.RoundTrip(ctx, l.addr, new(apiversions.Request)); err != nil {
		return false
	}
	_, err := exchange[*createtopics.Response](ctx, l, new(createtopics.Request))
	return err == nil
}

// topology is what the cluster says of itself and of our topics.
type topology struct {
	// brokers are the addresses of all brokers, by id: what each has in its
	// advertised.listeners.
	brokers map[int32]string
	topics  []topicMetadata // in the order in which they were asked for
}

// topicMetadata is what the cluster says of a topic.
type topicMetadata struct {
	// leaders are the broker ids of the partitions' leaders, -1 where there is
	// none.
	leaders []int32
	// err, when not nil, is why there are none.
	err error
}

// ask returns what the client knows of the topics. It connects when it knows
// nothing yet.
func (l *link) ask(ctx context.Context, topics []string) (*topology, error) {
	meta, err := l.metadata(ctx, topics)
	if err != nil {
		return nil, err
	}
	top := &topology{brokers: make(map[int32]string), topics: make([]topicMetadata, len(topics))}
	for _, b := range meta.Brokers {
		top.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	for i, name := range topics {
		t := &top.topics[i]
		if code := meta.Topics[i].ErrorCode; code != 0 {
			t.err = kafka.Error(code)
		} else {
			t.leaders, t.err = leadersOf(meta.Topics[i].Partitions, top.brokers)
		}
		if t.err != nil {
			t.err = fmt.Errorf("metadata of topic %q: %w", name, t.err)
		}
	}
	return top, nil
}

// metadata returns what the client knows of the topics, in their order.
func (l *link) metadata(ctx context.Context, topics []string) (*metadata.Response, error) {
	meta, err := exchange[*metadata.Response](ctx, l, &metadata.Request{TopicNames: topics})
	if err == nil && len(meta.Topics) != len(topics) {
		err = fmt.Errorf("it was asked for %d topics and tells of %d", len(topics), len(meta.Topics))
	}
	if err != nil {
		return nil, failure.At(l.addr.String(), err)
	}
	return meta, nil
}

// leadersOf returns the leader of each partition, as far as it is one of the brokers.
func leadersOf(partitions []metadata.ResponsePartition, brokers map[int32]string) ([]int32, error) {
	if len(partitions) == 0 {
		return nil, errors.New("it has no partitions")
	}
	leaders := slices.Repeat([]int32{-1}, len(partitions))
	for i := range partitions {
		p := &partitions[i]
		if p.PartitionIndex < 0 || int(p.PartitionIndex) >= len(leaders) {
			return nil, fmt.Errorf("partition %d of %d", p.PartitionIndex, len(leaders))
		}
		if _, known := brokers[p.LeaderID]; known {
			leaders[p.PartitionIndex] = p.LeaderID
		}
	}
	return leaders, nil
}

// linkAnswer is the answer that came over a link.
type linkAnswer struct {
	link *link
	top  *topology
	err  error
}

// firstAnswer asks over links one after the other, and returns the first answer of a broker, which
// may be an error. A broker may hang, so the next is asked without waiting long. If one refuses
// the login, the others would do so, too, and might lock the user out. If none answers, the error
// is the first there was. All links but that of the answer are closed.
func firstAnswer(ctx context.Context, topics []string, links []*link) (first linkAnswer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	patience := time.NewTicker(linkPatience)
	defer patience.Stop()
	come := make(chan linkAnswer)
	defer func() {
		for _, l := range links {
			l.close()
		}
	}()
	giveUp := false
	for waiting := 0; ; {
		if first.link == nil && !giveUp && len(links) > 0 {
			l := links[0]
			links = links[1:]
			waiting++
			go func() {
				top, err := l.ask(ctx, topics)
				come <- linkAnswer{l, top, err}
			}()
		}
		if waiting == 0 {
			return first
		}
		select {
		case <-patience.C:
			continue
		case a := <-come:
			waiting--
			switch {
			case first.link != nil:
				a.link.close()
			case answered(a.err):
				first = a
				cancel()
			default:
				a.link.close()
				if first.err == nil {
					first.err = a.err
				}
				giveUp = giveUp || failure.Of(a.err).Identity
			}
		}
	}
}

// answered reports whether an error is none, or a broker's answer that is not about
// authentication.
func answered(err error) bool {
	var code kafka.Error
	return err == nil || errors.As(err, &code) && !failure.Of(err).Identity
}
