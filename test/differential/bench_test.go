package differential

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/netsampler/goflow2/v2/decoders/netflow"
	goflow2 "github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
	"github.com/flowpub/flowpub/publisher/batch"
)

// perPacket is how many records a packet has.
const perPacket = 22

// shapes are a router's usual templates, of 23 fields.
var shapes = []struct {
	name    string
	version byte
	fields  []field
}{
	{"NetFlow9", 9, usual(8, 12, 15, 4, 22, 21, 4)},
	{"NetFlow9IPv6", 9, usual(27, 28, 62, 16, 22, 21, 4)},
	{"IPFIX", 10, usual(8, 12, 15, 4, 152, 153, 8)},
}

// usual returns fields with the elements of addresses and times, each of such a length.
func usual(source, destination, nextHop, address, start, end, moment uint16) []field {
	return []field{
		{id: source, length: address}, {id: destination, length: address}, {id: nextHop, length: address},
		{id: 10, length: 4}, {id: 14, length: 4}, {id: 2, length: 4}, {id: 1, length: 4}, {id: start, length: moment},
		{id: end, length: moment}, {id: 7, length: 2}, {id: 11, length: 2}, {id: 6, length: 1}, {id: 4, length: 1},
		{id: 5, length: 1}, {id: 61, length: 1}, {id: 16, length: 4}, {id: 17, length: 4}, {id: 9, length: 1},
		{id: 13, length: 1}, {id: 48, length: 2}, {id: 58, length: 2}, {id: 59, length: 2}, {id: 89, length: 2},
	}
}

// flows returns a packet with the template, and one with perPacket records.
func flows(version byte, fields []field) (learn, data []byte) {
	g := &generator{version: version, templates: map[uint16]definition{firstID: {fields: fields}}}
	var record []byte
	for i, f := range fields {
		value := make([]byte, f.length)
		switch f.id {
		case 152, 153:
			binary.BigEndian.PutUint64(value, 1_717_199_999_000+uint64(i))
		case 22, 21:
			binary.BigEndian.PutUint32(value, uint32(1000+i))
		default:
			value[f.length-1] = byte(i*7 + 1)
			if f.length > 1 {
				value[f.length-2] = byte(i)
			}
		}
		record = append(record, value...)
	}
	d := g.templates[firstID]
	return g.headed(g.templateSet(firstID, &d)), g.headed(g.set(firstID, bytes.Repeat(record, perPacket), 0))
}

// report reports what one of the records of all iterations takes.
func report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*perPacket), "ns/flow")
}

// BenchmarkDecode is the cost of decoding.
func BenchmarkDecode(b *testing.B) {
	for _, s := range shapes {
		learn, data := flows(s.version, s.fields)
		b.Run(s.name+"/flowpub", func(b *testing.B) {
			o := newOurs(nil)
			_ = o.decode(learn, 0)
			b.ReportAllocs()
			for b.Loop() {
				if err := o.decode(data, time.Second); err != nil || len(o.packet.Records) != perPacket {
					b.Fatal(err, len(o.packet.Records))
				}
			}
			report(b)
		})
		b.Run(s.name+"/goflow2", func(b *testing.B) {
			g := newTheirs()
			_, _ = g.message(learn)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.message(data); err != nil {
					b.Fatal(err)
				}
			}
			report(b)
		})
	}
}

// message returns a packet as goflow2 decodes it.
func (g *theirs) message(b []byte) (any, error) {
	var nine netflow.NFv9Packet
	var ten netflow.IPFIXPacket
	err := netflow.DecodeMessageVersion(bytes.NewBuffer(b), g.templates, &nine, &ten)
	if nine.Version == 9 {
		return &nine, err
	}
	return &ten, err
}

