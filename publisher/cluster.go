package publisher

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
)

// Times of the client.
const (
	dialTimeout    = 10 * time.Second
	idleTimeout    = 4 * time.Minute // brokers close connections after 10
	controlTimeout = 10 * time.Second
	refreshTimeout = 2 * time.Second
	linkPatience   = 300 * time.Millisecond
	metadataTTL    = 10 * time.Second
	clusterTick    = time.Second
)

// cluster is what the publisher knows of the Kafka cluster: the connections, the
// brokers, the producer id. It is safe for concurrent use.
type cluster struct {
	pub   *Publisher
	link  atomic.Pointer[link] // nil until a broker has answered
	files *secretfile.Watch
	// checker checks what brokers answer.
	checker *answers.Checker
	// tokens, when not nil, is where OAuth tokens come from; renewing tells that one
	// is being asked for, and renewed has a signal when one has come.
	tokens   *auth.Tokens
	renewing atomic.Bool
	renewed  chan struct{}
	linked   int // the number of the token for which there is a link, or will be
	// Of the goroutine that runs it only: what new links need, and whether one is
	// needed.
	credentials *auth.Credentials
	lost        bool
	creator     creator

	// brokers are the addresses of all brokers, by id, as the cluster last told
	// them; nil until it has.
	brokers atomic.Pointer[map[int32]string]

	wanted chan struct{} // asks for new metadata soon

	// unhelpful: the broker of the link gave no producer id.
	unhelpful atomic.Bool

	mu        sync.Mutex
	problem   error // why a topic's metadata could not be had
	producers producer
	asking    chan struct{} // closed when the request for a producer id ends
	plain     bool          // goes without idempotence
	retried   time.Time     // when a producer id was last asked for without idempotence
}

// newCluster reads the files that the configuration names; the error is about
// them.
func newCluster(p *Publisher) (*cluster, error) {
	watch := secretfile.NewWatch(p.cfg.auth().Files()) // before they are read
	tokens := p.cfg.auth().Tokens(p.ctx)
	secret, err := p.cfg.auth().Load(tokens)
	if err != nil {
		return nil, err
	}
	return &cluster{
		pub:         p,
		checker:     p.newChecker(),
		tokens:      tokens,
		creator:     creator{pub: p, refusals: make(map[string]error)},
		credentials: secret,
		lost:        true,
		files:       watch,
		wanted:      make(chan struct{}, 1),
		renewed:     make(chan struct{}, 1),
		linked:      1, // the first link asks for the first token
		plain:       !p.cfg.Idempotent,
	}, nil
}

// roundTrip sends a request to the broker it is meant for, over the newest link.
func (c *cluster) roundTrip(ctx context.Context, r kafka.Request) (kafka.Response, error) {
	for {
		l := c.link.Load()
		response, err := l.RoundTrip(ctx, l.addr, r)
		if !errors.Is(err, errLinkClosed) || l == c.link.Load() {
			return response, err
		}
	}
}

// discreet keeps secrets out of an error that a broker's answer tells.
func (c *cluster) discreet(err error) error { return c.link.Load().secret.Discreet(err) }

