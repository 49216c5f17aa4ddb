package ipfix

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// Lengths of headers, in bytes.
const (
	HeaderLen    = 16
	setHeaderLen = template.SetHeaderLen
)

// Offsets in a message's header, in bytes. All fields are big-endian.
const (
	offVersion       = 0  // 16 bits: 10
	offLength        = 2  // 16: of the message, in bytes
	offExportSeconds = 4  // 32: seconds since 1970-01-01 UTC
	offSequence      = 8  // 32: data records exported before this message
	offDomain        = 12 // 32: the observation domain
)

const version10 = 10

// Ids of sets of templates.
const (
	templatesID        = 2
	optionsTemplatesID = 3
)

// Decode replaces *p with the message in b, a UDP payload of any length that arrived
// from an address at the moment now, by the templates that r knows. r takes those
// that are in it, and r.Sets tells what became of each data set.
//
// It copies what it keeps of b, except for r.Missing. A message without records is a success
// if anything else in it could be read. Bytes behind the message's length are not
// read. Sets behind one with an impossible length are not either, but what comes before
// stays: decoder.AnomalyMalformedSet tells so.
//
// On error *p and r.Sets are empty; the error is decoder.ErrShort, decoder.ErrVersion or
// decoder.ErrNoRecords. The version is judged first.
func Decode(r *template.Reader, b []byte, from netip.AddrPort, now time.Duration, p *decoder.ExportPacket) error {
	if err := r.Judge(b, version10, HeaderLen, p); err != nil {
		return err
	}
	p.Header = decodeHeader((*[HeaderLen]byte)(b))
	r.Begin(p, from, len(b), now)
	length := int(binary.BigEndian.Uint16(b[offLength:]))
	r.Read(b[:max(HeaderLen, min(length, len(b)))], HeaderLen, templatesID, optionsTemplatesID)
	if length < HeaderLen || length > len(b) {
		r.Malformed()
	}
	return r.End()
}

func decodeHeader(b *[HeaderLen]byte) decoder.Header {
	return decoder.Header{
		Format:            decoder.FormatIPFIX,
		ObservationDomain: binary.BigEndian.Uint32(b[offDomain:]),
		ExportSeconds:     binary.BigEndian.Uint32(b[offExportSeconds:]),
		FlowSequence:      binary.BigEndian.Uint32(b[offSequence:]),
	}
}
