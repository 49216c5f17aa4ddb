package template

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/flowpub/flowpub/decoder"
)

// A record of options costs as much work as it has bytes, not as its template has fields: those
// without length cost nothing.
func TestOptionsCostTheirBytes(t *testing.T) {
	t.Parallel()
	fields := func(length uint16, ids ...uint16) (b []byte) {
		for _, id := range ids {
			b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, id), length)
		}
		return b
	}
	empty := fields(0, slices.Repeat([]uint16{34, 302, 82, 10}, 127)...)
	for name, c := range map[string]struct {
		raw   []byte
		steps int
	}{
		"one byte behind 508 empty fields":  {slices.Concat([]byte{1, 253, 0, 1}, empty, fields(1, 34)), 2},
		"one byte before 508 empty fields":  {slices.Concat([]byte{1, 253, 0, 1}, fields(1, 34), empty), 2},
		"fields that say nothing":           {slices.Concat([]byte{0, 4, 0, 1}, fields(1, 82, 83, 84, 85)), 1},
		"numbers that are too long":         {slices.Concat([]byte{0, 2, 0, 1}, fields(9, 34, 48)), 1},
		"each field one of variable length": {slices.Concat([]byte{0, 3, 0, 1}, fields(VariableLength, 82, 83, 84)), 4},
	} {
		p, err := compile(Definition{Format: decoder.FormatIPFIX, Options: true, Raw: c.raw}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(p.options) != c.steps || c.steps > p.minimum+1 {
			t.Errorf("%s: %d steps for a record of %d bytes, want %d", name, len(p.options), p.minimum, c.steps)
		}
	}
}
