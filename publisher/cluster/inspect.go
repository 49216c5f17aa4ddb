package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/flowpub/flowpub/internal/checkup"
	"github.com/flowpub/flowpub/internal/config/variable"
	"github.com/flowpub/flowpub/publisher/answers"
	"github.com/flowpub/flowpub/publisher/auth"
	"github.com/flowpub/flowpub/publisher/failure"
)

// Bounds of an inspection.
const (
	inspectTimeout  = 2 * time.Minute // for all of it
	lookupTimeout   = 5 * time.Second
	brokersTimeout  = 20 * time.Second
	inspectedBroker = 100 // brokers that are asked, beside those that are configured
)

// inspection checks a cluster once, and tells all that it learns.
type inspection struct {
	life        context.Context // ends with the last connection
	cfg         *Config
	tell        checkup.Tell
	credentials *auth.Credentials
	checker     *answers.Checker

	seen certificates

	link *link     // to the first broker that answered; nil without one
	top  *topology // what that said
}

// Inspect checks what publishing needs of the cluster: names, brokers, the login, topics,
// permissions, a producer id. judge tells what the settings of a topic come to. It sends
// no message, and ends within two minutes, or with ctx. It reports whether a broker could
// be asked.
func Inspect(ctx context.Context, cfg *Config, tell checkup.Tell, judge func(topic string, s *Settings)) (reached bool) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	i := &inspection{life: ctx, cfg: cfg, tell: tell, checker: cfg.checker(nil)}
	tokens := cfg.Auth.Tokens(ctx)
	if !i.load(tokens) || tokens != nil && !i.token(ctx, tokens) {
		return false
	}
	i.brokers(ctx)
	i.tellCertificates(time.Now())
	if i.link == nil {
		tell.Unknown("topics and permissions", "no broker could be asked", "mend what is not ok above")
		return false
	}
	defer i.link.close()
	i.topics(ctx, judge)
	i.permissions(ctx, mayWrite)
	i.producer(ctx)
	i.clock(ctx)
	return true
}

// InspectTopics checks the topics only, which must be readable, too. Call it after Inspect has
// reached a broker.
func InspectTopics(ctx context.Context, cfg *Config, tell checkup.Tell, judge func(topic string, s *Settings)) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	i := &inspection{life: ctx, cfg: cfg, tell: tell, checker: cfg.checker(nil)}
	if !i.load(cfg.Auth.Tokens(ctx)) {
		return
	}
	var links []*link
	for _, address := range cfg.Brokers {
		links = append(links, newLink(ctx, cfg, i.credentials, i.checker, address))
	}
	first := firstAnswer(ctx, cfg.allTopics(), links)
	if i.link, i.top = first.link, first.top; i.top == nil {
		tell.Unknown("topic "+strings.Join(cfg.Topics, ", "), failure.Sentence(first.err), failure.Of(first.err).Cure)
		i.link.close()
		return
	}
	defer i.link.close()
	i.topics(ctx, judge)
	i.permissions(ctx, mayWrite, mayRead)
}

// load reads the files of credentials, and reports whether they are of use.
func (i *inspection) load(tokens *auth.Tokens) bool {
	var err error
	if i.credentials, err = i.cfg.Auth.Load(tokens); err != nil {
		i.tell.Broken("credentials", err.Error(), "correct the files that the configuration names")
		return false
	}
	if i.credentials.TLS != nil {
		i.seen.watch(i.credentials.TLS)
	}
	return true
}

// token asks the endpoint for one, and reports whether it came.
func (i *inspection) token(ctx context.Context, tokens *auth.Tokens) bool {
	const what = "OAuth token endpoint"
	if err := tokens.Ask(ctx); err != nil {
		i.tell.Broken(what, failure.Sentence(err), failure.Of(err).Cure)
		return false
	}
	i.tell.OK(what, "it gives a token")
	return true
}

