package netflow9

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// Lengths of headers, in bytes.
const (
	HeaderLen    = 20
	setHeaderLen = template.SetHeaderLen
)

// Offsets in a packet's header, in bytes. All fields are big-endian.
const (
	offVersion       = 0  // 16 bits: 9
	offCount         = 2  // 16: records of all kinds in the packet
	offSystemUptime  = 4  // 32: milliseconds since the exporter booted
	offExportSeconds = 8  // 32: seconds since 1970-01-01 UTC
	offSequence      = 12 // 32: packets exported before this one
	offSourceID      = 16 // 32: the observation domain
)

const version9 = 9

// Ids of FlowSets of templates.
const (
	templatesID        = 0
	optionsTemplatesID = 1
)

// Decode replaces *p with the export packet in b, a UDP payload of any length that arrived
// from an address at the moment now, by the templates that r knows. r takes those
// that are in it, and r.Sets tells what became of each data set.
//
// It copies what it keeps of b, except for r.Missing. A packet without records is
// a success if anything else in it could be read. The number of records that its header
// announces is not believed: real exporters count differently. FlowSets behind one
// with an impossible length are not read; decoder.AnomalyMalformedSet tells so.
//
// On error *p and r.Sets are empty; the error is decoder.ErrShort, decoder.ErrVersion or
// decoder.ErrNoRecords. The version is judged first.
func Decode(r *template.Reader, b []byte, from netip.AddrPort, now time.Duration, p *decoder.ExportPacket) error {
	if err := r.Judge(b, version9, HeaderLen, p); err != nil {
		return err
	}
	p.Header = decodeHeader((*[HeaderLen]byte)(b))
	r.Begin(p, from, len(b), now)
	r.Read(b, HeaderLen, templatesID, optionsTemplatesID)
	return r.End()
}

func decodeHeader(b *[HeaderLen]byte) decoder.Header {
	return decoder.Header{
		Format:            decoder.FormatNetFlowV9,
		Count:             uint32(binary.BigEndian.Uint16(b[offCount:])),
		ObservationDomain: binary.BigEndian.Uint32(b[offSourceID:]),
		HasUptime:         true,
		SystemUptime:      decoder.Uptime(binary.BigEndian.Uint32(b[offSystemUptime:])),
		ExportSeconds:     binary.BigEndian.Uint32(b[offExportSeconds:]),
		FlowSequence:      binary.BigEndian.Uint32(b[offSequence:]),
	}
}
