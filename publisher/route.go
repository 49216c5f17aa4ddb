package publisher

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/publisher/batch"
)

// Limits of Config.Routes.
const (
	// MaxRoutes bounds their number.
	MaxRoutes = 1024
	// MaxTopics bounds the number of all topics, Config.Topic among them.
	MaxTopics = 256
	// topicBytes is what the budget must have for each topic, so that the largest
	// packet can wait while the topic is missing; jsonTopicBytes with ValueJSON.
	topicBytes     = 1 << 20
	jsonTopicBytes = 4 << 20
)

// Route sends the flow records of some exporters to a topic of their own.
type Route struct {
	// Network holds the exporters' addresses. It has no bits beyond its length,
	// and is none of IPv4-mapped addresses: such exporters count as IPv4.
	Network netip.Prefix
	// Topic is as Config.Topic.
	Topic string
}

// topics lists the names of all topics, each once, Topic first.
func (c Config) topics() []string {
	names := []string{c.Topic}
	seen := map[string]bool{c.Topic: true}
	for _, r := range c.Routes {
		if !seen[r.Topic] {
			seen[r.Topic] = true
			names = append(names, r.Topic)
		}
	}
	return names
}

// LeastBufferBytes is the least that BufferBytes may be with the topics of c:
// MinBufferBytes, or 1 MiB for each topic if that is more; with ValueJSON twice as
// much, or 4 MiB for each topic.
func (c Config) LeastBufferBytes() int {
	if c.Value == ValueJSON {
		return max(2*MinBufferBytes, len(c.topics())*jsonTopicBytes)
	}
	return max(MinBufferBytes, len(c.topics())*topicBytes)
}

// usualRecords is how many records a packet of usual size has.
const usualRecords = 30

// packetBytes is the most that a packet of usual size takes in a batch.
func (c Config) packetBytes() int {
	e := batch.Encoder{Framing: batch.Framing{Value: c.Value}}
	return batch.Room(c.Compression, e.MaxSize(0, usualRecords))
}

func (c Config) validateRoutes() error {
	var errs []error
	if n := len(c.Routes); n > MaxRoutes {
		errs = append(errs, fmt.Errorf("publisher: there are %d routes: at most %d are possible", n, MaxRoutes))
	}
	if n := len(c.topics()); n > MaxTopics {
		errs = append(errs, fmt.Errorf("publisher: the routes and what they leave make %d topics: at most %d are possible", n, MaxTopics))
	}
	seen := make(map[netip.Prefix]bool)
	for _, r := range c.Routes {
		switch {
		case !r.Network.IsValid() || r.Network != r.Network.Masked() || r.Network.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("publisher: route %v to topic %q is not for a network: write it as 192.0.2.0/24=topic or 2001:db8::/32=topic", r.Network, r.Topic))
		case seen[r.Network]:
			errs = append(errs, fmt.Errorf("publisher: route %v is there twice: remove one", r.Network))
		}
		if !canBeTopic(r.Topic) {
			errs = append(errs, fmt.Errorf("publisher: route %v goes to topic %q, which cannot exist in Kafka: %s", r.Network, r.Topic, topicRule))
		}
		seen[r.Network] = true
	}
	return errors.Join(errs...)
}

// routes finds an exporter's topic: that of the longest network it is in. It is
// immutable, and knows ranges of addresses that do not overlap, so that a look-up
// is one search, however networks contain each other.
type routes struct {
	fallback *topic
	starts   []netip.Addr // sorted; a range ends where the next one starts
	targets  []*topic     // of the range that starts there
}

// newRoutes returns the routes between topics, the first of which gets what no
// route matches. The routes are valid.
func newRoutes(list []Route, topics []*topic) *routes {
	r := &routes{fallback: topics[0]}
	if len(list) == 0 {
		return r
	}
	byName := make(map[string]*topic)
	for _, t := range topics {
		byName[t.name] = t
	}
	r.starts = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	for _, route := range list {
		r.starts = append(r.starts, route.Network.Addr())
		if next := lastOf(route.Network).Next(); next.IsValid() {
			r.starts = append(r.starts, next)
		}
	}
	slices.SortFunc(r.starts, netip.Addr.Compare)
	r.starts = slices.Compact(r.starts)
	longestFirst := slices.SortedFunc(slices.Values(list), func(a, b Route) int { return b.Network.Bits() - a.Network.Bits() })
	for _, start := range r.starts {
		target := r.fallback
		if i := slices.IndexFunc(longestFirst, func(x Route) bool { return x.Network.Contains(start) }); i >= 0 {
			target = byName[longestFirst[i].Topic]
		}
		r.targets = append(r.targets, target)
	}
	return r
}

// lastOf returns the last address of a network.
func lastOf(n netip.Prefix) netip.Addr {
	b := n.Addr().AsSlice()
	for i := n.Bits(); i < n.Addr().BitLen(); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// topic returns where the flow records of an exporter go. It takes time by the
// logarithm of the number of routes, and allocates nothing.
func (r *routes) topic(exporter netip.Addr) *topic {
	if len(r.starts) == 0 {
		return r.fallback
	}
	i, found := slices.BinarySearchFunc(r.starts, exporter.Unmap().WithZone(""), netip.Addr.Compare)
	if !found {
		i--
	}
	return r.targets[i]
}
