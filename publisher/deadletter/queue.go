package deadletter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/internal/notice"
	"github.com/flowpub/flowpub/publisher/failure"
)

// Config is what dead letters need of whoever publishes.
type Config struct {
	// Topic is theirs alone.
	Topic string
	// Brokers are whom Kafka reaches.
	Brokers net.Addr
	// Kafka sends requests, over the connections of flow records.
	Kafka Kafka
	// Acks are as many as flow records ask for.
	Acks kafka.RequiredAcks
	// Partition tells in which of n partitions a key belongs.
	Partition func(key []byte, n int) int
	// Log and Notices tell operators.
	Log     *slog.Logger
	Notices *notice.Limiter
}

// Kafka is the way to the brokers.
type Kafka interface {
	kafka.RoundTripper
	// Discreet keeps secrets out of an error.
	Discreet(err error) error
}

// Queue takes datagrams to their topic, in a goroutine of its own and with
// memory of its own, so that flow records never wait for them. Methods that are
// called without regard to whether they are wanted take a nil receiver.
type Queue struct {
	cfg        Config
	partitions atomic.Int32  // of the topic; 0 until it is known
	wake       chan struct{} // has a token when there is something to send
	settled    chan struct{} // has a token after letters had an outcome

	mu     sync.Mutex
	limits map[string]*rateLimit // by reason
	queue  []letter
	bytes  int // of those in the queue and those being sent
	closed bool
	counts [outcomes]uint64
}

// New returns an empty queue.
func New(cfg *Config) *Queue {
	return &Queue{
		cfg:     *cfg,
		wake:    make(chan struct{}, 1),
		settled: make(chan struct{}, 1),
		limits:  make(map[string]*rateLimit),
	}
}

// Offer queues a letter or says why not.
func (q *Queue) Offer(from netip.AddrPort, received decoder.UnixNano, reason string, datagram []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	limit := q.limits[reason]
	if limit == nil {
		limit = new(rateLimit)
		q.limits[reason] = limit
	}
	l := letter{from: from, received: time.Unix(0, int64(received)).UTC(), reason: reason, datagram: datagram}
	switch {
	case q.closed:
		q.counts[Failed]++
	case !limit.allow(time.Now()):
		q.counts[RateLimited]++
	case q.bytes+l.size() > maxBytes:
		q.counts[BufferFull]++
	default:
		l.datagram = slices.Clone(datagram)
		q.queue = append(q.queue, l)
		q.bytes += l.size()
		signal(q.wake)
	}
}

// signal puts a token into a channel that holds one.
func signal(tokens chan struct{}) {
	select {
	case tokens <- struct{}{}:
	default:
	}
}

// rateLimit lets burst pass at once and rate a second. The
// zero value is ready.
type rateLimit struct {
	paid time.Time // when all that has passed is paid for, at the rate
}

// allow reports whether one more may pass, and lets it.
func (r *rateLimit) allow(now time.Time) bool {
	const price = time.Second / rate
	if r.paid.Sub(now) > (burst-1)*price {
		return false
	}
	if r.paid.Before(now) {
		r.paid = now
	}
	r.paid = r.paid.Add(price)
	return true
}

// Learn takes over how many partitions the topic has, or why that is not known.
func (q *Queue) Learn(partitions int, err error, cure string) {
	if err != nil {
		q.cfg.Notices.Warn("dead_letter_topic", "no metadata of the topic for dead letters, trying again",
			"topic", q.cfg.Topic, "error", failure.Sentence(err), "cure", cure)
		return
	}
	q.partitions.Store(int32(partitions))
	signal(q.wake)
}

// Run delivers until ctx ends.
func (q *Queue) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.wake:
		}
		for n := int(q.partitions.Load()); n > 0; {
			letters := q.next()
			if letters == nil {
				break
			}
			if err := q.deliver(ctx, letters, n); err != nil && !q.pause(ctx, err) {
				return
			}
		}
	}
}

