package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/secretfile"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
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

// Cluster is what the publisher knows of the Kafka cluster, and its way there: the
// connections, the brokers, the producer id. It is safe for concurrent use.
type Cluster struct {
	cfg       Config
	observer  Observer
	life      context.Context      // ends with the last connection
	link      atomic.Pointer[link] // nil until a broker has answered
	checker   *answers.Checker
	throttles throttles
	producers *producerIDs
	working   sync.WaitGroup // what Run has begun

	// files are what credentials are read from. tokens, when not nil, is where OAuth
	// tokens come from; renewing: one is being asked for; renewed has a signal when
	// one has come.
	files    *secretfile.Watch
	tokens   *auth.Tokens
	renewing atomic.Bool
	renewed  chan struct{}
	// Of the goroutine of Run only: the number of the token for which there is a
	// link, or will be; what new links need, and whether one is needed; the topics
	// that were ever reached, with when their settings are looked at next.
	linked      int
	credentials *auth.Credentials
	lost        bool
	creator     *creator
	nextCheck   map[string]time.Time

	// brokers are the addresses of all brokers, by id, as the cluster last told
	// them; nil until it has.
	brokers atomic.Pointer[map[int32]string]

	wanted chan struct{} // asks for new metadata soon

	mu      sync.Mutex
	problem error // why a topic's metadata could not be had
}

// New reads the files that the configuration names; the error is about them.
// Connections end with life at the latest.
func New(life context.Context, cfg *Config, observer Observer) (*Cluster, error) {
	c := &Cluster{
		cfg:       *cfg,
		observer:  observer,
		life:      life,
		files:     secretfile.NewWatch(cfg.Auth.Files()), // before they are read
		tokens:    cfg.Auth.Tokens(life),
		lost:      true,
		nextCheck: make(map[string]time.Time),
		wanted:    make(chan struct{}, 1),
		renewed:   make(chan struct{}, 1),
		linked:    1, // the first link asks for the first token
	}
	c.checker = cfg.checker(c.throttled)
	c.producers = &producerIDs{cfg: &c.cfg, do: c.Do, plain: !cfg.Idempotent}
	c.creator = &creator{cfg: &c.cfg, refusals: make(map[string]error)}
	var err error
	if c.credentials, err = cfg.Auth.Load(c.tokens); err != nil {
		return nil, err
	}
	return c, nil
}

// Do sends a request to the broker it is meant for. There must have been an answer
// before: only then is it known who that is.
func (c *Cluster) Do(ctx context.Context, r kafka.Request) (kafka.Response, error) {
	for {
		l := c.link.Load()
		response, err := l.RoundTrip(ctx, l.addr, r)
		if !errors.Is(err, errLinkClosed) || l == c.link.Load() {
			return response, err
		}
	}
}

// RoundTrip is Do, as part of kafka.RoundTripper. It ignores the address.
func (c *Cluster) RoundTrip(ctx context.Context, _ net.Addr, r kafka.Request) (kafka.Response, error) {
	return c.Do(ctx, r)
}

// Discreet keeps secrets out of an error that a broker's answer tells.
func (c *Cluster) Discreet(err error) error { return c.link.Load().secret.Discreet(err) }

// Close gives up the connections. Run must have ended.
func (c *Cluster) Close() { c.link.Load().close() }

