package publisher

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/publisher/cluster"
)

// deadLetters takes datagrams to their topic, in a goroutine of its own and with
// memory of its own, so that flow records never wait for them. Methods that are
// called without regard to whether they are wanted take a nil receiver.
type deadLetters struct {
	pub        *Publisher
	partitions atomic.Int32  // of the topic; 0 until it is known
	wake       chan struct{} // has a token when there is something to send
	settled    chan struct{} // has a token after letters had an outcome

	mu       sync.Mutex
	limits   map[string]*rateLimit // by reason
	queue    []letter
	bytes    int // of those in the queue and those being sent
	closed   bool
	outcomes [deadLetterOutcomes]uint64
}

func newDeadLetters(p *Publisher) *deadLetters {
	return &deadLetters{
		pub:     p,
		wake:    make(chan struct{}, 1),
		settled: make(chan struct{}, 1),
		limits:  make(map[string]*rateLimit),
	}
}

// offer queues a letter or says why not.
func (d *deadLetters) offer(from netip.AddrPort, received decoder.UnixNano, reason string, datagram []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := d.limits[reason]
	if limit == nil {
		limit = new(rateLimit)
		d.limits[reason] = limit
	}
	l := letter{from: from, received: time.Unix(0, int64(received)).UTC(), reason: reason, datagram: datagram}
	switch {
	case d.closed:
		d.outcomes[DeadLetterFailed]++
	case !limit.allow(time.Now()):
		d.outcomes[DeadLetterRateLimited]++
	case d.bytes+l.size() > deadLetterBytes:
		d.outcomes[DeadLetterBufferFull]++
	default:
		l.datagram = slices.Clone(datagram)
		d.queue = append(d.queue, l)
		d.bytes += l.size()
		signal(d.wake)
	}
}

// signal puts a token into a channel that holds one.
func signal(tokens chan struct{}) {
	select {
	case tokens <- struct{}{}:
	default:
	}
}

// rateLimit lets deadLetterBurst pass at once and deadLetterRate a second. The
// zero value is ready.
type rateLimit struct {
	paid time.Time // when all that has passed is paid for, at the rate
}

// allow tells whether one more may pass, and lets it.
func (r *rateLimit) allow(now time.Time) bool {
	const price = time.Second / deadLetterRate
	if r.paid.Sub(now) > (deadLetterBurst-1)*price {
		return false
	}
	if r.paid.Before(now) {
		r.paid = now
	}
	r.paid = r.paid.Add(price)
	return true
}

// learn takes over what the cluster says of the topic.
func (d *deadLetters) learn(m *cluster.Topic) {
	if m.Err == nil {
		d.partitions.Store(int32(len(m.Leaders)))
		signal(d.wake)
		return
	}
	d.pub.notices.Warn("dead_letter_topic", "no metadata of the topic for dead letters, trying again",
		"topic", d.pub.cfg.DeadLetterTopic, "error", m.Err, "cure", m.Cure)
}

// run delivers until ctx ends.
func (d *deadLetters) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		for n := int(d.partitions.Load()); n > 0; {
			letters := d.next()
			if letters == nil {
				break
			}
			if err := d.deliver(ctx, letters, n); err != nil && !d.pause(ctx, err) {
				return
			}
		}
	}
}