// BenchmarkPublish is the cost from a datagram to the protobuf messages of its flows, which flowpub
// appends to a batch as Kafka's records.
func BenchmarkPublish(b *testing.B) {
	for _, s := range shapes {
		learn, data := flows(s.version, s.fields)
		b.Run(s.name+"/flowpub", func(b *testing.B) {
			o := newOurs(nil)
			_ = o.decode(learn, 0)
			publishOurs(b, &o.packet, func() error { return o.decode(data, time.Second) })
		})
		b.Run(s.name+"/goflow2", func(b *testing.B) {
			g := newTheirs()
			_, _ = g.message(learn)
			publishTheirs(b, func() (any, error) { return g.message(data) })
		})
	}
	data := samples()
	b.Run("SFlow/flowpub", func(b *testing.B) {
		var p decoder.ExportPacket
		var s sflow.Samples
		publishOurs(b, &p, func() error { return sflow.Decode(data, &p, &s) })
	})
	b.Run("SFlow/goflow2", func(b *testing.B) {
		publishTheirs(b, func() (any, error) {
			var p goflow2.Packet
			return &p, goflow2.DecodeMessageVersion(bytes.NewBuffer(data), &p)
		})
	})
}

// samples returns a datagram with perPacket samples of TCP in a VLAN, as a router sends them.
func samples() []byte {
	frame := slices.Concat(make([]byte, 12), []byte{0x81, 0, 0, 10, 8, 0},
		[]byte{0x45, 0, 5, 0xdc, 0, 1, 0, 0, 61, 6, 0, 0, 10, 1, 1, 1, 198, 51, 100, 9}, []byte{0x9c, 0x40, 1, 0xbb}, make([]byte, 86))
	sample := opaque(1, slices.Concat(words(1, 5, 1000, 100000, 0, 11, 12, 4),
		opaque(1, append(words(1, 1518, 4, 128), frame...)), opaque(1001, words(10, 0, 10, 0)),
		opaque(1002, words(1, 0x0a000001, 24, 16)), opaque(1003, words(1, 0x0a000001, 64500, 64501, 64502, 1, 2, 3, 64503, 64504, 64505, 1, 65536, 100))))
	return append(words(5, 1, 0xc00002c8, 0, 1, 1000, perPacket), bytes.Repeat(sample, perPacket)...)
}

func publishOurs(b *testing.B, p *decoder.ExportPacket, decode func() error) {
	b.Helper()
	const room = 512 << 10
	buf := make([]byte, batch.Room(batch.CompressionNone, room))
	open, left := batch.Open(buf, batch.CompressionNone), room
	var e batch.Encoder
	b.ReportAllocs()
	for b.Loop() {
		if err := decode(); err != nil {
			b.Fatal(err)
		}
		e.Reset(exporter, decoder.UnixNano(1_717_200_000_000_000_000), p)
		size := e.MaxSize(0, e.Records())
		if left < size {
			open, left = batch.Open(buf, batch.CompressionNone), room
		}
		before := open.Size()
		open.Append(&e, 0, e.Records())
		left -= open.Size() - before
	}
	report(b)
}

func publishTheirs(b *testing.B, decode func() (any, error)) {
	b.Helper()
	config, err := (&protoproducer.ProducerConfig{}).Compile()
	if err != nil {
		b.Fatal(err)
	}
	p, err := protoproducer.CreateProtoProducer(config, protoproducer.CreateSamplingSystem)
	if err != nil {
		b.Fatal(err)
	}
	args := &producer.ProduceArgs{Src: exporter, SamplerAddress: exporter.Addr(), TimeReceived: time.Unix(1_717_200_000, 0)}
	b.ReportAllocs()
	for b.Loop() {
		packet, err := decode()
		if err != nil {
			b.Fatal(err)
		}
		messages, err := p.Produce(packet, args)
		if err != nil || len(messages) != perPacket {
			b.Fatal(err, len(messages))
		}
		for _, m := range messages {
			message, ok := m.(encoding.BinaryMarshaler)
			if !ok {
				b.Fatalf("goflow2's message is a %T", m)
			}
			if _, err := message.MarshalBinary(); err != nil {
				b.Fatal(err)
			}
		}
		p.Commit(messages)
	}
	report(b)
}
