package dissect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/flowpub/flowpub/decoder/template"
)

const (
	header9     = 20
	headerIPFIX = 16
	setHeader   = 4
	firstDataID = 256
	// maxFields bounds what is kept, the fields of all templates; beyond, all is forgotten.
	maxFields = 1_000_000
	// maxText bounds what is shown of a datagram's records: fields may take no byte, and have long
	// names.
	maxText = 4 << 20
)

// templateKey is whose template it is.
type templateKey struct {
	version uint16
	from    netip.AddrPort
	domain  uint32
	id      uint16
}

// fieldSpec is a field of a template: what it carries, in how many bytes.
type fieldSpec struct {
	enterprise uint32
	id, length uint16
	scope      bool
}

// nameOf is the field's name, as IANA's registry or NetFlow v9's scopes have it, or its number.
func (f *fieldSpec) name(version uint16) string {
	if f.scope && version == 9 {
		scopes := [...]string{"scope?", "system", "interface", "lineCard", "cache", "template"}
		if int(f.id) < len(scopes) {
			return scopes[f.id]
		}
	}
	name, _ := describe(f.enterprise, f.id)
	switch {
	case name != "":
		return name
	case f.enterprise != 0:
		return fmt.Sprintf("element %d/%d", f.enterprise, f.id)
	default:
		return fmt.Sprintf("element %d", f.id)
	}
}

// packet is a packet of a format with templates while it is shown.
type packet struct {
	*page
	*Dissector
	key templateKey
	// ids of sets of templates and options templates.
	templatesID, optionsID uint16
}

func (d *Dissector) netflow9(p *page, b []byte, from netip.AddrPort) {
	if len(b) < header9 {
		p.cut(1, "the header", b)
		return
	}
	n := numbers{b: b, at: 2}
	p.line(1, "header: count=%d sys_uptime=%dms time=%s sequence=%d source_id=%d", n.of16(), n.of32(), moment(n.of32(), 0), n.of32(), n.of32())
	k := packet{page: p, Dissector: d, key: templateKey{9, from, binary.BigEndian.Uint32(b[16:]), 0}, optionsID: 1}
	k.sets(b[header9:])
}

func (d *Dissector) ipfix(p *page, b []byte, from netip.AddrPort) {
	if len(b) < headerIPFIX {
		p.cut(1, "the header", b)
		return
	}
	n := numbers{b: b, at: 2}
	length := n.of16()
	p.line(1, "header: length=%d time=%s sequence=%d observation_domain=%d", length, moment(n.of32(), 0), n.of32(), n.of32())
	k := packet{page: p, Dissector: d, key: templateKey{10, from, binary.BigEndian.Uint32(b[12:]), 0}, templatesID: 2, optionsID: 3}
	end := max(headerIPFIX, min(int(length), len(b)))
	k.sets(b[headerIPFIX:end])
	if int(length) > len(b) || length < headerIPFIX {
		p.line(1, "! the length in the header does not fit %d bytes", len(b))
	}
	p.bytes(1, "behind the message", b[end:])
}

// sets shows the sets of a packet.
func (k *packet) sets(b []byte) {
	for len(b) >= setHeader {
		id, length := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if length < setHeader || length > len(b) {
			k.cut(1, fmt.Sprintf("set %d", id), b)
			return
		}
		set := b[setHeader:length]
		switch {
		case id == k.templatesID:
			k.line(1, "set %d: templates, %d bytes", id, length)
			k.definitions(set, false)
		case id == k.optionsID:
			k.line(1, "set %d: options templates, %d bytes", id, length)
			k.definitions(set, true)
		case id >= firstDataID:
			k.data(id, set)
		default:
			k.bytes(1, fmt.Sprintf("set %d, which has no meaning", id), set)
		}
		b = b[length:]
	}
	k.bytes(1, "behind the sets", b)
}

// definitions shows the templates of a set, and keeps them.
func (k *packet) definitions(b []byte, options bool) {
	for len(b) >= 4 && binary.BigEndian.Uint16(b) >= firstDataID {
		id := binary.BigEndian.Uint16(b)
		fields, rest, ok := k.definition(b, options)
		if !ok {
			k.cut(2, fmt.Sprintf("template %d", id), b)
			return
		}
		if len(fields) == 0 {
			k.line(2, "template %d: withdrawn", id)
		} else {
			k.line(2, "template %d: %d fields", id, len(fields))
			k.line(3, "%s", k.listOf(fields))
			k.keep(id, fields)
		}
		b = rest
	}
	k.bytes(2, "padding", b)
}

