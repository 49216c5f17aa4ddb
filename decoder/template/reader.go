package template

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// Limits of a packet. A record of one byte must not make a datagram worth tens of
// thousands of records, each of which is published at many times its size.
const (
	maxRecords    = 4096
	fewRecords    = 32 // that a packet may have however short it is
	recordOctets  = 8  // that it must have for each more
	maxSpans      = maxElements + 1
	maxNormalized = lead + maxRecordLength + numberLength*maxFields
)

// DropReason says why a data set was not decoded, or not to its end.
type DropReason uint8

// The reasons.
const (
	// DropMalformed: its length, or that of a value in it, is impossible.
	DropMalformed DropReason = iota
	// DropLimit: its packet has more records than are taken of one.
	DropLimit

	NumDropReasons
)

// String returns the reason's name, which metrics use.
func (d DropReason) String() string {
	return [NumDropReasons]string{"malformed", "limit"}[d]
}

// Sets tells what became of a packet's sets. Of data sets, Received is the sum of Decoded,
// all of Dropped, and the length of Missing; those of options templates count, too.
type Sets struct {
	Received, Decoded uint32
	Dropped           [NumDropReasons]uint32
	// Missing are the data sets without a template. They refer to the datagram, and to
	// the reader, until the next packet.
	Missing []Set
	// Learned are the ids of the templates that the packet brought and that were
	// not known, or not so: sets may have waited for them. Valid as long as Missing.
	Learned []uint16
	// Options is the number of options records decoded, Refused that of templates not taken,
	// SamplingsRefused that of samplings that options told and there is no room for.
	Options, Refused, SamplingsRefused uint32
}

// Set is a data set whose template is not known.
type Set struct {
	// Template is the set's id, which is its template's.
	Template uint16
	// Offset is where the set's records begin in the datagram.
	Offset int
	// Records are the bytes of its records.
	Records []byte
}

// Reader reads the sets of packets, one packet after the other, by the templates in
// its table. It is for one goroutine; the table is for all. It allocates nothing once
// its buffers, and those of the packets, have grown.
type Reader struct {
	// Sets tells what became of the last packet's sets.
	Sets

	table *Table

	// Of the packet.
	packet  *decoder.ExportPacket
	header  *decoder.Header
	source  source
	now     time.Duration
	export  decoder.UnixNano
	boot    decoder.UnixNano // zero where the format does not say
	budget  int
	updates []update // not yet in the table
	// readable reports whether there was a set in which nothing was wrong.
	readable bool

	// Of the set.
	id             uint16
	state          *state
	shared         *state
	fallback       Sampling
	fallbackSource uint64
	setAnomalies   decoder.Anomalies

	// Of the last record that named a sampler.
	samplerState  *state
	samplerShared *state
	samplerID     uint64
	samplerKnown  bool
	samplerSource uint64
	sampler       Sampling

	// Of the record.
	found    decoder.Anomalies
	hit      Sampling
	slots    [slotRoom]uint64
	filled   *Plan // whose fields the slots hold
	walked   decoder.Anomalies
	normal   [maxNormalized]byte
	variable [maxSpans][]byte
}

// NewReader returns a reader of packets by the templates of t.
func NewReader(t *Table) *Reader { return &Reader{table: t} }

// Judge empties *p and r.Sets, and returns why the datagram b cannot be a packet of a version whose
// header has so many bytes: decoder.ErrVersion, which is judged first, or decoder.ErrShort.
func (r *Reader) Judge(b []byte, version uint16, headerLen int, p *decoder.ExportPacket) error {
	p.Reset()
	r.forget()
	switch {
	case len(b) >= 2 && binary.BigEndian.Uint16(b) != version:
		return decoder.ErrVersion
	case len(b) < headerLen:
		return decoder.ErrShort
	default:
		return nil
	}
}

// forget empties r.Sets.
func (r *Reader) forget() { r.Sets = Sets{Missing: r.Missing[:0], Learned: r.Learned[:0]} }

