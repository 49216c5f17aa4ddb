package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"

	"github.com/flowpub/flowpub/publisher/answers"
	kinds "github.com/flowpub/flowpub/publisher/failure"
)

// Times of asking for producer ids.
const (
	// refusedPause is how long a cluster is left alone that has refused a producer
	// id, and retryTimeout how long its next answer may hold up everything else.
	refusedPause = 10 * time.Second
	retryTimeout = 2 * time.Second
)

// errNotIdempotent: the cluster gives this user no producer id at present, and
// that is accepted.
var errNotIdempotent = errors.New("not idempotent")

// producerReady tells whether batches may be sent as far as producer ids go.
func (c *cluster) producerReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plain || c.producers.generation > 0
}

// idempotent reports whether brokers recognise repeated batches: not before there is
// a producer id.
func (c *cluster) idempotent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.plain && c.producers.generation > 0
}

// firstProducer gets the first producer id; failures are logged.
func (c *cluster) firstProducer(ctx context.Context) {
	if c.producerReady() {
		return
	}
	if _, err := c.producerAfter(ctx, 0); err != nil && !errors.Is(err, errNotIdempotent) {
		c.pub.notices.Warn("producer_id", "Kafka gives no producer id, trying again",
			"error", sentence(err), "cure", producerCure(err))
	}
	c.pub.sender.poke()
}

// producerCure tells what helps when no producer id is given.
func producerCure(err error) string {
	if strange, ok := errors.AsType[*answers.Error](err); ok {
		return strange.Cure
	}
	return kinds.ProducerID.Cure
}

// retryIdempotence asks a cluster that has refused a producer id for one again:
// the permission may have been given meanwhile. It often comes with that to write
// to the topic, which the flows wait for. Batches go without until it is given.
func (c *cluster) retryIdempotence(ctx context.Context) {
	if !c.pub.cfg.Idempotent || !c.beginRetry() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, retryTimeout)
	defer cancel()
	if _, err := c.askProducer(ctx); err == nil {
		c.pub.log.Info("Kafka allows idempotent publishing now: batches are recognised when they are repeated")
	}
}

// beginRetry tells whether it is time to ask again, and makes this the request
// that others share.
func (c *cluster) beginRetry() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.plain || c.asking != nil || time.Since(c.retried) < refusedPause {
		return false
	}
	c.retried = time.Now()
	c.asking = make(chan struct{})
	return true
}

// producerAfter returns a producer newer than one that the caller knows, by
// generation. All that ask at the same time share one request.
func (c *cluster) producerAfter(ctx context.Context, known int) (producer, error) {
	for {
		id, plain, asking := c.lookUpProducer(known)
		switch {
		case plain:
			return producer{}, errNotIdempotent
		case id.generation > known:
			return id, nil
		case asking == nil:
			return c.askProducer(ctx)
		}
		select {
		case <-asking:
		case <-ctx.Done():
			return producer{}, ctx.Err()
		}
	}
}

// lookUpProducer returns what is there. If that is no producer newer than the
// one known, asking is closed when somebody else's request for one has ended;
// if nobody has made one it is nil, and the caller must.
func (c *cluster) lookUpProducer(known int) (id producer, plain bool, asking <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.producers.generation > known:
		return c.producers, false, nil
	case c.plain:
		return producer{}, true, nil
	case c.asking == nil:
		c.asking = make(chan struct{})
		return producer{}, false, nil
	}
	return producer{}, false, c.asking
}

// askProducer gets a new producer id from the cluster.
func (c *cluster) askProducer(ctx context.Context) (producer, error) {
	id, epoch, err := c.initProducerID(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.asking)
	c.asking = nil
	switch {
	case err == nil:
		c.producers = producer{id: id, epoch: epoch, generation: c.producers.generation + 1}
		c.plain = false
		return c.producers, nil
	case refusesIdempotence(err) && !c.pub.cfg.IdempotentRequired:
		c.goPlain(err)
		return producer{}, errNotIdempotent
	}
	if !c.plain && !refusesIdempotence(err) { // else no other broker need be found
		c.unhelpful.Store(true)
	}
	return producer{}, err
}

// goPlain has batches sent without idempotence. The caller holds the lock.
func (c *cluster) goPlain(err error) {
	if c.plain {
		return
	}
	c.plain, c.retried = true, time.Now()
	c.pub.log.Warn("Kafka refuses idempotent publishing: until it is allowed, a batch repeated after a lost answer will be there twice",
		"error", err, "cure", "allow WRITE on the topic, or, where brokers are older than 2.8, IDEMPOTENT_WRITE on the cluster")
}

// initProducerIDRequest is kafka-go's without the method that would have it
// sent to a transaction coordinator, which we do not need and may not ask.
type initProducerIDRequest initproducerid.Request

// ApiKey is part of protocol.Message.
func (*initProducerIDRequest) ApiKey() protocol.ApiKey { return protocol.InitProducerId } //nolint:revive // kafka-go's spelling

// initProducerID gets a producer id. A broker that has just started has none yet,
// says that it is loading, and has some a moment later.
func (c *cluster) initProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	for began := time.Now(); ; {
		id, epoch, err = c.requestProducerID(ctx)
		if !errors.Is(err, kafka.GroupLoadInProgress) || time.Since(began) > clusterTick {
			return id, epoch, err
		}
		select {
		case <-time.After(minBackoff):
		case <-ctx.Done():
			return 0, 0, err
		}
	}
}

func (c *cluster) requestProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	response, err := c.roundTrip(ctx, &initProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return 0, 0, fmt.Errorf("producer id: %w", err)
	}
	answer, ok := response.(*initproducerid.Response)
	if !ok {
		return 0, 0, fmt.Errorf("producer id: unexpected answer %T", response)
	}
	if answer.ErrorCode != 0 {
		return 0, 0, fmt.Errorf("producer id: %w", kinds.Code(answer.ErrorCode, ""))
	}
	return answer.ProducerID, answer.ProducerEpoch, nil
}

// refusesIdempotence tells whether the cluster will not give this user a
// producer id unless somebody changes something.
func refusesIdempotence(err error) bool {
	return slices.ContainsFunc([]kafka.Error{
		kafka.ClusterAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed, kafka.UnsupportedVersion,
	}, func(code kafka.Error) bool { return errors.Is(err, code) })
}