func (k *packet) keep(id uint16, fields []fieldSpec) {
	if k.fields += len(fields); k.fields > maxFields {
		clear(k.templates)
		k.fields = len(fields)
	}
	k.key.id = id
	k.fields -= len(k.templates[k.key])
	k.templates[k.key] = fields
}

// definition reads the template that b begins with.
func (k *packet) definition(b []byte, options bool) (fields []fieldSpec, rest []byte, ok bool) {
	count, scopes, at := int(binary.BigEndian.Uint16(b[2:])), 0, 4
	switch {
	case options && len(b) < 6 && (count > 0 || k.key.version == 9): // a withdrawal of IPFIX has 4 bytes
		return nil, nil, false
	case options && k.key.version == 9: // lengths in bytes of scopes, then of options
		scopes = count / 4
		count = scopes + int(binary.BigEndian.Uint16(b[4:]))/4
		at = 6
	case options && count > 0:
		scopes = int(binary.BigEndian.Uint16(b[4:]))
		at = 6
	}
	rest = b[at:]
	for i := range count {
		if len(rest) < 4 {
			return nil, nil, false
		}
		f := fieldSpec{id: binary.BigEndian.Uint16(rest), length: binary.BigEndian.Uint16(rest[2:]), scope: i < scopes}
		rest = rest[4:]
		if k.key.version == 10 && f.id&0x8000 != 0 {
			if len(rest) < 4 {
				return nil, nil, false
			}
			f.id &^= 0x8000
			f.enterprise, rest = binary.BigEndian.Uint32(rest), rest[4:]
		}
		fields = append(fields, f)
	}
	return fields, rest, true
}

// listOf shows the fields of a template, each with its length.
func (k *packet) listOf(fields []fieldSpec) string {
	var all []string
	for i := range fields {
		f := &fields[i]
		length := fmt.Sprint(f.length)
		if f.length == template.VariableLength {
			length = "variable"
		}
		scope := ""
		if f.scope {
			scope = "scope "
		}
		all = append(all, fmt.Sprintf("%s%s(%d)[%s]", scope, f.name(k.key.version), f.id, length))
	}
	return strings.Join(all, " ")
}

// data shows a data set, by its template if that has come.
func (k *packet) data(id uint16, set []byte) {
	k.key.id = id
	fields := k.templates[k.key]
	if fields == nil {
		k.bytes(1, fmt.Sprintf("set %d: data, whose template has not come", id), set)
		return
	}
	k.line(1, "set %d: data, %d bytes", id, len(set)+setHeader)
	for index := 1; len(set) > 0; index++ {
		if len(k.b) > maxText {
			k.line(2, "! %d bytes more are not shown", len(set))
			return
		}
		text, rest, ok := k.record(fields, set)
		if !ok || len(rest) == len(set) {
			k.bytes(2, "padding", set)
			return
		}
		k.line(2, "record %d: %s", index, text)
		set = rest
	}
}

// record shows the record that b begins with; ok is false if it goes on behind b.
func (k *packet) record(fields []fieldSpec, b []byte) (text string, rest []byte, ok bool) {
	var all []string
	for i := range fields {
		f := &fields[i]
		length := int(f.length)
		if f.length == template.VariableLength {
			length, b, ok = variableLength(b)
			if !ok {
				return "", nil, false
			}
		}
		if length > len(b) {
			return "", nil, false
		}
		all = append(all, f.name(k.key.version)+"="+f.value(b[:length], k.key.version))
		b = b[length:]
	}
	return strings.Join(all, " "), b, true
}

// variableLength takes the length off a field that tells its own: RFC 7011, section 7.
func variableLength(b []byte) (length int, rest []byte, ok bool) {
	switch {
	case len(b) >= 1 && b[0] < 255:
		return int(b[0]), b[1:], true
	case len(b) >= 3:
		return int(binary.BigEndian.Uint16(b[1:])), b[3:], true
	default:
		return 0, nil, false
	}
}
