package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/flowpub/flowpub/publisher"
)

// byDatagram follows the number of partitions where datagrams are divided one by one.
const byDatagram = "/datagram"

// spreads are networks of exporters that are spread over partitions.
type spreads []publisher.Spread

// UnmarshalText reads a comma-separated list of network=number.
func (s *spreads) UnmarshalText(text []byte) (err error) {
	*s, err = list(text, spread)
	return err
}

// spread reads one; how many partitions there may be is for the publisher to say.
func spread(entry string) (publisher.Spread, error) {
	cidr, share, _ := strings.Cut(entry, "=")
	number, datagrams := strings.CutSuffix(strings.TrimSpace(share), byDatagram)
	partitions, err := strconv.Atoi(number)
	if err != nil {
		return publisher.Spread{}, fmt.Errorf("%q is not network=number: write it as 192.0.2.1/32=4, or 192.0.2.1/32=4%s", entry, byDatagram)
	}
	prefix, err := network(strings.TrimSpace(cidr))
	if err != nil {
		return publisher.Spread{}, err
	}
	return publisher.Spread{Network: prefix, Partitions: partitions, Datagrams: datagrams}, nil
}
