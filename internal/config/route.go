package config

import (
	"fmt"
	"strings"

	"github.com/flowpub/flowpub/publisher"
)

// routes are networks of exporters with the topic of each.
type routes []publisher.Route

// UnmarshalText reads a comma-separated list of network=topic.
func (r *routes) UnmarshalText(text []byte) (err error) {
	*r, err = list(text, route)
	return err
}

// route reads one; what a topic may be called is for the publisher to say.
func route(entry string) (publisher.Route, error) {
	cidr, topic, found := strings.Cut(entry, "=")
	if !found || strings.Contains(topic, "=") {
		return publisher.Route{}, fmt.Errorf("%q is not network=topic: write it as 192.0.2.0/24=topic", entry)
	}
	prefix, err := network(strings.TrimSpace(cidr))
	if err != nil {
		return publisher.Route{}, err
	}
	return publisher.Route{Network: prefix, Topic: strings.TrimSpace(topic)}, nil
}
