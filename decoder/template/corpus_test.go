package template_test

import (
	"testing"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/ipfix"
	"github.com/flowpub/flowpub/decoder/netflow9"
	"github.com/flowpub/flowpub/decoder/template"
	"github.com/flowpub/flowpub/internal/corpus"
)

// A decoded record is one that a collector publishes.
type decodedRecord struct {
	header *decoder.Header
	record *decoder.Record
	*decoder.Extension
}

// A rig decodes datagrams as a collector does.
type rig struct {
	table  *template.Table
	room   *template.Room
	reader *template.Reader
	now    time.Duration

	received, decoded, dropped, lost int // data sets
}

func newRig(elements *template.Selection) *rig {
	t := template.NewTable(template.Config{Elements: elements})
	return &rig{table: t, room: template.NewRoom(t), reader: template.NewReader(t)}
}

// take decodes a datagram. It calls late for each packet of a set that had to wait, with
// what number it was given, and returns the packet of the datagram.
func (g *rig) take(tb testing.TB, number int, d corpus.Datagram, late func(int, *decoder.ExportPacket)) (*decoder.ExportPacket, error) {
	tb.Helper()
	g.now += time.Millisecond
	var p decoder.ExportPacket
	var err error
	if d.Payload[1] == 9 {
		err = netflow9.Decode(g.reader, d.Payload, d.From, g.now, &p)
	} else {
		err = ipfix.Decode(g.reader, d.Payload, d.From, g.now, &p)
	}
	sets := g.reader.Sets
	g.account(tb, &sets)
	for _, set := range sets.Missing {
		if !g.room.Add(d.From, &p.Header, set, decoder.UnixNano(number), g.now) {
			g.lost++
		}
	}
	if len(sets.Learned) > 0 {
		ready, lost := g.room.Take(d.From, &p.Header, sets.Learned, g.now)
		g.lost += len(lost)
		for _, w := range ready {
			var old decoder.ExportPacket
			g.reader.Waited(w, g.now, &old)
			if len(g.reader.Missing) > 0 {
				tb.Errorf("set %d that waited has no template", w.Template)
			}
			late(int(w.ReceivedAt), &old)
		}
	}
	return &p, err
}

// account books the data sets of a packet, and checks the sum.
func (g *rig) account(tb testing.TB, s *template.Sets) {
	tb.Helper()
	sum := s.Decoded + uint32(len(s.Missing))
	for _, n := range s.Dropped {
		sum += n
		g.dropped += int(n)
	}
	if s.Received != sum {
		tb.Errorf("%d data sets received, %d decoded, missing or dropped: %+v", s.Received, sum, *s)
	}
	g.received += int(s.Received)
	g.decoded += int(s.Decoded)
}