// Begin begins a packet that arrived from an address at the moment now, in a datagram
// of so many bytes. Its header is in p, which holds nothing else yet.
func (r *Reader) Begin(p *decoder.ExportPacket, from netip.AddrPort, octets int, now time.Duration) {
	r.forget()
	r.packet, r.header = p, &p.Header
	r.source.put(from, &p.Header)
	r.now, r.export, r.boot = now, p.ExportTime(), bootTime(&p.Header)
	r.budget = min(maxRecords, fewRecords+octets/recordOctets)
	r.updates = r.updates[:0]
	r.setAnomalies, r.readable = 0, false
}

// End ends the packet: what its options have told is in the table. If nothing in it could
// be read, it empties the packet and returns decoder.ErrNoRecords.
func (r *Reader) End() error {
	p := r.packet
	r.finish()
	if r.readable || len(p.Records) > 0 || len(r.Missing) > 0 || r.Options > 0 {
		return nil
	}
	p.Reset()
	r.forget()
	return decoder.ErrNoRecords
}

// finish has the table take what the packet's options have told, and lets go of the packet.
func (r *Reader) finish() {
	r.learnOptions()
	r.packet, r.header = nil, nil
}

// bootTime returns when the exporter of a header booted, zero where that does not say.
func bootTime(h *decoder.Header) decoder.UnixNano {
	if !h.HasUptime {
		return 0
	}
	return h.WallTime(0)
}

// SetHeaderLen is the length of a set's header, in bytes: its id and length.
const SetHeaderLen = 4

// Read reads the sets of the packet b from a place on. The format gives sets of templates, and of
// options templates, those ids. Zeros to the end are padding.
func (r *Reader) Read(b []byte, at int, templates, optionsTemplates uint16) {
	for at+SetHeaderLen <= len(b) {
		id, length := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		from, to := at+SetHeaderLen, at+length
		if length < SetHeaderLen || to > len(b) {
			r.broken(id, b[at:])
			return
		}
		switch {
		case id == templates || id == optionsTemplates:
			r.templates(id == optionsTemplates, b[from:to])
		case id >= firstID:
			r.data(id, b, from, to)
		}
		at = to
	}
}

// templates reads a set of templates or options templates. What of it cannot be read is
// counted by the table. Behind a malformed set nothing is read.
func (r *Reader) templates(options bool, set []byte) {
	if r.stopped() {
		return
	}
	d := Definition{Format: r.header.Format, Options: options}
	for {
		id, rest, found := d.split(set)
		switch found {
		case pieceTemplate:
			r.learn(id, d)
			r.readable = true // whatever is behind it: sets may have waited for it
		case pieceWithdrawal:
			r.table.counters.withdrawals.Add(1)
			r.readable = true
		case pieceUnusable:
			r.table.counters.refused[RefuseInvalid].Add(1)
			r.Refused++
		case pieceCut:
			r.table.counters.refused[RefuseMalformed].Add(1)
			r.Refused++
			r.Malformed()
			return
		default:
			r.readable = true
			return
		}
		set = rest
	}
}

// learn takes a template into the table.
func (r *Reader) learn(id uint16, d Definition) {
	changed, taken := r.table.learn(r.source, id, d, lesson{now: r.now, boot: r.boot, export: r.export})
	if changed {
		r.Learned = append(r.Learned, id)
	}
	if !taken {
		r.Refused++
	}
}

// Malformed notes that the rest of the packet cannot be read.
func (r *Reader) Malformed() {
	r.packet.Anomalies |= decoder.AnomalyMalformedSet
	r.header.SequenceUnknown = true
}

// stopped reports whether there was a malformed set.
func (r *Reader) stopped() bool { return r.packet.Anomalies&decoder.AnomalyMalformedSet != 0 }

// broken notes that the set at the beginning of b, the rest of the packet, has
// an impossible length: the rest cannot be read. If it is all zeros, it is padding.
func (r *Reader) broken(id uint16, b []byte) {
	if allZero(b) {
		return
	}
	if id >= firstID {
		r.Received++
		r.drop(DropMalformed)
	}
	r.Malformed()
}

