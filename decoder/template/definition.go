package template

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/decoder"
)

// VariableLength is the length of a field that has its own length in each record. Both formats use
// it, NetFlow v9 against its specification.
const VariableLength = 65535

// firstID is the lowest id of a template: below are the ids of other sets.
const firstID = 256

// Definition is a template or options template as it was exported, without its id.
type Definition struct {
	// Format is decoder.FormatNetFlowV9 or decoder.FormatIPFIX.
	Format decoder.Format
	// Options reports whether it is an options template.
	Options bool
	// Raw are its bytes: the counts, then the fields.
	Raw []byte
}

// fieldSpec is a field of a definition: what it carries, in how many bytes.
type fieldSpec struct {
	enterprise uint32
	id, length uint16
}

// countsLen is the length of what stands before the fields.
func (d *Definition) countsLen() int {
	if d.Options {
		return 4
	}
	return 2
}

// fieldBytes returns the bytes of the fields.
func (d *Definition) fieldBytes() []byte { return d.Raw[d.countsLen():] }

// scopes returns how many of the first fields are scopes.
func (d *Definition) scopes() int {
	switch {
	case !d.Options:
		return 0
	case d.Format == decoder.FormatNetFlowV9:
		return int(binary.BigEndian.Uint16(d.Raw)) / 4
	default:
		return int(binary.BigEndian.Uint16(d.Raw[2:]))
	}
}

// nextField takes the first field off b, which holds it whole.
func (d *Definition) nextField(b []byte) (fieldSpec, []byte) {
	f := fieldSpec{id: binary.BigEndian.Uint16(b), length: binary.BigEndian.Uint16(b[2:])}
	const enterpriseBit = 0x8000
	if d.Format == decoder.FormatIPFIX && f.id&enterpriseBit != 0 {
		f.id &^= enterpriseBit
		f.enterprise = binary.BigEndian.Uint32(b[4:])
		return f, b[8:]
	}
	return f, b[4:]
}

// piece is what split found at the beginning of a set.
type piece uint8

const (
	pieceTemplate   piece = iota
	pieceWithdrawal       // a template without fields, which withdraws it in IPFIX
	pieceUnusable         // a template with an id that no set can have
	pieceEnd              // nothing more, or padding
	pieceCut              // a template that goes on behind the set, or whose lengths contradict each other
)

// split takes the first definition off b, the rest of a set of templates. It sets
// d.Raw, which refers to b.
func (d *Definition) split(b []byte) (id uint16, rest []byte, found piece) {
	if len(b) < 4 {
		return 0, nil, pieceEnd
	}
	id = binary.BigEndian.Uint16(b)
	if id == 0 && allZero(b) {
		return 0, nil, pieceEnd
	}
	if d.Format == decoder.FormatNetFlowV9 {
		return d.splitNetFlow9(id, b)
	}
	return d.splitIPFIX(id, b)
}

// splitNetFlow9 is split for NetFlow v9, where an id below 256 begins the padding,
// whatever that holds.
func (d *Definition) splitNetFlow9(id uint16, b []byte) (uint16, []byte, piece) {
	if id < firstID {
		return id, nil, pieceEnd
	}
	length := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
	if d.Options {
		if len(b) < 6 {
			return id, nil, pieceEnd
		}
		scopes, options := int(binary.BigEndian.Uint16(b[2:])), int(binary.BigEndian.Uint16(b[4:]))
		if scopes%4 != 0 || options%4 != 0 {
			return id, nil, pieceCut
		}
		length = 6 + scopes + options
	}
	if length > len(b) {
		return id, nil, pieceCut
	}
	d.Raw = b[2:length]
	if len(d.fieldBytes()) == 0 {
		return id, b[length:], pieceWithdrawal
	}
	return id, b[length:], pieceTemplate
}

func (d *Definition) splitIPFIX(id uint16, b []byte) (uint16, []byte, piece) {
	count := int(binary.BigEndian.Uint16(b[2:]))
	if count == 0 {
		return id, b[4:], pieceWithdrawal
	}
	length := 2 + d.countsLen()
	for range count {
		if length+4 > len(b) {
			return id, nil, pieceCut
		}
		if b[length]&0x80 != 0 {
			length += 4
		}
		length += 4
	}
	if length > len(b) {
		return id, nil, pieceCut
	}
	d.Raw = b[2:length]
	if id < firstID {
		return id, b[length:], pieceUnusable
	}
	return id, b[length:], pieceTemplate
}

// allZero reports whether b holds nothing but zeros.
func allZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