// run keeps what is known of the cluster fresh until ctx ends.
func (c *cluster) run(ctx context.Context) {
	tick := time.NewTicker(clusterTick)
	defer tick.Stop()
	var asked time.Time
	for forced := true; ; {
		forced = c.reloadFiles() || c.followToken() || forced
		c.renewToken(ctx)
		if forced {
			asked = time.Now()
		}
		if c.update(ctx, forced) {
			c.firstProducer(ctx)
			c.retryIdempotence(ctx)
			c.checkTopics(ctx)
		}
		forced = c.worthAsking(time.Since(asked))
		if c.unhelpful.Swap(false) {
			c.lost, forced = true, true // another broker may
		}
		// At most one refresh a tick, however many ask.
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.renewed:
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

// reloadFiles has a new link made when a certificate, key or password has
// changed on disk, and tells whether it did. If the new ones are of no use the
// old link stays.
func (c *cluster) reloadFiles() bool {
	if !c.files.Changed() {
		return false
	}
	secret, err := c.pub.cfg.auth().Load(c.tokens)
	if err != nil {
		c.pub.log.Error("cannot use changed credentials, going on with the old ones", "error", err)
		return false
	}
	c.pub.log.Info("credentials have changed, connecting anew")
	c.credentials, c.lost = secret, true
	return true
}

// renewToken has the next OAuth token asked for when it is time, beside everything
// else.
func (c *cluster) renewToken(ctx context.Context) {
	if c.tokens == nil || !c.tokens.Due() || c.renewing.Swap(true) {
		return
	}
	c.pub.working.Go(func() {
		defer c.renewing.Store(false)
		err := c.tokens.Ask(ctx)
		switch {
		case err == nil:
			signal(c.renewed)
		case ctx.Err() == nil:
			c.pub.notices.Warn("oauth_token", "no new OAuth token, going on with the old one while it lasts",
				"error", sentence(err), "cure", localKind(err).cure)
		}
	})
}

// followToken has a new link made when there is another OAuth token, whoever asked
// for it, and tells whether there is: brokers may cut off connections whose token
// has expired.
func (c *cluster) followToken() bool {
	if c.tokens == nil {
		return false
	}
	newest := c.tokens.Newest()
	if newest <= c.linked {
		return false
	}
	c.pub.log.Debug("there is a new OAuth token, connecting anew")
	c.credentials.Admit()
	c.linked, c.lost = newest, true
	return true
}

// worthAsking tells whether the cluster should be asked again that gave no
// metadata some time ago. Where somebody has to mend something first, a wrong
// password above all, that is not each second: brokers lock users out.
func (c *cluster) worthAsking(ago time.Duration) bool {
	problem := c.reached()
	if problem == nil || c.credentials.Refused() != nil {
		return false
	}
	return ago >= slowBackoff || !localKind(problem).slow
}

// update asks for the topics' metadata, the cluster if forced, else what the
// client has, and tells whether it came.
func (c *cluster) update(ctx context.Context, forced bool) bool {
	top, err := c.ask(ctx, forced)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		c.note(err)
		for _, t := range c.pub.topics {
			t.unreached(err)
		}
		c.pub.notices.Warn("metadata", "no metadata of the topics, trying again",
			"topic", c.pub.cfg.Topic, "brokers", strings.Join(c.pub.cfg.Brokers, ","),
			"error", sentence(err), "cure", localKind(err).cure)
		return false
	}
	c.brokers.Store(&top.brokers)
	var problem error
	for i, t := range c.pub.topics {
		t.learn(&top.topics[i], len(top.brokers))
		problem = urgent(problem, top.topics[i].err)
	}
	c.note(problem)
	if c.pub.letters != nil { // its topic is the last
		c.pub.letters.learn(&top.topics[len(c.pub.topics)], len(top.brokers))
	}
	c.creator.create(ctx, c.link.Load(), missingOf(top, c.pub.cfg.allTopics()), len(top.brokers))
	c.pub.sender.poke()
	return true
}

// missingOf lists the topics, by the names they were asked for, that the cluster
// does not know.
func missingOf(top *topology, names []string) []string {
	var missing []string
	for i, name := range names {
		if errors.Is(top.topics[i].err, kafka.UnknownTopicOrPartition) {
			missing = append(missing, name)
		}
	}
	return missing
}

// urgent returns that of two problems after which the cluster is to be asked
// again the sooner.
func urgent(a, b error) error {
	if a == nil || b != nil && localKind(a).slow {
		return b
	}
	return a
}

func (c *cluster) note(problem error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = problem
}

// ask returns the topics' metadata. As long as no broker answers, the link there
// was stays, for requests to brokers that it knows.
func (c *cluster) ask(ctx context.Context, forced bool) (*topology, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	topics := c.pub.cfg.allTopics()
	if !c.lost && (!forced || c.link.Load().refresh(ctx)) {
		top, err := c.link.Load().ask(ctx, topics)
		c.lost = !answered(err)
		return top, err
	}
	if !forced {
		return nil, c.reached()
	}
	first := firstAnswer(ctx, topics, c.newLinks())
	c.lost = first.link == nil
	if !c.lost {
		c.link.Swap(first.link).close()
	}
	return first.top, first.err
}

// newLinks returns a new link to each broker that was named or learned of, in
// no order.
func (c *cluster) newLinks() []*link {
	addresses := slices.Clone(c.pub.cfg.Brokers)
	if known := c.brokers.Load(); known != nil {
		addresses = slices.AppendSeq(addresses, maps.Values(*known))
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	links := make([]*link, len(addresses))
	for i, address := range addresses {
		links[i] = newLink(c.pub.ctx, &c.pub.cfg, c.credentials, c.checker, address)
	}
	return links
}

// learned returns the address that the cluster told of a broker; empty when it is
// not known.
func (c *cluster) learned(broker int32) string {
	known := c.brokers.Load()
	if known == nil {
		return ""
	}
	return (*known)[broker]
}

// reached is why a topic's metadata could not be had when last asked for.
func (c *cluster) reached() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}