// malformedSet notes that the records of a set end in the middle of one. It
// returns false.
func (r *Reader) malformedSet() bool {
	r.drop(DropMalformed)
	r.Malformed()
	return false
}

func (r *Reader) drop(reason DropReason) {
	r.Dropped[reason]++
	r.header.SequenceUnknown = true
}

// data reads the data set whose records are datagram[from:to], behind the headers. Behind a
// malformed set it is dropped.
func (r *Reader) data(id uint16, datagram []byte, from, to int) {
	r.Received++
	if r.stopped() {
		r.drop(DropMalformed)
		return
	}
	r.learnOptions()
	b, found := r.table.find(r.source, id, use{now: r.now, boot: r.boot, records: datagram[from:to]})
	if !found {
		r.header.SequenceUnknown = true
		r.Missing = append(r.Missing, Set{Template: id, Offset: from, Records: datagram[from:to]})
		return
	}
	r.set(id, &b, datagram, from, to)
}

// set decodes a data set by what was found for it.
func (r *Reader) set(id uint16, b *binding, datagram []byte, from, to int) {
	p := b.plan
	if p.definition.Options {
		if r.options(p, datagram[from:to]) {
			r.Decoded++
			r.readable = true
		}
		return
	}
	r.id, r.state, r.shared = id, b.state, b.shared
	r.fallback, r.fallbackSource = b.sampling(id)
	if b.provisional {
		r.setAnomalies |= decoder.AnomalyTemplateProvisional
	}
	if r.filled != p {
		r.filled, r.slots = p, [slotRoom]uint64{}
	}
	var whole bool
	if p.variable {
		whole = r.variableRecords(p, datagram[from:to])
	} else {
		whole = r.fixedRecords(p, datagram, from, to)
	}
	if b.provisional {
		r.setAnomalies &^= decoder.AnomalyTemplateProvisional
	}
	if whole {
		r.Decoded++
		r.readable = true
	}
}

// fixedRecords decodes the records of a template without variable lengths, and reports
// whether it could all of them. What is left behind the last is padding.
func (r *Reader) fixedRecords(p *Plan, datagram []byte, from, to int) bool {
	n := (to - from) / p.minimum
	whole := n <= r.budget
	if !whole {
		n = r.budget
		r.drop(DropLimit)
	}
	records, extensions := r.grow(n)
	for i := range records {
		r.record(p, datagram[from-lead:from+p.minimum], &records[i], &extensions[i])
		from += p.minimum
	}
	r.booked(n)
	return whole
}

// variableRecords is fixedRecords for a template with variable lengths.
func (r *Reader) variableRecords(p *Plan, b []byte) bool {
	for len(b) >= p.minimum {
		if r.budget == 0 {
			r.drop(DropLimit)
			return false
		}
		n := r.walk(p, b)
		if n < 0 {
			return r.malformedSet()
		}
		b = b[n:]
		records, extensions := r.grow(1)
		r.record(p, r.normal[:], &records[0], &extensions[0])
		records[0].Anomalies |= r.walked
		r.booked(1)
	}
	return true
}

// booked counts records.
func (r *Reader) booked(n int) {
	r.budget -= n
	r.header.DataRecords += uint32(n)
}

// grow adds n records to the packet and returns them; they hold old values.
func (r *Reader) grow(n int) ([]decoder.Record, []decoder.Extension) {
	p, have := r.packet, len(r.packet.Records)
	p.Records = slices.Grow(p.Records, n)[:have+n]
	p.Extensions = slices.Grow(p.Extensions, n)[:have+n]
	return p.Records[have:], p.Extensions[have:]
}

// learnOptions puts what options have told into the table.
func (r *Reader) learnOptions() {
	if len(r.updates) > 0 {
		left := r.table.learnOptions(r.source, r.updates, lesson{now: r.now, boot: r.boot, export: r.export})
		r.SamplingsRefused += uint32(left)
		r.updates = r.updates[:0]
	}
}
