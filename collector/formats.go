package collector

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/listener"
)

// numFormats is how many formats there are, and slotOf the place of each among them: that in
// decoder.Formats.
const numFormats = 4

func slotOf(f decoder.Format) int {
	switch f {
	case decoder.FormatNetFlowV9:
		return 1
	case decoder.FormatIPFIX:
		return 2
	case decoder.FormatSFlowV5:
		return 3
	default:
		return 0
	}
}

// formatSet is a set of formats.
type formatSet uint8

// setOf returns the set of some formats, of all if there are none.
func setOf(formats []decoder.Format) (s formatSet) {
	if len(formats) == 0 {
		return 1<<numFormats - 1
	}
	for _, f := range formats {
		s |= 1 << slotOf(f)
	}
	return s
}

func (s formatSet) has(f decoder.Format) bool { return s>>slotOf(f)&1 != 0 }

// haveTemplates reports whether any of the formats has templates.
func (s formatSet) haveTemplates() bool {
	return slices.ContainsFunc(decoder.Formats(), func(f decoder.Format) bool { return s.has(f) && f.HasTemplates() })
}

// versionLen is the length of the version that begins a datagram of NetFlow or
// IPFIX, sflowVersionLen that of sFlow.
const (
	versionLen      = 2
	sflowVersionLen = 4
)

// formatOf returns the format that a datagram begins like, and whether there is one. All
// formats arrive on the same ports.
func formatOf(b []byte) (decoder.Format, bool) {
	if len(b) < versionLen {
		return decoder.FormatUnspecified, false
	}
	switch binary.BigEndian.Uint16(b) {
	case 5:
		return decoder.FormatNetFlowV5, true
	case 9:
		return decoder.FormatNetFlowV9, true
	case 10:
		return decoder.FormatIPFIX, true
	case 0:
		return decoder.FormatSFlowV5, len(b) >= sflowVersionLen && binary.BigEndian.Uint32(b) == 5
	default:
		return decoder.FormatUnspecified, false
	}
}

// decode decodes a datagram, which arrived at the moment now, into in.packet. This is
// the one place that chooses a decoder. On error it is one of decoder's.
func (in *intake) decode(d *listener.Datagram, now time.Duration) (decoder.Format, error) {
	f, known := formatOf(d.Payload)
	if !known || !in.formats.has(f) {
		if len(d.Payload) < versionLen {
			return f, decoder.ErrShort
		}
		return f, decoder.ErrVersion
	}
	switch f {
	case decoder.FormatNetFlowV9:
		return f, netflow9.Decode(in.reader, d.Payload, d.From, now, &in.packet)
	case decoder.FormatIPFIX:
		return f, ipfix.Decode(in.reader, d.Payload, d.From, now, &in.packet)
	case decoder.FormatSFlowV5:
		return f, sflow.Decode(d.Payload, &in.packet, &in.samples)
	default:
		return f, netflow5.Decode(d.Payload, &in.packet)
	}
}