// pause waits after a failure; false when ctx ends meanwhile.
func (q *Queue) pause(ctx context.Context, err error) bool {
	wait := pauseAfter
	kind := failure.Of(err)
	if kind.Slow {
		wait = failure.SlowPause
	}
	if ctx.Err() == nil {
		q.cfg.Notices.Warn("dead_letters", "dead letters could not be delivered, trying again",
			"topic", q.cfg.Topic, "error", failure.Sentence(err), "cure", kind.Cure)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// next takes from the queue what fits into a request, at least one letter; nil
// when there is none.
func (q *Queue) next() []letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	var n, size int
	for ; n < len(q.queue); n++ {
		if size += q.queue[n].size(); n > 0 && size > requestBytes {
			break
		}
	}
	if n == 0 {
		return nil
	}
	taken := q.queue[:n:n]
	q.queue = q.queue[n:]
	return taken
}

// deliver makes one attempt with letters, in a topic of n partitions. Those it
// fails with are queued again; the error is why.
func (q *Queue) deliver(ctx context.Context, letters []letter, n int) error {
	groups := make(map[int][]letter)
	for _, l := range letters {
		home := q.cfg.Partition(l.key(), n)
		groups[home] = append(groups[home], l)
	}
	var failed error
	for home, group := range groups {
		if err := q.attempt(ctx, group, home); err != nil {
			failed = err
		}
	}
	return failed
}

// attempt sends letters to a partition. If the brokers call them too large, or
// invalid, each half is sent alone, and what is refused alone is given up.
func (q *Queue) attempt(ctx context.Context, letters []letter, partition int) error {
	err := q.produce(ctx, letters, partition)
	switch {
	case err == nil:
		q.settle(letters, Delivered)
	case !refusal(err):
		q.requeue(letters)
		return err
	case len(letters) == 1:
		q.settle(letters, Failed)
		q.cfg.Notices.Warn("dead_letter_refused", "a dead letter was refused and given up",
			"topic", q.cfg.Topic, "error", failure.Sentence(err), "cure", failure.Of(err).Cure)
	default:
		half := len(letters) / 2
		return errors.Join(q.attempt(ctx, letters[:half], partition), q.attempt(ctx, letters[half:], partition))
	}
	return nil
}

// refusal reports whether the brokers will never take what they were sent.
func refusal(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	verdict := failure.Answer(code, "").Verdict
	return verdict == failure.TooLarge || verdict == failure.Invalid
}

// produce sends one request over the connections that flow records have, for as
// many acknowledgements: without any, flow records would wait for these on the
// connection that they share.
func (q *Queue) produce(ctx context.Context, letters []letter, partition int) error {
	records := make([]kafka.Record, len(letters))
	for i := range letters {
		records[i] = letters[i].record()
	}
	client := kafka.Client{Addr: q.cfg.Brokers, Transport: q.cfg.Kafka, Timeout: timeout}
	response, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: q.cfg.Topic, Partition: partition, RequiredAcks: q.cfg.Acks,
		Records: kafka.NewRecordReader(records...),
	})
	switch inner := errors.Unwrap(err); {
	case inner != nil:
		err = inner // without the name of the client's function
	case err == nil && response != nil: // there is none without acknowledgements
		err = response.Error
	}
	return q.cfg.Kafka.Discreet(err)
}

// settle books the outcome of letters.
func (q *Queue) settle(letters []letter, o Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts[o] += uint64(len(letters))
	for i := range letters {
		q.bytes -= letters[i].size()
	}
	signal(q.settled)
}

// requeue puts letters behind all others, so that a partition that fails does
// not hold up the rest.
func (q *Queue) requeue(letters []letter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, letters...)
}

// Close takes no more letters, and waits a little for those there are.
func (q *Queue) Close(ctx context.Context) {
	if q == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !q.closedAndEmpty() {
		select {
		case <-q.settled:
		case <-ctx.Done():
			return
		}
	}
}

func (q *Queue) closedAndEmpty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	return q.bytes == 0
}

// Discard gives up all that is left, when nothing else runs any more.
func (q *Queue) Discard() {
	if q == nil {
		return
	}
	if left := q.next(); left != nil {
		for ; left != nil; left = q.next() {
			q.settle(left, Failed)
		}
		q.cfg.Log.Warn("dead letters were given up at shutdown", "topic", q.cfg.Topic,
			"cure", "see that Kafka is reachable, or raise "+variable.ShutdownTimeout)
	}
}

// Snapshot returns how many letters had each outcome.
func (q *Queue) Snapshot() map[Outcome]uint64 {
	all := make(map[Outcome]uint64, outcomes)
	for _, o := range Outcomes() {
		all[o] = 0
	}
	if q == nil {
		return all
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for o, n := range q.counts {
		all[Outcome(o)] = n
	}
	return all
}
