package encoder

import (
	"encoding/binary"
	"time"
)

// Version is that of a format with templates.
type Version uint16

// The versions.
const (
	NetFlow9 Version = 9
	IPFIX    Version = 10
)

// Lengths in bytes.
const (
	header9Len   = 20
	header10Len  = 16
	setHeaderLen = 4
	// setAlignment is what sets of version 9 are padded to.
	setAlignment = 4
)

// HeaderLen is how long a packet's header is.
func (v Version) HeaderLen() int {
	if v == IPFIX {
		return header10Len
	}
	return header9Len
}

// DataLen is how long a set is, at most, that has records of so many bytes.
func DataLen(records int) int { return setHeaderLen + records + setAlignment - 1 }

// Header tells what a packet's header says besides counts and lengths.
type Header struct {
	// Uptime, in milliseconds, is told by version 9 only.
	Uptime uint32
	Export time.Time
	// Sequence is, for version 9, the number of packets before this one, and for IPFIX that
	// of data records, options included.
	Sequence uint32
	Domain   uint32
}

// Packet is one that is being written.
type Packet struct {
	version Version
	b       []byte
	begin   int // of the packet in b
	set     int // where the open set begins
	records int // of all kinds
}

// NewPacket begins a packet behind b. It allocates nothing while b has room.
func (v Version) NewPacket(b []byte, h *Header) Packet {
	p := Packet{version: v, begin: len(b)}
	b = binary.BigEndian.AppendUint16(b, uint16(v))
	b = binary.BigEndian.AppendUint16(b, 0) // count or length, see End
	if v == NetFlow9 {
		b = binary.BigEndian.AppendUint32(b, h.Uptime)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(h.Export.Unix()))
	b = binary.BigEndian.AppendUint32(b, h.Sequence)
	p.b = binary.BigEndian.AppendUint32(b, h.Domain)
	return p
}

// openSet begins a set.
func (p *Packet) openSet(id uint16) {
	p.set = len(p.b)
	p.b = binary.BigEndian.AppendUint16(p.b, id)
	p.b = binary.BigEndian.AppendUint16(p.b, 0)
}

// closeSet fills in the set's length. Sets of version 9 are padded.
func (p *Packet) closeSet() {
	for p.version == NetFlow9 && (len(p.b)-p.set)%setAlignment != 0 {
		p.b = append(p.b, 0)
	}
	binary.BigEndian.PutUint16(p.b[p.set+2:], uint16(len(p.b)-p.set))
}

// Templates adds a set with templates of one kind: with scopes, or without.
func (p *Packet) Templates(templates ...Template) {
	if len(templates) == 0 {
		return
	}
	options := templates[0].Scopes > 0
	p.openSet(p.templatesID(options))
	for i := range templates {
		p.appendTemplate(&templates[i])
	}
	p.closeSet()
	p.records += len(templates)
}

// templatesID is the id of sets of templates.
func (p *Packet) templatesID(options bool) uint16 {
	id := uint16(0)
	if p.version == IPFIX {
		id = 2
	}
	if options {
		id++
	}
	return id
}

func (p *Packet) appendTemplate(t *Template) {
	p.b = binary.BigEndian.AppendUint16(p.b, t.ID)
	switch {
	case t.Scopes == 0:
		p.b = binary.BigEndian.AppendUint16(p.b, uint16(len(t.Fields)))
	case p.version == IPFIX:
		p.b = binary.BigEndian.AppendUint16(p.b, uint16(len(t.Fields)))
		p.b = binary.BigEndian.AppendUint16(p.b, uint16(t.Scopes))
	default: // version 9 tells bytes, not fields
		const fieldLen = 4
		p.b = binary.BigEndian.AppendUint16(p.b, uint16(t.Scopes*fieldLen))
		p.b = binary.BigEndian.AppendUint16(p.b, uint16((len(t.Fields)-t.Scopes)*fieldLen))
	}
	for _, f := range t.Fields {
		p.appendField(f)
	}
}

func (p *Packet) appendField(f Field) {
	const enterpriseBit = 1 << 15
	id := f.ID
	if f.Enterprise != 0 {
		id |= enterpriseBit
	}
	p.b = binary.BigEndian.AppendUint16(p.b, id)
	p.b = binary.BigEndian.AppendUint16(p.b, f.Length)
	if f.Enterprise != 0 {
		p.b = binary.BigEndian.AppendUint32(p.b, f.Enterprise)
	}
}

// OpenData begins a set of data records of a template; CloseData ends it.
func (p *Packet) OpenData(id uint16) { p.openSet(id) }

// CloseData ends the set of data records.
func (p *Packet) CloseData() { p.closeSet() }

// Record adds a record to the open set: see Layout.AppendRecord.
func (p *Packet) Record(l *Layout, prototype []byte, v *Values, names *Names) {
	p.b = l.AppendRecord(p.b, prototype, v, names)
	p.records++
}

// Numbers adds a record of numbers to the open set, one for each field of a template.
func (p *Packet) Numbers(t *Template, numbers ...uint64) {
	for i, f := range t.Fields {
		at := len(p.b)
		p.b = append(p.b, make([]byte, f.Length)...)
		putNumber(p.b[at:], numbers[i])
	}
	p.records++
}

// SetOffset is where the last set begins in what End returns.
func (p *Packet) SetOffset() int { return p.set }

// End ends the packet and returns it behind what it was begun with.
func (p *Packet) End() []byte {
	second := p.records
	if p.version == IPFIX {
		second = len(p.b) - p.begin
	}
	binary.BigEndian.PutUint16(p.b[p.begin+2:], uint16(second))
	return p.b
}
