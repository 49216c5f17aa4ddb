// Package wire makes flow records of datagrams, as flowpub publishes them: the same
// decoders, and the same encoder.
package wire

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/publisher/batch"
)

// expireInterval is how often templates past their lifetime, and data sets that wait in
// vain, are looked for.
const expireInterval = 10 * time.Second

// unknown is the exporter of a datagram that does not say where it came from.
var unknown = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// Decoder makes messages of datagrams. It belongs to one goroutine.
type Decoder struct {
	table    *template.Table
	room     *template.Room
	reader   *template.Reader
	packet   decoder.ExportPacket
	samples  sflow.Samples
	encoder  batch.Encoder
	messages []byte

	began   time.Time // the first datagram
	now     time.Duration
	expired time.Duration
	lost    int
}

// New returns a decoder that knows no templates.
func New() *Decoder {
	table := template.NewTable(template.Config{})
	return &Decoder{table: table, room: template.NewRoom(table), reader: template.NewReader(table)}
}

// Decode gives the flow records of a datagram to emit, each as an encoded
// flow.v1.FlowRecord that is valid until emit returns, and before them those of data sets
// whose templates have come with it. An error is emit's, or one of package decoder that
// says why it is no export packet.
func (d *Decoder) Decode(payload []byte, from netip.AddrPort, received time.Time, emit func([]byte) error) error {
	if !from.IsValid() {
		from = unknown
	}
	d.advance(received)
	at := decoder.UnixNano(max(0, received.UnixNano()))
	if received.IsZero() {
		at = 0
	}
	if err := d.read(payload, from); err != nil {
		return err
	}
	if d.packet.Format.HasTemplates() {
		if err := d.wait(from, at, emit); err != nil {
			return err
		}
	}
	return d.emit(&d.packet, from, at, emit)
}

// advance moves the clock on, which never goes back, whatever a capture says.
func (d *Decoder) advance(received time.Time) {
	if d.began.IsZero() {
		d.began = received
	}
	d.now = max(d.now, received.Sub(d.began))
	if d.now-d.expired >= expireInterval {
		d.expired = d.now
		d.table.Expire(d.now)
		d.lost += len(d.room.Expire(d.now))
	}
}

func (d *Decoder) read(b []byte, from netip.AddrPort) error {
	if len(b) < 4 {
		return decoder.ErrShort
	}
	switch version := binary.BigEndian.Uint16(b); {
	case version == 5:
		return netflow5.Decode(b, &d.packet)
	case version == 9:
		return netflow9.Decode(d.reader, b, from, d.now, &d.packet)
	case version == 10:
		return ipfix.Decode(d.reader, b, from, d.now, &d.packet)
	case binary.BigEndian.Uint32(b) == 5:
		return sflow.Decode(b, &d.packet, &d.samples)
	default:
		return decoder.ErrVersion
	}
}

// wait lets data sets wait whose templates have not come, and decodes those whose templates
// have.
func (d *Decoder) wait(from netip.AddrPort, at decoder.UnixNano, emit func([]byte) error) error {
	learned := append([]uint16(nil), d.reader.Learned...)
	for _, set := range d.reader.Missing {
		if !d.room.Add(from, &d.packet.Header, set, at, d.now) {
			d.lost++
		}
	}
	if len(learned) == 0 {
		return nil
	}
	ready, lost := d.room.Take(from, &d.packet.Header, learned, d.now)
	d.lost += len(lost)
	for _, w := range ready {
		var p decoder.ExportPacket
		d.reader.Waited(w, d.now, &p)
		d.lost += len(d.reader.Missing)
		if err := d.emit(&p, w.From, w.ReceivedAt, emit); err != nil {
			return err
		}
	}
	return nil
}

// emit encodes the records of a packet.
func (d *Decoder) emit(p *decoder.ExportPacket, from netip.AddrPort, at decoder.UnixNano, emit func([]byte) error) error {
	if len(p.Records) == 0 {
		return nil
	}
	d.encoder.Reset(from, at, p)
	d.messages = d.encoder.AppendMessages(d.messages[:0], 0, len(p.Records))
	for rest := d.messages; len(rest) > 0; {
		size := binary.BigEndian.Uint32(rest)
		if err := emit(rest[4 : 4+size]); err != nil {
			return err
		}
		rest = rest[4+size:]
	}
	return nil
}

// Missed is how many data sets could not be read because their templates have not come.
func (d *Decoder) Missed() int {
	waiting, _ := d.room.Len()
	return d.lost + waiting
}
