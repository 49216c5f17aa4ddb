package publisher

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/initproducerid"
)

// Times of the client.
const (
	dialTimeout     = 10 * time.Second
	idleTimeout     = 4 * time.Minute // brokers close connections after 10
	controlTimeout  = 10 * time.Second
	metadataTTL     = 10 * time.Second
	clusterTick     = time.Second
	unreachedNotice = 10 * time.Second
)

// errNotIdempotent: the cluster gives this user no producer id, and that is
// accepted.
var errNotIdempotent = errors.New("publisher: not idempotent")

// cluster is what the publisher knows of the Kafka cluster: the connections,
// the leaders of the topic's partitions, the producer id. It is safe for
// concurrent use.
type cluster struct {
	pub       *Publisher
	addr      net.Addr
	transport atomic.Pointer[kafka.Transport]
	files     *fileWatch
	// leaders are the broker ids of the partitions' leaders, -1 where there is
	// none; nil until they were once known.
	leaders atomic.Pointer[[]int32]
	// messageLimit is the largest record batch the topic takes, in bytes, as
	// far as known; else 0.
	messageLimit atomic.Int64
	wanted       chan struct{} // asks for new metadata soon

	mu        sync.Mutex
	problem   error // why the topic's metadata could not be had
	producers producer
	asking    chan struct{} // closed when the request for a producer id ends
	plain     bool          // goes without idempotence
}

func newCluster(p *Publisher) *cluster {
	return &cluster{
		pub:    p,
		addr:   kafka.TCP(p.cfg.Brokers...),
		files:  newFileWatch(p.cfg.files()),
		wanted: make(chan struct{}, 1),
		plain:  !p.cfg.Idempotent,
	}
}

// connect makes a new client from the configuration and the files it names.
// Connections of the old one are closed when their requests have ended.
func (c *cluster) connect(ctx context.Context) error {
	cfg := c.pub.cfg
	t := &kafka.Transport{
		Dial:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		DialTimeout:    dialTimeout,
		IdleTimeout:    idleTimeout,
		MetadataTTL:    metadataTTL,
		MetadataTopics: []string{cfg.Topic},
		ClientID:       cfg.ClientID,
		Context:        ctx,
	}
	if cfg.TLS != nil {
		conf, err := cfg.TLS.load()
		if err != nil {
			return err
		}
		t.TLS = conf
	}
	if cfg.SASL != nil {
		mechanism, err := cfg.SASL.mechanism()
		if err != nil {
			return err
		}
		t.SASL = mechanism
	}
	if old := c.transport.Swap(t); old != nil {
		old.CloseIdleConnections()
	}
	return nil
}

// client is for the requests that kafka-go has methods for.
func (c *cluster) client() *kafka.Client {
	return &kafka.Client{Addr: c.addr, Transport: c.transport.Load(), Timeout: controlTimeout}
}

// roundTrip sends a request to the broker it is meant for.
func (c *cluster) roundTrip(ctx context.Context, r kafka.Request) (kafka.Response, error) {
	return c.transport.Load().RoundTrip(ctx, c.addr, r)
}

// run keeps what is known of the cluster fresh until ctx ends.
func (c *cluster) run(ctx context.Context) {
	tick := time.NewTicker(clusterTick)
	defer tick.Stop()
	var asked, checked time.Time
	for forced := false; ; {
		if c.reloadFiles(ctx) {
			asked = time.Time{}
		}
		if forced {
			asked = time.Now()
		}
		c.update(ctx, forced)
		if c.leaders.Load() != nil {
			c.firstProducer(ctx)
			if time.Since(checked) > topicCheckInterval {
				checked = time.Now()
				c.checkTopic(ctx)
			}
		}
		forced = c.worthAsking(time.Since(asked))
		// At most one refresh a tick, however many ask.
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case <-c.wanted:
			forced = true
		default:
		}
	}
}

// refreshSoon asks for fresh metadata.
func (c *cluster) refreshSoon() {
	select {
	case c.wanted <- struct{}{}:
	default:
	}
}

// reloadFiles makes new connections when a certificate, key or password has
// changed on disk, and tells whether it did. If the new ones are of no use the
// old ones stay.
func (c *cluster) reloadFiles(ctx context.Context) bool {
	if !c.files.changed() {
		return false
	}
	if err := c.connect(ctx); err != nil {
		c.pub.log.Error("cannot use changed credentials, going on with the old ones", "error", err)
		return false
	}
	c.pub.log.Info("credentials have changed, connecting anew")
	return true
}

// worthAsking tells whether the cluster should be asked again that gave no
// metadata some time ago. Where somebody has to mend something first, a wrong
// password above all, that is not each second: brokers lock users out.
func (c *cluster) worthAsking(ago time.Duration) bool {
	problem := c.reached()
	return problem != nil && (ago >= slowBackoff || !localKind(problem).slow)
}

// update asks for the topic's metadata: the cluster if forced, else what the
// client has.
func (c *cluster) update(ctx context.Context, forced bool) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if forced {
		c.refresh(ctx)
	}
	leaders, err := c.fetchLeaders(ctx)
	c.mu.Lock()
	c.problem = err
	c.mu.Unlock()
	if err != nil {
		c.pub.notices.warn("metadata", unreachedNotice, "no metadata of the topic, trying again",
			"topic", c.pub.cfg.Topic, "brokers", c.addr.String(), "error", err, "cure", metadataCure(err, c.pub.cfg.Topic))
		return
	}
	c.leaders.Store(&leaders)
	c.pub.adopt(len(leaders))
	c.pub.sender.poke()
}

