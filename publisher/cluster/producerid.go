package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"

	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/failure"
)

// Times of asking for producer ids.
const (
	// refusedPause is how long a cluster is left alone that has refused a producer
	// id, and retryTimeout how long its next answer may hold up everything else.
	refusedPause = 10 * time.Second
	retryTimeout = 2 * time.Second
	// loadingPause is the pause between requests to a broker that is starting.
	loadingPause = 50 * time.Millisecond
)

// ErrNotIdempotent is why there is no producer id: the cluster gives this user none
// at present, and that is accepted.
var ErrNotIdempotent = errors.New("not idempotent")

// Producer is what InitProducerId handed out. Generation counts those of this
// process, from 1 on; 0 means none.
type Producer struct {
	ID         int64
	Epoch      int16
	Generation int
}

// producerIDs gets producer ids, one at a time. It is safe for concurrent use.
type producerIDs struct {
	cfg *Config
	do  func(context.Context, kafka.Request) (kafka.Response, error)

	// unhelpful: the broker that was asked gave none.
	unhelpful atomic.Bool

	mu      sync.Mutex
	newest  Producer
	asking  chan struct{} // closed when the request for a producer id ends
	plain   bool          // goes without idempotence
	retried time.Time     // when a producer id was last asked for without idempotence
}

// Sendable reports whether batches may be sent as far as producer ids go.
func (c *Cluster) Sendable() bool { return c.producers.ready() }

// Idempotent reports whether brokers recognise repeated batches: not before there is
// a producer id.
func (c *Cluster) Idempotent() bool {
	p := c.producers
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.plain && p.newest.Generation > 0
}

// ProducerAfter returns a producer newer than one that the caller knows, by
// generation; ErrNotIdempotent if batches go without. All that ask at the same time
// share one request.
func (c *Cluster) ProducerAfter(ctx context.Context, known int) (Producer, error) {
	return c.producers.after(ctx, known)
}

func (p *producerIDs) ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plain || p.newest.Generation > 0
}

// first gets the first producer id, and reports whether there was none; failures
// are logged.
func (p *producerIDs) first(ctx context.Context) bool {
	if p.ready() {
		return false
	}
	if _, err := p.after(ctx, 0); err != nil && !errors.Is(err, ErrNotIdempotent) {
		p.cfg.Notices.Warn("producer_id", "Kafka gives no producer id, trying again",
			"error", failure.Sentence(err), "cure", producerCure(err))
	}
	return true
}

// producerCure tells what to do when no producer id is given.
func producerCure(err error) string {
	if strange, ok := errors.AsType[*answers.Error](err); ok {
		return strange.Cure
	}
	return failure.ProducerID.Cure
}

// retry asks a cluster that has refused a producer id for one again:
// the permission may have been given meanwhile. It often comes with that to write
// to the topic, which the flows wait for. Batches go without until it is given.
func (p *producerIDs) retry(ctx context.Context) {
	if !p.cfg.Idempotent || !p.beginRetry() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	if _, err := p.ask(ctx); err == nil {
		p.cfg.Log.Info("Kafka allows idempotent publishing now: batches are recognised when they are repeated")
	}
}

// beginRetry reports whether it is time to ask again, and makes this the request
// that others share.
func (p *producerIDs) beginRetry() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.plain || p.asking != nil || time.Since(p.retried) < refusedPause {
		return false
	}
	p.retried = time.Now()
	p.asking = make(chan struct{})
	return true
}

// after is Cluster.ProducerAfter.
func (p *producerIDs) after(ctx context.Context, known int) (Producer, error) {
	for {
		id, plain, asking := p.lookUp(known)
		switch {
		case plain:
			return Producer{}, ErrNotIdempotent
		case id.Generation > known:
			return id, nil
		case asking == nil:
			return p.ask(ctx)
		}
		select {
		case <-asking:
		case <-ctx.Done():
			return Producer{}, ctx.Err()
		}
	}
}

// lookUp returns what is there. If that is no producer newer than the
// one known, asking is closed when somebody else's request for one has ended;
// if nobody has made one it is nil, and the caller must.
func (p *producerIDs) lookUp(known int) (id Producer, plain bool, asking <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.newest.Generation > known:
		return p.newest, false, nil
	case p.plain:
		return Producer{}, true, nil
	case p.asking == nil:
		p.asking = make(chan struct{})
		return Producer{}, false, nil
	}
	return Producer{}, false, p.asking
}

// ask gets a new producer id from the cluster.
func (p *producerIDs) ask(ctx context.Context) (Producer, error) {
	id, epoch, err := p.request(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.asking)
	p.asking = nil
	switch {
	case err == nil:
		p.newest = Producer{ID: id, Epoch: epoch, Generation: p.newest.Generation + 1}
		p.plain = false
		return p.newest, nil
	case refusesIdempotence(err) && !p.cfg.Required:
		p.goPlain(err)
		return Producer{}, ErrNotIdempotent
	}
	if !p.plain && !refusesIdempotence(err) { // else no other broker need be found
		p.unhelpful.Store(true)
	}
	return Producer{}, err
}

// goPlain lets batches be sent without idempotence. The caller holds the lock.
func (p *producerIDs) goPlain(err error) {
	if p.plain {
		return
	}
	p.plain, p.retried = true, time.Now()
	p.cfg.Log.Warn("Kafka refuses idempotent publishing: until it is allowed, a batch repeated after a lost answer will be there twice",
		"error", err, "cure", cureRefused)
}

// cureRefused tells what to do when producer ids are refused.
const cureRefused = "allow WRITE on the topic, or, where brokers are older than 2.8, IDEMPOTENT_WRITE on the cluster"

// initProducerIDRequest is kafka-go's without the method that would have it
// sent to a transaction coordinator, which we do not need and may not ask.
type initProducerIDRequest initproducerid.Request

// ApiKey is part of protocol.Message.
func (*initProducerIDRequest) ApiKey() protocol.ApiKey { return protocol.InitProducerId } //nolint:revive // kafka-go's spelling

// request gets a producer id. A broker that has just started has none yet,
// says that it is loading, and has some a moment later.
func (p *producerIDs) request(ctx context.Context) (id int64, epoch int16, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	for began := time.Now(); ; {
		id, epoch, err = p.requestOnce(ctx)
		if !errors.Is(err, kafka.GroupLoadInProgress) || time.Since(began) > clusterTick {
			return id, epoch, err
		}
		select {
		case <-time.After(loadingPause):
		case <-ctx.Done():
			return 0, 0, err
		}
	}
}

func (p *producerIDs) requestOnce(ctx context.Context) (id int64, epoch int16, err error) {
	response, err := p.do(ctx, &initProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return 0, 0, fmt.Errorf("producer id: %w", err)
	}
	answer, ok := response.(*initproducerid.Response)
	if !ok {
		return 0, 0, fmt.Errorf("producer id: unexpected answer %T", response)
	}
	if answer.ErrorCode != 0 {
		return 0, 0, fmt.Errorf("producer id: %w", failure.Code(answer.ErrorCode, ""))
	}
	return answer.ProducerID, answer.ProducerEpoch, nil
}

// refusesIdempotence reports whether the cluster will not give this user a
// producer id unless somebody changes something.
func refusesIdempotence(err error) bool {
	return slices.ContainsFunc([]kafka.Error{
		kafka.ClusterAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed, kafka.UnsupportedVersion,
	}, func(code kafka.Error) bool { return errors.Is(err, code) })
}
