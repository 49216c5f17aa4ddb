package differential

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/flowpub/flowpub/decoder/template"
)

const variableLength = 65535

// A source hands out a fuzzer's bytes, and zeros behind them.
type source []byte

func (s *source) next() byte {
	if len(*s) == 0 {
		return 0
	}
	v := (*s)[0]
	*s = (*s)[1:]
	return v
}

// below returns a number from 0 to n-1.
func (s *source) below(n int) int { return (int(s.next())<<8 | int(s.next())) % n }

func (s *source) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = s.next()
	}
	return b
}

// A field is an element and its length in a template.
type field struct {
	id, length uint16
	enterprise uint32
}

// A definition is a template, or an options template with so many scopes.
type definition struct {
	fields []field
	scopes int
}

// fixed is the length of the fields that have one.
func (d *definition) fixed() (n int) {
	for _, f := range d.fields {
		if f.length != variableLength {
			n += int(f.length)
		}
	}
	return n
}

// A generator makes packets of one exporter out of a fuzzer's bytes: templates and options
// templates that are valid, data that fit them, padding, and data without a template.
type generator struct {
	source
	version   byte
	pool      []field // that templates are made of
	templates map[uint16]definition
}

const (
	maxPool    = 24 // distinct elements, all of which can be selected
	maxFields  = 20
	maxOctets  = 20 // of a value
	maxRecords = 5
	firstID    = 256
	numIDs     = 4
)

func newGenerator(b []byte) *generator {
	g := &generator{source: b, templates: make(map[uint16]definition)}
	g.version = 9 + g.next()%2
	for range 1 + g.below(maxPool) {
		g.pool = append(g.pool, g.element())
	}
	return g
}

// element picks an element: mostly one that fills something, or any.
func (g *generator) element() (f field) {
	if kind := g.next() % 8; kind > 1 {
		f.id = known[g.below(len(known))]
	} else {
		f.id = uint16(g.below(1 << 16))
		if kind == 0 {
			f.enterprise = uint32(1 + g.below(1<<16))
		}
	}
	if g.version == 9 {
		f.enterprise = 0
		return f
	}
	f.id &= 0x7fff
	if g.next()%16 == 0 {
		f.enterprise = reverse
	}
	return f
}

// selection selects all elements of the pool.
func (g *generator) selection() *template.Selection {
	var list []string
	for _, f := range g.pool {
		item := fmt.Sprintf("%d/%d", f.enterprise, f.id)
		if !slices.Contains(list, item) {
			list = append(list, item)
		}
	}
	s, err := template.ParseSelection(strings.Join(list, ","))
	if err != nil {
		panic(err)
	}
	return s
}

// length picks a field's length: often the one that its type has.
func (g *generator) length(id uint16) uint16 {
	natural := uint16(4)
	switch id {
	case 27, 28, 62, 63, 131, 140, 281, 282:
		natural = 16
	case 1, 2, 23, 24, 85, 86, 152, 153, 154, 155, 156, 157:
		natural = 8
	case 56, 57, 80, 81:
		natural = 6
	case 70, 71, 72, 73, 74, 75, 76, 77, 78, 79:
		natural = 3
	case 7, 11, 58, 59:
		natural = 2
	}
	switch g.next() % 8 {
	case 0:
		return variableLength
	case 1, 2:
		return uint16(g.below(maxOctets + 1))
	default:
		return natural
	}
}

// define makes a template. Its first field has a length, so that no record is empty.
func (g *generator) define() (d definition) {
	for i := range 1 + g.below(maxFields) {
		f := g.pool[g.below(len(g.pool))]
		f.length = g.length(f.id)
		if i == 0 {
			f.length = uint16(1 + g.below(maxOctets))
		}
		d.fields = append(d.fields, f)
	}
	if g.next()%4 == 0 {
		d.scopes = 1 + g.below(len(d.fields))
	}
	return d
}

// packet returns the next packet.
func (g *generator) packet() []byte {
	var sets []byte
	for range 1 + g.below(6) {
		id := uint16(firstID + g.below(numIDs))
		if g.next()%3 == 0 {
			d := g.define()
			g.templates[id] = d
			sets = append(sets, g.templateSet(id, &d)...)
			continue
		}
		sets = append(sets, g.dataSet(id)...)
	}
	return g.headed(sets)
}

// headed returns a packet of sets.
func (g *generator) headed(sets []byte) []byte {
	header := []byte{0, g.version}
	if g.version == 10 {
		header = be16(header, headerLen10+len(sets))
	} else {
		header = append(header, 0, 1, 0, 1, 0, 0)
	}
	return append(append(header, 0x66, 0x5a, 0x5b, 0, 0, 0, 0, 1, 0, 0, 0, 7), sets...)
}

func be16(b []byte, v int) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }

// set returns a set, with padding if it may have some.
func (g *generator) set(id int, body []byte, padding int) []byte {
	body = append(body, g.bytes(padding)...)
	return append(be16(be16(nil, id), 4+len(body)), body...)
}

func (g *generator) templateSet(id uint16, d *definition) []byte {
	body := be16(nil, int(id))
	options := 0
	if d.scopes > 0 {
		options = 1
	}
	switch {
	case options == 0:
		body = be16(body, len(d.fields))
	case g.version == 9:
		body = be16(be16(body, 4*d.scopes), 4*(len(d.fields)-d.scopes))
	default:
		body = be16(be16(body, len(d.fields)), d.scopes)
	}
	for _, f := range d.fields {
		if f.enterprise != 0 {
			body = binary.BigEndian.AppendUint32(be16(be16(body, int(f.id)|0x8000), int(f.length)), f.enterprise)
			continue
		}
		body = be16(be16(body, int(f.id)), int(f.length))
	}
	return g.set(int(g.version-9)*2+options, body, 0)
}

// dataSet returns data of the template that the id has by now. Padding is shorter than a record,
// also where goflow2 counts fields of variable length as nothing.
func (g *generator) dataSet(id uint16) []byte {
	d, defined := g.templates[id]
	if !defined {
		return g.set(int(id), g.bytes(g.below(30)), 0)
	}
	var body []byte
	for range 1 + g.below(maxRecords) {
		for _, f := range d.fields {
			length := int(f.length)
			if f.length == variableLength {
				length = g.below(maxOctets + 1)
				if g.next()%4 == 0 {
					body = be16(append(body, 255), length)
				} else {
					body = append(body, byte(length))
				}
			}
			body = append(body, g.bytes(length)...)
		}
	}
	return g.set(int(id), body, g.below(min(d.fixed(), 4)))
}