// pause waits after a failure; false when ctx ends meanwhile.
func (d *deadLetters) pause(ctx context.Context, err error) bool {
	wait := deadLetterPause
	kind := localKind(err)
	if kind.slow {
		wait = slowBackoff
	}
	if ctx.Err() == nil {
		d.pub.notices.Warn("dead_letters", "dead letters could not be delivered, trying again",
			"topic", d.pub.cfg.DeadLetterTopic, "error", sentence(err), "cure", kind.cure)
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
func (d *deadLetters) next() []letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	var n, size int
	for ; n < len(d.queue); n++ {
		if size += d.queue[n].size(); n > 0 && size > deadLetterRequest {
			break
		}
	}
	if n == 0 {
		return nil
	}
	taken := d.queue[:n:n]
	d.queue = d.queue[n:]
	return taken
}

// deliver makes one attempt with letters, in a topic of n partitions. Those it
// fails with are queued again; the error is why.
func (d *deadLetters) deliver(ctx context.Context, letters []letter, n int) error {
	groups := make(map[int][]letter)
	for _, l := range letters {
		partitioner := d.pub.cfg.Partitioner
		home := partitioner.partition(partitioner.hash(l.key()), n)
		groups[home] = append(groups[home], l)
	}
	var failed error
	for home, group := range groups {
		if err := d.attempt(ctx, group, home); err != nil {
			failed = err
		}
	}
	return failed
}

// attempt sends letters to a partition. If the brokers call them too large, or
// invalid, each half is sent alone, and what is refused alone is given up.
func (d *deadLetters) attempt(ctx context.Context, letters []letter, partition int) error {
	err := d.produce(ctx, letters, partition)
	switch {
	case err == nil:
		d.settle(letters, DeadLetterDelivered)
	case !refusal(err):
		d.requeue(letters)
		return err
	case len(letters) == 1:
		d.settle(letters, DeadLetterFailed)
		d.pub.notices.Warn("dead_letter_refused", "a dead letter was refused and given up",
			"topic", d.pub.cfg.DeadLetterTopic, "error", sentence(err), "cure", localKind(err).cure)
	default:
		half := len(letters) / 2
		return errors.Join(d.attempt(ctx, letters[:half], partition), d.attempt(ctx, letters[half:], partition))
	}
	return nil
}

// refusal tells whether the brokers will never take what they were sent.
func refusal(err error) bool {
	var code kafka.Error
	if !errors.As(err, &code) {
		return false
	}
	verdict := brokerAnswer(code, "").verdict
	return verdict == tooLarge || verdict == refused
}

// produce sends one request over the connections that flow records have, for as
// many acknowledgements: without any, flow records would wait for these on the
// connection that they share.
func (d *deadLetters) produce(ctx context.Context, letters []letter, partition int) error {
	records := make([]kafka.Record, len(letters))
	for i := range letters {
		records[i] = letters[i].record()
	}
	client := kafka.Client{Addr: kafka.TCP(d.pub.cfg.Brokers...), Transport: d.pub.cluster, Timeout: deadLetterTimeout}
	response, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: d.pub.cfg.DeadLetterTopic, Partition: partition, RequiredAcks: kafka.RequiredAcks(d.pub.cfg.Acks),
		Records: kafka.NewRecordReader(records...),
	})
	switch inner := errors.Unwrap(err); {
	case inner != nil:
		err = inner // without the name of the client's function
	case err == nil && response != nil: // there is none without acknowledgements
		err = response.Error
	}
	return d.pub.cluster.Discreet(err)
}

// settle books the outcome of letters.
func (d *deadLetters) settle(letters []letter, o DeadLetterOutcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outcomes[o] += uint64(len(letters))
	for i := range letters {
		d.bytes -= letters[i].size()
	}
	signal(d.settled)
}

// requeue puts letters behind all others, so that a partition that fails does
// not hold up the rest.
func (d *deadLetters) requeue(letters []letter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queue = append(d.queue, letters...)
}

// close takes no more letters, and waits a little for those there are.
func (d *deadLetters) close(ctx context.Context) {
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deadLetterPatience)
	defer cancel()
	for !d.closedAndEmpty() {
		select {
		case <-d.settled:
		case <-ctx.Done():
			return
		}
	}
}

func (d *deadLetters) closedAndEmpty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return d.bytes == 0
}

// discard gives up all that is left, when nothing else runs any more.
func (d *deadLetters) discard() {
	if d == nil {
		return
	}
	if left := d.next(); left != nil {
		for ; left != nil; left = d.next() {
			d.settle(left, DeadLetterFailed)
		}
		d.pub.log.Warn("dead letters were given up at shutdown", "topic", d.pub.cfg.DeadLetterTopic)
	}
}

// snapshot returns how many letters had each outcome.
func (d *deadLetters) snapshot() map[DeadLetterOutcome]uint64 {
	all := make(map[DeadLetterOutcome]uint64, deadLetterOutcomes)
	for _, o := range DeadLetterOutcomes() {
		all[o] = 0
	}
	if d == nil {
		return all
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for o, n := range d.outcomes {
		all[DeadLetterOutcome(o)] = n
	}
	return all
}