// Run keeps what is known of the cluster fresh until ctx ends.
func (c *Cluster) Run(ctx context.Context) {
	defer c.working.Wait()
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
			if c.producers.first(ctx) {
				c.observer.Ready()
			}
			c.producers.retry(ctx)
			c.checkTopics(ctx)
		}
		forced = c.worthAsking(time.Since(asked))
		if c.producers.unhelpful.Swap(false) {
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

// Refresh asks for fresh metadata soon.
func (c *Cluster) Refresh() {
	signal(c.wanted)
}

// reloadFiles asks for a new link when a certificate, key or password has changed on disk, and
// reports whether one has. If the new files cannot be used the old link stays.
func (c *Cluster) reloadFiles() bool {
	if !c.files.Changed() {
		return false
	}
	secret, err := c.cfg.Auth.Load(c.tokens)
	if err != nil {
		c.cfg.Log.Error("cannot use changed credentials, going on with the old ones", "error", err)
		return false
	}
	c.cfg.Log.Info("credentials have changed, connecting anew")
	c.credentials, c.lost = secret, true
	return true
}

// renewToken asks for the next OAuth token when it is time, in a goroutine of its own.
func (c *Cluster) renewToken(ctx context.Context) {
	if c.tokens == nil || !c.tokens.Due() || c.renewing.Swap(true) {
		return
	}
	c.working.Go(func() {
		defer c.renewing.Store(false)
		err := c.tokens.Ask(ctx)
		switch {
		case err == nil:
			signal(c.renewed)
		case ctx.Err() == nil:
			c.cfg.Notices.Warn("oauth_token", "no new OAuth token, going on with the old one while it lasts",
				"error", failure.Sentence(err), "cure", failure.Of(err).Cure)
		}
	})
}

// followToken asks for a new link when there is another OAuth token, whoever got it, and reports
// whether there is: brokers may cut off connections whose token has expired.
func (c *Cluster) followToken() bool {
	if c.tokens == nil {
		return false
	}
	newest := c.tokens.Newest()
	if newest <= c.linked {
		return false
	}
	c.cfg.Log.Debug("there is a new OAuth token, connecting anew")
	c.credentials.Admit()
	c.linked, c.lost = newest, true
	return true
}

// worthAsking reports whether to ask the cluster again after an attempt without metadata. Where
// somebody has to mend something first, such as a wrong password, it is not asked each second:
// brokers lock users out.
func (c *Cluster) worthAsking(ago time.Duration) bool {
	problem := c.Problem()
	if problem == nil || c.credentials.Refused() != nil {
		return false
	}
	return ago >= failure.SlowPause || !failure.Of(problem).Slow
}

// update asks for the topics' metadata, the cluster if forced, else what the
// client has, and reports whether it came.
func (c *Cluster) update(ctx context.Context, forced bool) bool {
	top, err := c.ask(ctx, forced)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		c.note(err)
		c.observer.Unreached(err)
		c.cfg.Notices.Warn("metadata", "no metadata of the topics, trying again",
			"topic", c.cfg.Topics[0], "brokers", strings.Join(c.cfg.Brokers, ","),
			"error", failure.Sentence(err), "cure", failure.Of(err).Cure)
		return false
	}
	c.brokers.Store(&top.brokers)
	var problem error
	names := c.cfg.allTopics()
	for i, name := range names {
		c.tell(name, &top.topics[i], len(top.brokers))
		if i < len(c.cfg.Topics) {
			problem = urgent(problem, top.topics[i].err)
		}
	}
	c.note(problem)
	c.create(ctx, missingOf(top, names), len(top.brokers))
	c.observer.Ready()
	return true
}

// create creates missing topics in a goroutine of its own: a controller that hangs must not hold
// up anything else.
func (c *Cluster) create(ctx context.Context, missing []string, brokers int) {
	if !c.creator.due(missing) {
		return
	}
	link := c.link.Load()
	c.working.Go(func() {
		c.creator.request(ctx, link, missing, brokers)
		c.Refresh()
	})
}

// tell tells the observer what the cluster says of a topic, and the cure if that is an error.
func (c *Cluster) tell(name string, m *topicMetadata, brokers int) {
	t := &Topic{Name: name, Leaders: m.leaders, Err: m.err}
	switch {
	case m.err == nil:
		if _, known := c.nextCheck[name]; !known {
			c.nextCheck[name] = time.Now()
		}
	case errors.Is(m.err, kafka.UnknownTopicOrPartition):
		t.Cure = c.cfg.missingCure(name, brokers)
		if refusal := c.creator.refusal(name); refusal != nil {
			t.Err = fmt.Errorf("%w: %w", m.err, refusal)
		}
	default:
		t.Cure = failure.Of(m.err).Cure
	}
	c.observer.Learn(t)
}

// signal puts a token into a channel that holds one.
func signal(tokens chan struct{}) {
	select {
	case tokens <- struct{}{}:
	default:
	}
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
	if a == nil || b != nil && failure.Of(a).Slow {
		return b
	}
	return a
}

func (c *Cluster) note(problem error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = problem
}

// ask returns the topics' metadata. As long as no broker answers, the link there
// was stays, for requests to brokers that it knows.
func (c *Cluster) ask(ctx context.Context, forced bool) (*topology, error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	topics := c.cfg.allTopics()
	if !c.lost && (!forced || c.link.Load().refresh(ctx)) {
		top, err := c.link.Load().ask(ctx, topics)
		c.lost = !answered(err)
		return top, err
	}
	if !forced {
		return nil, c.Problem()
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
func (c *Cluster) newLinks() []*link {
	addresses := slices.Clone(c.cfg.Brokers)
	if known := c.brokers.Load(); known != nil {
		addresses = slices.AppendSeq(addresses, maps.Values(*known))
	}
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	links := make([]*link, len(addresses))
	for i, address := range addresses {
		links[i] = newLink(c.life, &c.cfg, c.credentials, c.checker, address)
	}
	return links
}

// Address returns the address that the cluster told of a broker; empty when it is
// not known.
func (c *Cluster) Address(broker int32) string {
	return c.Addresses()[broker]
}

// Addresses returns the addresses that the cluster told of its brokers, by id. It is
// not to be changed.
func (c *Cluster) Addresses() map[int32]string {
	if known := c.brokers.Load(); known != nil {
		return *known
	}
	return nil
}

// Problem is why a topic's metadata could not be had when last asked for.
func (c *Cluster) Problem() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}