// brokers asks each that is configured, and then those that they tell of.
func (i *inspection) brokers(ctx context.Context) {
	configured := i.resolved(ctx)
	ctx, cancel := context.WithTimeout(ctx, brokersTimeout)
	defer cancel()
	refused := i.ask(ctx, configured, func(address string) string { return "broker " + address })
	if i.link != nil && !refused {
		var advertised []string
		ids := make(map[string]int32)
		for id, address := range i.top.brokers {
			if !slices.Contains(i.cfg.Brokers, address) {
				advertised, ids[address] = append(advertised, address), id
			}
		}
		slices.Sort(advertised)
		if more := len(advertised) - inspectedBroker; more > 0 {
			i.tell.Unknown("brokers", fmt.Sprintf("%d more are not asked", more), "")
			advertised = advertised[:inspectedBroker]
		}
		refused = i.ask(ctx, advertised, func(address string) string {
			return fmt.Sprintf("broker %d, which advertises %s", ids[address], address)
		})
	}
	if i.cfg.Auth.SASL != nil && i.link != nil && !refused {
		i.tell.OK("login", "brokers accept %s", i.cfg.Auth.SASL)
	}
}

// resolved looks up the names of the configured brokers, all at once, and returns the
// addresses of those that have one.
func (i *inspection) resolved(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	looked := make(map[string]*lookup)
	var looking sync.WaitGroup
	var found []string
	for _, host := range i.hosts() {
		l := new(lookup)
		looked[host] = l
		looking.Go(func() { l.ips, l.err = net.DefaultResolver.LookupNetIP(ctx, "ip", host) })
	}
	looking.Wait()
	for _, host := range i.hosts() {
		if err := looked[host].err; err != nil {
			i.tell.Broken("name "+host, err.Error(), failure.DNS.Cure)
		} else {
			i.tell.OK("name "+host, "%s", joined(looked[host].ips))
		}
	}
	for _, address := range i.cfg.Brokers {
		host, _, _ := net.SplitHostPort(address)
		if l := looked[host]; l == nil || l.err == nil {
			found = append(found, address)
		}
	}
	return found
}

// lookup is the result of looking up a name.
type lookup struct {
	ips []netip.Addr
	err error
}

