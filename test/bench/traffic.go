package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/flowpub/flowpub/internal/exporter"
)

// traffic is what the exporters send: flows of IPv4, or of IPv6, that they make up;
// or a recording of NetFlow version 5, over and over.
type traffic struct {
	format    exporter.Format
	ipv6      bool
	recording string // file name
}

// ipv6Suffix follows a format's name, recordingPrefix comes before a file's.
const (
	ipv6Suffix      = "-ipv6"
	recordingPrefix = "file:"
)

func (t traffic) String() string {
	if t.recording != "" {
		return filepath.Base(t.recording)
	}
	if t.ipv6 {
		return t.format.String() + ipv6Suffix
	}
	return t.format.String()
}

func parseTraffic(text string) (t traffic, err error) {
	if file, ok := strings.CutPrefix(text, recordingPrefix); ok && file != "" {
		return traffic{format: exporter.NetFlow5, recording: file}, nil
	}
	name, ipv6 := strings.CutSuffix(text, ipv6Suffix)
	formats, err := exporter.ParseFormats(name)
	if err != nil || len(formats) != 1 || ipv6 && formats[0] == exporter.NetFlow5 {
		return t, fmt.Errorf("give v5, v9, ipfix or sflow, and %s behind all but v5 for flows of IPv6; or %sPATH, a recording of v5", ipv6Suffix, recordingPrefix)
	}
	return traffic{format: formats[0], ipv6: ipv6}, nil
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
