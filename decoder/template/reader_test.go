package template_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
)

// changed returns a packet with other bytes at an offset.
func changed(packet []byte, at int, with ...byte) []byte {
	b := bytes.Clone(packet)
	copy(b[at:], with)
	return b
}

// What is refused, and what of it that is not can be read, in both formats.
func TestDecode(t *testing.T) {
	t.Parallel()
	const malformed = decoder.AnomalyMalformedSet
	learn9, learn10 := set(0, definition(256, short...)), set(2, definition(256, short...))
	data := set(256, records(2, 8))
	// A value of variable length that goes on behind its set, after a record that does not.
	names := []field{{id: 1, length: 4}, {id: 82, length: 65535}}
	cut := set(257, []byte{0, 0, 0, 1, 1, 'a', 0, 0, 0, 2, 9, 'b'})
	for _, c := range []struct {
		name             string
		packet           []byte
		err              error
		records, dropped int
		anomalies        decoder.Anomalies
	}{
		{"v9, empty", nil, decoder.ErrShort, 0, 0, 0},
		{"v9, a byte less than a header", v9(1)[:19], decoder.ErrShort, 0, 0, 0},
		{"v9, of another version", changed(v9(1, learn9), 1, 8), decoder.ErrVersion, 0, 0, 0},
		{"v9, cut and of another version", []byte{0, 5}, decoder.ErrVersion, 0, 0, 0},
		{"v9, a header alone", v9(1), decoder.ErrNoRecords, 0, 0, 0},
		{"v9, nothing but padding", v9(1, make([]byte, 8)), decoder.ErrNoRecords, 0, 0, 0},
		{"v9, a template", v9(1, learn9), nil, 0, 0, 0},
		{"v9, template and data", v9(1, learn9, data), nil, 2, 0, 0},
		{"v9, a count that is too low", changed(v9(1, learn9, data), 2, 0, 0), nil, 2, 0, 0},
		{"v9, a count that is too high", changed(v9(1, learn9, data), 2, 0xff, 0xff), nil, 2, 0, 0},
		{"v9, padding of a set, not all zeros", v9(1, learn9, set(256, records(2, 8), []byte{1, 2, 3, 4, 5, 6, 7})), nil, 2, 0, 0},
		{"v9, ids that are reserved", v9(1, set(2, records(1, 8)), learn9, set(255, records(1, 8)), data), nil, 2, 0, 0},
		{"v9, bytes too few for a set behind", v9(1, learn9, data, []byte{1, 2, 3}), nil, 2, 0, 0},
		{"v9, a set without room for its header", v9(1, learn9, data, []byte{1, 0, 0, 3}, data), nil, 2, 1, malformed},
		{"v9, a set of length 0", v9(1, learn9, data, []byte{1, 0, 0, 0}, data), nil, 2, 1, malformed},
		{"v9, a set that goes on behind", v9(1, learn9, data, data[:19]), nil, 2, 1, malformed},
		{"v9, only such a set", v9(1, data[:19]), decoder.ErrNoRecords, 0, 0, 0},
		{"v9, a value that goes on behind, then more", v9(1, learn9, set(0, definition(257, names...)), cut, data, data), nil, 1, 3, malformed},
		{"v9, a template that goes on behind, then more", v9(1, learn9, data, set(0, definition(300, short...)[:10]), data), nil, 2, 1, malformed},
		{"v9, a template, then one that goes on behind", v9(1, set(0, definition(256, short...), definition(300, short...)[:10])), nil, 0, 0, malformed},
		{"IPFIX, a byte less than a header", message()[:15], decoder.ErrShort, 0, 0, 0},
		{"IPFIX, of another version", changed(message(learn10), 0, 1), decoder.ErrVersion, 0, 0, 0},
		{"IPFIX, a header alone", message(), decoder.ErrNoRecords, 0, 0, 0},
		{"IPFIX, template and data", message(learn10, data), nil, 2, 0, 0},
		{"IPFIX, bytes behind the message", append(message(learn10, data), data...), nil, 2, 0, 0},
		{"IPFIX, longer than the datagram", changed(message(learn10, data), 2, 0xff, 0xff), nil, 2, 0, malformed},
		{"IPFIX, shorter than its header", changed(message(learn10, data), 2, 0, 15), decoder.ErrNoRecords, 0, 0, 0},
		{"IPFIX, ends in a set", changed(message(learn10, data), 3, 16+16+19), nil, 0, 1, malformed},
		{"IPFIX, ids that are reserved", message(set(0, records(1, 8)), set(1, records(1, 8)), learn10, set(4, records(1, 8)), data), nil, 2, 0, 0},
		{"IPFIX, a set of length 0", message(learn10, data, []byte{1, 0, 0, 0}, data), nil, 2, 1, malformed},
		{"IPFIX, a value that goes on behind, then more", message(learn10, set(2, definition(257, names...)), cut, data), nil, 1, 2, malformed},
		{"IPFIX, a template, then one that goes on behind", message(set(2, definition(256, short...), definition(300, short...)[:10])), nil, 0, 0, malformed},
		{"IPFIX, a withdrawal, then a template that goes on behind", message(set(2, definition(256), definition(300, short...)[:10])), nil, 0, 0, malformed},
		{"IPFIX, a template that goes on behind, then more", message(learn10, data, set(2, definition(300, short...)[:10]), data), nil, 2, 1, malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			decode := netflow9.Decode
			if c.name[0] == 'I' {
				decode = ipfix.Decode
			}
			r := template.NewReader(template.NewTable(template.Config{}))
			p := decoder.ExportPacket{Records: make([]decoder.Record, 3), Header: decoder.Header{Anomalies: 1}}
			err := decode(r, c.packet, exporterPort(1, 1), 0, &p)
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			dropped := int(r.Dropped[template.DropMalformed] + r.Dropped[template.DropLimit])
			if len(p.Records) != c.records || len(p.Extensions) != c.records || dropped != c.dropped || p.Anomalies != c.anomalies {
				t.Errorf("%d records, %d sets dropped, %v, want %d, %d, %v", len(p.Records), dropped, p.Anomalies, c.records, c.dropped, c.anomalies)
			}
			if unknown := c.anomalies != 0; p.SequenceUnknown != unknown {
				t.Errorf("sequence unknown %v, want %v", p.SequenceUnknown, unknown)
			}
		})
	}
}

// A datagram has no more records than its bytes are worth, and never more than 4096: what is beyond is
// dropped and told.
func TestRecordLimits(t *testing.T) {
	t.Parallel()
	// 32, and one for each 8 bytes of the datagram, whose headers are 24.
	for _, c := range []struct{ length, sent, want int }{
		{1, 100, 32 + 15}, {1, 65000, 4096}, {8, 4096, 4096}, {8, 5000, 4096}, {16, 4000, 4000},
	} {
		d := newDecoder(template.Config{})
		d.decode(t, v9(1, set(0, definition(256, field{id: 8, length: uint16(c.length)}))), exporterPort(1, 1), 0)
		got := d.decode(t, v9(1, set(256, records(c.sent, c.length))), exporterPort(1, 1), 0)
		if got != c.want {
			t.Errorf("%d records of %d bytes: %d decoded, want %d", c.sent, c.length, got, c.want)
		}
		if limited := d.Dropped[template.DropLimit] == 1; limited != (got < c.sent) {
			t.Errorf("%d records of %d bytes: dropped for the limit %v", c.sent, c.length, limited)
		}
	}
}
