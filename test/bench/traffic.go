package main

import (
	"fmt"
	"strings"

	"github.com/flowpub/flowpub/internal/exporter"
)

// traffic is what the exporters send: flows of IPv4, or of IPv6.
type traffic struct {
	format exporter.Format
	ipv6   bool
}

// ipv6Suffix follows a format's name.
const ipv6Suffix = "-ipv6"

func (t traffic) String() string {
	if t.ipv6 {
		return t.format.String() + ipv6Suffix
	}
	return t.format.String()
}

func parseTraffic(text string) (t traffic, err error) {
	name, ipv6 := strings.CutSuffix(text, ipv6Suffix)
	formats, err := exporter.ParseFormats(name)
	if err != nil || len(formats) != 1 || ipv6 && formats[0] == exporter.NetFlow5 {
		return t, fmt.Errorf("give v5, v9, ipfix or sflow, and %s behind all but v5 for flows of IPv6", ipv6Suffix)
	}
	return traffic{formats[0], ipv6}, nil
}

// samplingInterval is what exporters with templates tell in options: a record of theirs has 23
// fields with that of its sampler.
const samplingInterval = 100

// configure makes exporters send the traffic.
func (t traffic) configure(c *exporter.Config) {
	c.Formats = []exporter.Format{t.format}
	if t.format != exporter.NetFlow5 {
		c.SamplingInterval = samplingInterval
	}
	if t.ipv6 {
		c.IPv6Share = 1
	}
}
