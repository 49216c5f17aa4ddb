package template

import (
	"encoding/binary"

	"github.com/flowpub/flowpub/decoder"
)

// walk copies the first record of b, whose fields tell their lengths, into r.normal as one
// of fixed length, and notes in r.walked what was odd about it. It returns how many bytes
// it took: less than 0 when a field goes on behind b.
func (r *Reader) walk(p *Plan, b []byte) int {
	r.walked = 0
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
		if s.then&stepNumber != 0 {
			upper := max(0, len(value)-numberLength)
			out = binary.BigEndian.AppendUint64(out, bigEndian(value[upper:]))
			if !allZero(value[:upper]) {
				r.walked |= decoder.AnomalyFieldWidth
			}
		}
		if s.then&stepBytes != 0 {
			r.variable[s.span] = value
		}
	}
	return len(b) - len(rest)
}
