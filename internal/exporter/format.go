package exporter

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/encoder"
)

// Format is what an exporter speaks.
type Format uint8

// The formats.
const (
	NetFlow5 Format = iota
	NetFlow9
	IPFIX
	SFlow

	formatCount
)

// formatNames are what formats are called where they are chosen.
var formatNames = [formatCount]string{"v5", "v9", "ipfix", "sflow"}

// formatList are all names.
var formatList = strings.Join(formatNames[:], ", ")

// String returns the format's name.
func (f Format) String() string {
	if f < formatCount {
		return formatNames[f]
	}
	return fmt.Sprintf("format %d", uint8(f))
}

// allFormats stands for each of them, where formats are chosen.
const allFormats = "all"

// ParseFormats returns the formats whose names are in a list, separated by commas, or
// each format for "all".
func ParseFormats(list string) ([]Format, error) {
	var formats []Format
	for name := range strings.SplitSeq(list, ",") {
		if name == allFormats {
			for f := range formatCount {
				formats = append(formats, f)
			}
			continue
		}
		i := slices.Index(formatNames[:], strings.TrimPrefix(name, "netflow_"))
		if i < 0 {
			return nil, fmt.Errorf("give %s, several of them separated by commas, or %s", formatList, allFormats)
		}
		formats = append(formats, Format(i))
	}
	return formats, nil
}

// hasTemplates reports whether the format describes its records by templates.
func (f Format) hasTemplates() bool { return f == NetFlow9 || f == IPFIX }

// version is that of a format with templates.
func (f Format) version() encoder.Version {
	if f == IPFIX {
		return encoder.IPFIX
	}
	return encoder.NetFlow9
}

// maker makes the packets of one exporter in its format. It belongs to the
// goroutine that runs the generator.
type maker interface {
	// start sets the exporter's clock going: it has run since booted.
	start(booted time.Time)
	// announce makes the datagrams that are due before the next packet: templates
	// and options. They are valid until the next call.
	announce(now time.Time) []announcement
	// quiet is how many packets may follow until announce has to be asked again.
	quiet() int
	// packet writes the next packet into b, which has room for it. The first of its
	// flows has number flow.
	packet(b []byte, flow uint32, records int, now time.Time) []byte
	// skip numbers the next packet as packet does, and does not make it.
	skip(records int)
	// damage damages the packet that was made last, which has room for maxDamage
	// bytes more, and returns what is left of it and how many of its records can still be
	// read. The kinds of damage take turns with turn.
	damage(packet []byte, records int, turn uint32) (left []byte, readable int)
}

// announcement is a datagram without flows.
type announcement struct {
	payload []byte
	// losable: it repeats what is known, or is the first of its kind. One that changes a
	// template is not: a collector that misses it misreads what follows and cannot
	// know.
	losable bool
}

// formats make what exporters of each format need in common.
type formats struct {
	config  *Config
	traffic *traffic
	forms   map[Format]*forms
	flows   *flows // for sFlow
}

// newFormats makes what the formats of c need.
func newFormats(c *Config, t *traffic) *formats {
	f := &formats{config: c, traffic: t, forms: map[Format]*forms{}}
	for _, format := range c.Formats {
		if format == SFlow && f.flows == nil {
			f.flows = newFlows(t)
		}
		if format.hasTemplates() && f.forms[format] == nil {
			f.forms[format] = newForms(c, format.version(), t)
		}
	}
	return f
}

// maker makes that of exporter i.
func (f *formats) maker(i int, s *source) (maker, error) {
	switch {
	case s.format.hasTemplates():
		return newTemplated(f.config, s.first, f.traffic, f.forms[s.format]), nil
	case s.format == SFlow:
		return newSFlow(f.config, s.socket.source.Addr(), s.first, f.traffic, f.flows), nil
	default:
		return newNetflow5(f.config, i, s.first, f.traffic)
	}
}

// packetLen is how long the longest packet is in any format, when values of variable
// length have so many bytes.
func (f *formats) packetLen(records, variable int) int {
	longest := 0
	for _, format := range f.config.Formats {
		longest = max(longest, f.packetLenOf(format, records, variable))
	}
	return longest
}

func (f *formats) packetLenOf(format Format, records, variable int) int {
	switch {
	case format.hasTemplates():
		return f.forms[format].packetLen(records, variable)
	case format == SFlow:
		return sflowLen(records)
	default:
		return netflow5Len(records)
	}
}

// fit chooses how many flows a packet holds if nobody has, and refuses more than
// every format can.
func (f *formats) fit() error {
	if f.config.RecordsPerPacket == 0 {
		f.config.RecordsPerPacket = f.most(etherPayload, usualName)
	}
	return inRange("RecordsPerPacket", f.config.RecordsPerPacket, 1, f.most(maxPayload, longName))
}

// most is how many flows a packet of so many bytes holds in every format.
func (f *formats) most(octets, variable int) int {
	return sort.Search(MaxRecordsPerPacket, func(n int) bool { return f.packetLen(n+1, variable) > octets })
}