// refresh makes the client fetch metadata anew. Creating no topics at all has
// that effect and keeps the connections; where it fails they are given up.
func (c *cluster) refresh(ctx context.Context) {
	if c.leaders.Load() != nil {
		response, err := c.client().CreateTopics(ctx, &kafka.CreateTopicsRequest{})
		if err == nil && len(response.Errors) == 0 {
			return
		}
	}
	c.transport.Load().CloseIdleConnections()
}

// fetchLeaders returns the leader of each of the topic's partitions.
func (c *cluster) fetchLeaders(ctx context.Context) ([]int32, error) {
	topic := c.pub.cfg.Topic
	meta, err := c.client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("publisher: metadata of topic %q: %w", topic, err)
	}
	if len(meta.Topics) != 1 {
		return nil, fmt.Errorf("publisher: metadata of topic %q: the answer has %d topics", topic, len(meta.Topics))
	}
	if err := meta.Topics[0].Error; err != nil {
		return nil, fmt.Errorf("publisher: metadata of topic %q: %w", topic, err)
	}
	partitions := meta.Topics[0].Partitions
	leaders := make([]int32, len(partitions))
	for i := range partitions {
		p := &partitions[i]
		if p.ID < 0 || p.ID >= len(leaders) {
			return nil, fmt.Errorf("publisher: metadata of topic %q: partition %d of %d", topic, p.ID, len(leaders))
		}
		leaders[p.ID] = -1
		if p.Leader.Host != "" {
			leaders[p.ID] = int32(p.Leader.ID)
		}
	}
	if len(leaders) == 0 {
		return nil, fmt.Errorf("publisher: metadata of topic %q: it has no partitions", topic)
	}
	return leaders, nil
}

// leader returns the broker that leads a partition.
func (c *cluster) leader(partition int32) (id int32, known bool) {
	leaders := c.leaders.Load()
	if leaders == nil || int(partition) >= len(*leaders) {
		return 0, false
	}
	id = (*leaders)[partition]
	return id, id >= 0
}

// lowerMessageLimit notes that the topic takes no batch larger than n bytes.
func (c *cluster) lowerMessageLimit(n int) {
	for {
		known := c.messageLimit.Load()
		if known > 0 && known <= int64(n) || c.messageLimit.CompareAndSwap(known, int64(n)) {
			return
		}
	}
}

// missing tells what stands between the publisher and its first delivery.
func (c *cluster) missing() []string {
	if c.leaders.Load() == nil {
		return []string{fmt.Sprintf("Kafka topic %q has not been reached: %v", c.pub.cfg.Topic, c.reached())}
	}
	if !c.producerReady() {
		return []string{"Kafka has given no producer id yet"}
	}
	return nil
}

// reached is why the topic's metadata could not be had when last asked for.
func (c *cluster) reached() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}

// producerReady tells whether batches may be sent as far as producer ids go.
func (c *cluster) producerReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.plain || c.producers.generation > 0
}

// idempotent tells whether brokers recognise repeated batches.
func (c *cluster) idempotent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.plain
}

// firstProducer gets the first producer id; failures are logged.
func (c *cluster) firstProducer(ctx context.Context) {
	if c.producerReady() {
		return
	}
	if _, err := c.producerAfter(ctx, 0); err != nil && !errors.Is(err, errNotIdempotent) {
		c.pub.notices.warn("producer_id", unreachedNotice, "Kafka gives no producer id, trying again",
			"error", err, "cure", failureProducerID.cure)
	}
	c.pub.sender.poke()
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
	if c.plain || c.producers.generation > known {
		return c.producers, c.plain, nil
	}
	if c.asking == nil {
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
		return c.producers, nil
	case refusesIdempotence(err) && !c.pub.cfg.IdempotentRequired:
		c.plain = true
		c.pub.log.Warn("Kafka refuses idempotent publishing: a batch repeated after a lost answer will be there twice",
			"error", err, "cure", "allow IDEMPOTENT_WRITE on the cluster")
		return producer{}, errNotIdempotent
	}
	return producer{}, err
}

// initProducerIDRequest is kafka-go's without the method that would have it
// sent to a transaction coordinator, which we do not need and may not ask.
type initProducerIDRequest initproducerid.Request

// ApiKey is part of protocol.Message.
func (*initProducerIDRequest) ApiKey() protocol.ApiKey { return protocol.InitProducerId } //nolint:revive // kafka-go's spelling

func (c *cluster) initProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	response, err := c.roundTrip(ctx, &initProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err != nil {
		return 0, 0, fmt.Errorf("publisher: producer id: %w", err)
	}
	answer, ok := response.(*initproducerid.Response)
	if !ok {
		return 0, 0, fmt.Errorf("publisher: producer id: unexpected answer %T", response)
	}
	if answer.ErrorCode != 0 {
		return 0, 0, fmt.Errorf("publisher: producer id: %w", kafka.Error(answer.ErrorCode))
	}
	return answer.ProducerID, answer.ProducerEpoch, nil
}

// refusesIdempotence tells whether the cluster will not give this user a
// producer id, now or later.
func refusesIdempotence(err error) bool {
	return slices.ContainsFunc([]kafka.Error{
		kafka.ClusterAuthorizationFailed, kafka.TransactionalIDAuthorizationFailed, kafka.UnsupportedVersion,
	}, func(code kafka.Error) bool { return errors.Is(err, code) })
}
