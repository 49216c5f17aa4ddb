package template_test

import (
	"bytes"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/template"
)

// optionsTemplate returns one of IPFIX, with the id 600 and one scope.
func optionsTemplate(fields ...field) []byte {
	b := be16(be16(be16(nil, 600), len(fields)), 1)
	for _, f := range fields {
		b = be16(be16(b, int(f.id)), int(f.length))
	}
	return set(3, b)
}

// Options with names of variable length are read to the end, whatever form the lengths have.
func TestOptionsOfVariableLength(t *testing.T) {
	t.Parallel()
	d := newDecoder(template.Config{})
	long := append([]byte{255, 1, 0}, bytes.Repeat([]byte{'x'}, 256)...)
	records := set(600,
		[]byte{0, 1, 3, 'l', 'a', 'n', 0, 10},
		[]byte{0, 2, 0, 0, 20},
		[]byte{0, 3}, long, []byte{0, 30})
	d.decode(t, message(optionsTemplate(field{id: 14, length: 2}, field{id: 82, length: 65535}, field{id: 34, length: 2}), records), exporterPort(1, 1), 0)
	if d.Options != 3 || d.Decoded != 1 || d.p.DataRecords != 3 || len(d.p.Records) != 0 {
		t.Fatalf("%d options records, %d sets, %d data records, want 3, 1, 3", d.Options, d.Decoded, d.p.DataRecords)
	}
	// They are about the output interface.
	for output, want := range map[byte]uint64{1: 10, 2: 20, 3: 30, 4: 0} {
		_, x := one(t, d, decoder.FormatIPFIX, []field{{id: 14, length: 1}}, []byte{output})
		if got, _ := sampling(x); got != want {
			t.Errorf("interface %d: interval %d, want %d", output, got, want)
		}
	}
}

// An interval beyond 32 bits is the largest there is, not what is left of it in 32.
func TestSamplingBeyondItsWidth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		elements []field
		value    []byte
		want     uint64
	}{
		{"samplingInterval", []field{{id: 34, length: 8}}, []byte{0, 0, 0, 1, 0, 0, 0, 1}, 1<<32 - 1},
		{"samplingPacketInterval", []field{{id: 305, length: 8}}, []byte{0, 0, 0, 1, 0, 0, 0, 1}, 1<<32 - 1},
		{"and samplingPacketSpace", []field{{id: 305, length: 8}, {id: 306, length: 8}}, append(bytes.Repeat([]byte{255}, 8), 0, 0, 0, 0, 0, 0, 0, 1), 1},
		{"within", []field{{id: 34, length: 8}}, []byte{0, 0, 0, 0, 0, 0, 3, 232}, 1000},
	} {
		d := newDecoder(template.Config{})
		d.decode(t, message(optionsTemplate(append([]field{{id: 149, length: 1}}, c.elements...)...), set(600, append([]byte{0}, c.value...))), exporterPort(1, 1), 0)
		_, x := one(t, d, decoder.FormatIPFIX, []field{{id: 14, length: 1}}, []byte{1})
		if got, _ := sampling(x); got != c.want {
			t.Errorf("%s: interval %d, want %d", c.name, got, c.want)
		}
	}
}

// Options that end in the middle of a record, or are too many, are dropped from there on.
func TestOptionsDropped(t *testing.T) {
	t.Parallel()
	names := optionsTemplate(field{id: 10, length: 2}, field{id: 82, length: 65535})
	for _, c := range []struct {
		name    string
		packet  []byte
		options uint32
		reason  template.DropReason
	}{
		{"a value that goes on behind", message(names, set(600, []byte{0, 1, 1, 'a', 0, 2, 5, 'b'})), 1, template.DropMalformed},
		{"a length that goes on behind", message(names, set(600, []byte{0, 1, 1, 'a', 0, 2, 255, 0})), 1, template.DropMalformed},
		{"too many", message(optionsTemplate(field{id: 10, length: 2}), set(600, make([]byte, 2*4097))), 4096, template.DropLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDecoder(template.Config{})
			d.decode(t, c.packet, exporterPort(1, 1), 0)
			if d.Options != c.options || d.Decoded != 0 || d.Dropped[c.reason] != 1 || !d.p.SequenceUnknown {
				t.Errorf("%d options records, %+v", d.Options, d.Sets)
			}
		})
	}
}

// The names of reasons are labels of metrics.
func TestReasonNames(t *testing.T) {
	t.Parallel()
	if a, b := template.DropMalformed.String(), template.DropLimit.String(); a != "malformed" || b != "limit" {
		t.Errorf("dropped sets are %q and %q", a, b)
	}
	for reason, want := range []string{"malformed", "invalid", "limit"} {
		if got := template.RefuseReason(reason).String(); got != want {
			t.Errorf("refused templates are %q, want %q", got, want)
		}
	}
}
