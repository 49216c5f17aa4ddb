package template

import (
	"encoding/binary"
	"math"
	"slices"
)

// Types of NetFlow v9's scopes, RFC 3954 section 6.1. Above are numbers of elements.
const (
	scopeTypeInterface = 2
	scopeTypeTemplate  = 5
)

// optionValues are the elements of an options record that say something about others.
type optionValues struct {
	samplingValues
	algorithm, boot                             uint64
	sampler, selector, template, input, output  uint64
	hasSampler, hasSelector, hasTemplate, hasIn bool
	hasOut                                      bool
}

// set notes the value of an element, which is its first. Numbers of packets have 32 bits: an
// exporter may send more, and means as many as can be.
func (v *optionValues) set(id uint16, n uint64, width int) {
	packets := min(n, math.MaxUint32)
	switch id {
	case 34:
		v.interval = packets
	case 50:
		v.randomInterval = packets
	case 305:
		v.packetInterval = packets
	case 306:
		v.packetSpace, v.hasSpace = packets, true
	case 309:
		v.size = packets
	case 310:
		v.population = packets
	case 311:
		v.probability = float(n, width*8)
	case 35, 49, 304:
		v.algorithm = n
	case 160:
		v.boot = n
	case 48:
		v.sampler, v.hasSampler = n, true
	case 302:
		v.selector, v.hasSelector = n, true
	case 145:
		v.template, v.hasTemplate = n, true
	case 10:
		v.input, v.hasIn = n, true
	case 14:
		v.output, v.hasOut = n, true
	}
}

// about reports whether an element is one that set knows.
func about(id uint16) bool {
	switch id {
	case 10, 14, 34, 35, 48, 49, 50, 145, 160, 302, 304, 305, 306, 309, 310, 311:
		return true
	default:
		return false
	}
}

// update returns what the record tells, and whether it tells anything.
func (v *optionValues) update() (u update, ok bool) {
	u.Sampling = v.resolve()
	u.boot = v.boot
	if u.Interval != 0 {
		u.Algorithm = uint32(v.algorithm)
	}
	switch {
	case v.hasSelector:
		u.key = samplerKey{scopeSampler, v.selector}
	case v.hasSampler:
		u.key = samplerKey{scopeSampler, v.sampler}
	case v.hasTemplate:
		u.key = samplerKey{scopeTemplate, v.template}
	case v.hasIn:
		u.key = samplerKey{scopeInput, v.input}
	case v.hasOut:
		u.key = samplerKey{scopeOutput, v.output}
	}
	return u, u.Interval != 0 || u.boot != 0
}

// options decodes the records of a set of options, b, and reports whether it was whole.
func (r *Reader) options(p *Plan, b []byte) bool {
	for len(b) >= p.minimum {
		if r.Options == maxRecords {
			r.drop(DropLimit)
			return false
		}
		var v optionValues
		rest, ok := v.read(p, b)
		if !ok {
			return r.malformedSet()
		}
		b = rest
		r.header.DataRecords++
		r.Options++
		if u, tells := v.update(); tells {
			r.updates = append(r.updates, u)
		}
	}
	return true
}

// read takes the values of the first record off b and returns the rest.
func (v *optionValues) read(p *Plan, b []byte) (rest []byte, ok bool) {
	var seen [16]uint16
	known := seen[:0]
	for i := range p.options {
		o := &p.options[i]
		if int(o.skip) > len(b) {
			return nil, false
		}
		value, after, ok := take(b[o.skip:], o.length)
		if !ok {
			return nil, false
		}
		b = after
		if o.element == 0 || len(value) == 0 || len(value) > 8 || slices.Contains(known, o.element) {
			continue
		}
		known = append(known, o.element)
		v.set(o.element, bigEndian(value), len(value))
	}
	return b, true
}

// scopeElement returns the element that a scope of NetFlow v9 stands for, 0 if none.
func scopeElement(scopeType uint16) uint16 {
	switch {
	case scopeType == scopeTypeInterface:
		return 10
	case scopeType == scopeTypeTemplate:
		return 145
	case scopeType > scopeTypeTemplate:
		return scopeType
	default:
		return 0
	}
}

// take takes a value off b: of that length, or of the length that it tells itself.
func take(b []byte, length uint16) (value, rest []byte, ok bool) {
	n := int(length)
	if length == VariableLength {
		if n, b, ok = variableLength(b); !ok {
			return nil, nil, false
		}
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// variableLength takes the length of a value off b: RFC 7011, section 7.
func variableLength(b []byte) (n int, rest []byte, ok bool) {
	const long = 255
	switch {
	case len(b) < 1:
		return 0, nil, false
	case b[0] < long:
		return int(b[0]), b[1:], true
	case len(b) < 3:
		return 0, nil, false
	default:
		return int(binary.BigEndian.Uint16(b[1:])), b[3:], true
	}
}

// bigEndian reads a number of at most eight bytes.
func bigEndian(b []byte) (n uint64) {
	for _, v := range b {
		n = n<<8 | uint64(v)
	}
	return n
}
