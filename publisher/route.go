package publisher

import (
	"errors"
	"fmt"
	"net/netip"

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
	e := batch.Encoder{Framing: c.framing()}
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
		case !isNetwork(r.Network):
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

// newRoutes returns the way to topics, the first of which gets what no route
// matches. The routes are valid.
func newRoutes(list []Route, topics []*topic) *networks[*topic] {
	byName := make(map[string]*topic)
	for _, t := range topics {
		byName[t.name] = t
	}
	all := make([]network[*topic], len(list))
	for i, r := range list {
		all[i] = network[*topic]{r.Network, byName[r.Topic]}
	}
	return newNetworks(topics[0], all)
}