// hosts are the configured brokers' hosts that are names, each once.
func (i *inspection) hosts() []string {
	var names []string
	for _, address := range i.cfg.Brokers {
		host, _, err := net.SplitHostPort(address)
		if _, isIP := netip.ParseAddr(host); err == nil && isIP != nil && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	return names
}

// joined lists addresses, each once.
func joined(ips []netip.Addr) string {
	var texts []string
	for _, ip := range ips {
		if text := ip.Unmap().String(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ", ")
}

// loginPatience is how long a login is waited for before the next broker gets one, too.
const loginPatience = 5 * time.Second

// ask asks brokers, the next one without waiting long, and tells what each says. It
// reports whether one refused the login: then no other is asked, so that nobody is locked
// out. name is what a broker at an address is called.
func (i *inspection) ask(ctx context.Context, addresses []string, name func(address string) string) (refused bool) {
	come := make([]linkAnswer, len(addresses))
	var denied atomic.Bool
	var asking sync.WaitGroup
	ended := make(chan struct{}, len(addresses))
	wait := linkPatience
	if i.credentials.SASL != nil {
		wait = loginPatience
	}
	for n, address := range addresses {
		if denied.Load() || ctx.Err() != nil {
			break
		}
		l := newLink(i.life, i.cfg, i.credentials, i.checker, address) //nolint:contextcheck // it is used when asking has ended
		come[n].link = l
		asking.Go(func() {
			come[n].top, come[n].err = l.ask(ctx, i.cfg.allTopics())
			if err := come[n].err; err != nil && failure.Of(err).Identity {
				denied.Store(true)
			}
			ended <- struct{}{}
		})
		patience := time.NewTimer(wait)
		select {
		case <-ended:
		case <-patience.C:
		case <-ctx.Done():
		}
		patience.Stop()
	}
	asking.Wait()
	for n, address := range addresses {
		i.judge(name(address), address, &come[n], denied.Load())
	}
	return denied.Load()
}

// judge tells the result of asking a broker, and keeps the first link that works.
func (i *inspection) judge(what, address string, a *linkAnswer, refused bool) {
	switch {
	case a.link == nil && refused:
		i.tell.Unknown(what, "not asked, since a login was refused", "")
	case a.link == nil:
		i.tell.Unknown(what, "not asked: there was no time left", "")
	case a.err == nil:
		i.tell.OK(what, "it answers, and knows of %s", count(len(a.top.brokers), "broker"))
		if i.link == nil {
			i.link, i.top = a.link, a.top
			return
		}
	case failure.Of(a.err).Identity:
		i.tell.Broken("login at "+what, about(address, a.err), failure.Of(a.err).Cure)
	default:
		i.tell.Broken(what, about(address, a.err), failure.CureAt(i.cfg.Brokers, address, failure.Of(a.err)))
	}
	a.link.close()
}

// about is what an error says, to somebody who knows which broker it is about.
func about(address string, err error) string {
	return strings.TrimPrefix(failure.Sentence(err), "broker "+address+": ")
}

// count is a number with a noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// topics checks whether each topic is there, can be written to at present, and is set
// as it should be.
func (i *inspection) topics(ctx context.Context, judge func(topic string, s *Settings)) {
	names := i.cfg.allTopics()
	settings, err := i.link.settings(ctx, names)
	for n, name := range names {
		t := &i.top.topics[n]
		if t.err != nil {
			i.missing(ctx, name, t.err)
			continue
		}
		i.leaders("topic "+name, t.leaders)
		s := settings[name]
		if err != nil {
			s.Err = err
		}
		what := "settings of topic " + name
		if s.Err != nil {
			i.tell.Unknown(what, failure.Sentence(s.Err), "give this user DESCRIBE_CONFIGS on the topic to have them looked at")
			continue
		}
		i.tell.OK(what, "%s", s.text())
		if slices.Contains(i.cfg.Topics, name) {
			judge(name, &s)
		}
	}
}

// leaders checks whether all partitions of a topic can be written to.
func (i *inspection) leaders(what string, leaders []int32) {
	var without []string
	for n, leader := range leaders {
		if leader < 0 {
			without = append(without, strconv.Itoa(n))
		}
	}
	if without == nil {
		i.tell.OK(what, "%s, each with a leader", count(len(leaders), "partition"))
		return
	}
	const shown = 20
	list := strings.Join(without[:min(len(without), shown)], ", ")
	if len(without) > shown {
		list += " and more"
	}
	i.tell.Broken(what, fmt.Sprintf("%d of %s without a leader: %s", len(without), count(len(leaders), "partition"), list), failure.NoLeader.Cure)
}

// missing tells why a topic cannot be used, and whether it could be created if that is
// asked for.
func (i *inspection) missing(ctx context.Context, name string, err error) {
	what, brokers := "topic "+name, len(i.top.brokers)
	switch {
	case !errors.Is(err, kafka.UnknownTopicOrPartition):
		said := strings.TrimPrefix(failure.Sentence(err), fmt.Sprintf("metadata of topic %q: ", name))
		i.tell.Broken(what, said, failure.Of(err).Cure)
	case i.cfg.CreateTopic == (TopicShape{}):
		i.tell.Broken(what, "it does not exist", i.cfg.missingCure(name, brokers))
	default:
		request := i.cfg.creation([]string{name})
		request.ValidateOnly = true
		if err := i.link.create(ctx, request)[name]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			i.tell.Broken(what, "it does not exist and cannot be created: "+failure.Sentence(err), i.cfg.creationCure(err, name, brokers))
			return
		}
		shape, _ := i.cfg.CreateTopic.MarshalText()
		i.tell.OK(what, "it does not exist, and can be created as %s=%s asks for", variable.CreateTopic, shape)
	}
}

// producer checks whether brokers will recognise repeated batches.
func (i *inspection) producer(ctx context.Context) {
	const what = "idempotence"
	if !i.cfg.Idempotent {
		return
	}
	p := &producerIDs{cfg: i.cfg, do: func(ctx context.Context, r kafka.Request) (kafka.Response, error) {
		return i.link.RoundTrip(ctx, i.link.addr, r)
	}}
	_, _, err := p.request(ctx)
	switch {
	case err == nil:
		i.tell.OK(what, "Kafka gives a producer id: repeated batches are recognised")
	case refusesIdempotence(err) && !i.cfg.Required:
		i.tell.Risk(what, failure.Sentence(err)+": a batch repeated after a lost answer will be there twice", cureRefused)
	case refusesIdempotence(err):
		i.tell.Broken(what, failure.Sentence(err), cureRefused)
	default:
		i.tell.Broken(what, failure.Sentence(err), producerCure(err))
	}
}
