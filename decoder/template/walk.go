package template

import "encoding/binary"

// walk copies the first record of b, whose fields tell their lengths, into
// r.normal as one of fixed length, and returns how many bytes it took: less than 0 when
// a field goes on behind b.
func (r *Reader) walk(p *Plan, b []byte) int {
	out, rest := r.normal[lead:lead], b
	for i := range p.steps {
		s := &p.steps[i]
		if int(s.fixed) > len(rest) {
			return -1
		}
		out = append(out, rest[:s.fixed]...)
		rest = rest[s.fixed:]
		if s.then == stepEnd {
			continue
		}
		value, after, ok := take(rest, VariableLength)
		if !ok {
			return -1
		}
		rest = after
		switch s.then {
		case stepNumber:
			out = binary.BigEndian.AppendUint64(out, bigEndian(value[max(0, len(value)-8):]))
		case stepBytes:
			r.variable[s.span] = value
		default:
		}
	}
	return len(b) - len(rest)
}
