package encoder

import (
	"encoding/binary"
	"slices"
)

// Field is an element in a template, and how many bytes its values have, or Variable.
type Field struct {
	Element
	Length uint16
}

// Template describes the records of the sets that have its ID, 256 or more. The first
// fields of an options template, as many as Scopes, are what its records are about.
type Template struct {
	ID     uint16
	Scopes int
	Fields []Field
}

// Layout is a template made ready to write records.
type Layout struct {
	Template Template
	fixed    int     // bytes of a record without values of variable length
	patches  []patch // where the moving values are
	gaps     []gap   // where the values of variable length belong
}

// patch is where a moving value is in a record's fixed bytes.
type patch struct {
	offset uint16
	length uint8
	value  Moving
}

// gap is where, in the fixed bytes, an element of variable length belongs.
type gap struct {
	offset int
	id     uint16
}

// NewLayout makes a template ready.
func NewLayout(t Template) *Layout {
	l := &Layout{Template: t}
	for _, f := range t.Fields {
		if f.Length == Variable {
			l.gaps = append(l.gaps, gap{l.fixed, f.ID})
			continue
		}
		if value, moves := moving[f.ID]; moves && f.Enterprise == 0 {
			l.patches = append(l.patches, patch{uint16(l.fixed), uint8(f.Length), value})
		}
		l.fixed += int(f.Length)
	}
	return l
}

// RecordLen is how long a record is whose values of variable length have this many
// bytes each.
func (l *Layout) RecordLen(variable int) int {
	return l.fixed + len(l.gaps)*(variable+variablePrefix(variable))
}

// AppendPrototype appends the record of a flow without what moves and without what
// has a variable length: Fixed bytes.
func (l *Layout) AppendPrototype(b []byte, f *Flow) []byte {
	for _, field := range l.Template.Fields {
		if field.Length == Variable {
			continue
		}
		at := len(b)
		b = append(b, make([]byte, field.Length)...)
		if _, moves := moving[field.ID]; !moves || field.Enterprise != 0 {
			f.put(b[at:], field.Element)
		}
	}
	return b
}

// Fixed is how long a prototype is.
func (l *Layout) Fixed() int { return l.fixed }

// AppendRecord appends a record: a prototype with the values that move, and names for
// the fields of variable length. It allocates nothing if b has room.
func (l *Layout) AppendRecord(b, prototype []byte, v *Values, names *Names) []byte {
	at := len(b)
	b = append(b, prototype...)
	l.patch(b[at:], v)
	if len(l.gaps) == 0 {
		return b
	}
	end := len(b)
	for _, g := range l.gaps {
		n := len(names.of(g.id))
		b = append(b, zeros[:variablePrefix(n)]...)
		b = append(b, names.of(g.id)...)
	}
	// The fixed bytes are moved apart, from the last on.
	to := len(b)
	for _, g := range slices.Backward(l.gaps) {
		from, name := at+g.offset, names.of(g.id)
		to -= end - from
		copy(b[to:], b[from:end])
		end = from
		to -= len(name)
		copy(b[to:], name)
		to -= variablePrefix(len(name))
		putVariablePrefix(b[to:], len(name))
	}
	return b
}

// zeros make room.
var zeros [3]byte

// patch writes the values that move.
func (l *Layout) patch(record []byte, v *Values) {
	for _, p := range l.patches {
		b, n := record[p.offset:], v[p.value]
		switch p.length {
		case 1:
			b[0] = byte(n)
		case 2:
			binary.BigEndian.PutUint16(b, uint16(n))
		case 4:
			binary.BigEndian.PutUint32(b, uint32(n))
		case 8:
			binary.BigEndian.PutUint64(b, n)
		default:
			putNumber(b[:p.length], n)
		}
	}
}

// longPrefix is what the first byte of a long prefix is: RFC 7011, section 7.
const longPrefix = 255

// variablePrefix is how many bytes tell that a value has n.
func variablePrefix(n int) int {
	if n < longPrefix {
		return 1
	}
	return 3
}

func putVariablePrefix(b []byte, n int) {
	if n < longPrefix {
		b[0] = byte(n)
		return
	}
	b[0] = longPrefix
	binary.BigEndian.PutUint16(b[1:], uint16(n))
}
