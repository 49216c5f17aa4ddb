package collector

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/listener"
)

// Format is an export format that a collector takes. All formats arrive on the
// same ports; the first bytes of a datagram tell which it is.
type Format uint8

// The formats.
const (
	NetFlowV5 Format = iota
	NetFlowV9
	IPFIX
	SFlow

	numFormats
)

// String returns the format's name, which metrics and the configuration use.
func (f Format) String() string {
	return [numFormats]string{"netflow_v5", "netflow_v9", "ipfix", "sflow"}[f]
}

// Formats returns all formats.
func Formats() []Format {
	all := make([]Format, numFormats)
	for i := range all {
		all[i] = Format(i)
	}
	return all
}

// ParseFormat reads the name of a format.
func ParseFormat(name string) (Format, error) {
	names := make([]string, numFormats)
	for i, f := range Formats() {
		if names[i] = f.String(); names[i] == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("%q is no format: write %s or %s", name,
		strings.Join(names[:numFormats-1], ", "), names[numFormats-1])
}

// formatSet is a set of formats.
type formatSet uint8

// setOf returns the set of some formats, of all if there are none.
func setOf(formats []Format) (s formatSet) {
	if len(formats) == 0 {
		return 1<<numFormats - 1
	}
	for _, f := range formats {
		s |= 1 << f
	}
	return s
}

func (s formatSet) has(f Format) bool { return s>>f&1 != 0 }

// useTemplates reports whether any of the formats has templates.
func (s formatSet) useTemplates() bool {
	return slices.ContainsFunc(Formats(), func(f Format) bool { return s.has(f) && f.usesTemplates() })
}

// versionLen is the length of the version that begins a datagram of NetFlow or
// IPFIX, sflowVersionLen that of sFlow.
const (
	versionLen      = 2
	sflowVersionLen = 4
)

// formatOf returns the format that a datagram begins like, and whether there is one.
func formatOf(b []byte) (Format, bool) {
	if len(b) < versionLen {
		return 0, false
	}
	switch binary.BigEndian.Uint16(b) {
	case 5:
		return NetFlowV5, true
	case 9:
		return NetFlowV9, true
	case 10:
		return IPFIX, true
	case 0:
		return SFlow, len(b) >= sflowVersionLen && binary.BigEndian.Uint32(b) == 5
	default:
		return 0, false
	}
}

// decode decodes a datagram, which arrived at the moment now, into in.packet. This is
// the one place that chooses a decoder. On error it is one of decoder's.
func (in *intake) decode(d *listener.Datagram, now time.Duration) (Format, error) {
	f, known := formatOf(d.Payload)
	if !known || !in.formats.has(f) {
		if len(d.Payload) < versionLen {
			return f, decoder.ErrShort
		}
		return f, decoder.ErrVersion
	}
	switch f {
	case NetFlowV9:
		return f, netflow9.Decode(in.reader, d.Payload, d.From, now, &in.packet)
	case IPFIX:
		return f, ipfix.Decode(in.reader, d.Payload, d.From, now, &in.packet)
	case SFlow:
		return f, sflow.Decode(d.Payload, &in.packet, &in.samples)
	default:
		return f, netflow5.Decode(d.Payload, &in.packet)
	}
}

// formatIn returns the format of a header.
func formatIn(h *decoder.Header) Format {
	switch h.Format {
	case decoder.FormatNetFlowV9:
		return NetFlowV9
	case decoder.FormatIPFIX:
		return IPFIX
	case decoder.FormatSFlowV5:
		return SFlow
	default:
		return NetFlowV5
	}
}

// usesTemplates reports whether packets of a format are decoded by templates.
func (f Format) usesTemplates() bool { return f == NetFlowV9 || f == IPFIX }
