package batch

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
	"github.com/flowpub/flowpub/internal/flowtest"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

const benchRecords = 30

// benchPackets returns n different packets of benchRecords records.
func benchPackets(n int) []*decoder.ExportPacket {
	packets := make([]*decoder.ExportPacket, n)
	for i := range packets {
		packets[i] = flowtest.Packet(uint64(i), benchRecords)
	}
	return packets
}

// asIPv6 makes the addresses of p's records IPv6 ones.
func asIPv6(p *decoder.ExportPacket) {
	for i := range p.Records {
		r := &p.Records[i]
		for _, a := range []*netip.Addr{&r.SourceAddress, &r.DestinationAddress, &r.NextHop} {
			four := a.As4()
			*a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 12: four[0], 13: four[1], 14: four[2], 15: four[3]})
		}
	}
}

// benchExtensions is one for all packets: a decoder uses one packet again and again.
var benchExtensions [benchRecords]decoder.Extension

// extend makes p a packet of NetFlow v9 whose records have five fields more.
func extend(p *decoder.ExportPacket) { extendIn(p, benchExtensions[:]) }

// extendIn does it with the memory of extensions, of which there are enough.
func extendIn(p *decoder.ExportPacket, extensions []decoder.Extension) {
	p.Header = decoder.Header{
		Format: decoder.FormatNetFlowV9, Count: p.Count, SystemUptime: p.SystemUptime, ExportSeconds: p.ExportSeconds,
		FlowSequence: p.FlowSequence, ObservationDomain: 256,
	}
	p.Extensions = extensions[:len(p.Records)]
	for i := range p.Extensions {
		x := &p.Extensions[i]
		x.Set(decoder.FieldTemplateID, 260)
		x.Set(decoder.FieldFlowDirection, 1)
		x.Set(decoder.FieldSamplerID, 3)
		x.Set(decoder.FieldVLANID, uint64(100+i%7))
		x.Set(decoder.FieldForwardingStatus, 64)
	}
}

// perRecord reports the time of one of the records of all iterations.
func perRecord(b *testing.B, records int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
}

// BenchmarkEncode compares the ways from a decoded packet to Kafka records.
func BenchmarkEncode(b *testing.B) {
	packets := benchPackets(4096)
	b.Run("records", func(b *testing.B) {
		buf := make([]byte, 0, 512<<10)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if len(buf) > 480<<10 {
				buf = buf[:0]
			}
			buf = appendTestRecords(buf, uint64(i), packets[i%len(packets)])
		}
		perRecord(b, benchRecords)
	})
	for _, f := range framings[1:] {
		b.Run(f.Value.String(), func(b *testing.B) {
			buf := make([]byte, 0, 512<<10)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if len(buf) > 480<<10 {
					buf = buf[:0]
				}
				p := packets[i%len(packets)]
				e := Encoder{Framing: f}
				e.Reset(flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), p)
				for j := range p.Records {
					buf = e.appendRecord(buf, j, int64(i*10%100), j)
				}
			}
			perRecord(b, benchRecords)
		})
	}
	for name, change := range map[string]func(*decoder.ExportPacket){"IPv6": asIPv6, "extended": extend} {
		changed := benchPackets(4096)
		for _, p := range changed {
			change(p)
		}
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 512<<10)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if len(buf) > 480<<10 {
					buf = buf[:0]
				}
				buf = appendTestRecords(buf, uint64(i), changed[i%len(changed)])
			}
			perRecord(b, benchRecords)
		})
	}
	b.Run("general", func(b *testing.B) {
		buf := make([]byte, 0, 512<<10)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if len(buf) > 480<<10 {
				buf = buf[:0]
			}
			p := packets[i%len(packets)]
			var e Encoder
			e.Reset(flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), p)
			for j := range p.Records {
				buf = e.appendUncommon(buf, j, 7, j)
			}
		}
		perRecord(b, benchRecords)
	})
	b.Run("proto.Marshal", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p := packets[i%len(packets)]
			for j := range p.Records {
				if _, err := proto.Marshal(flowtest.Message(flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), p, j)); err != nil {
					b.Fatal(err)
				}
			}
		}
		perRecord(b, benchRecords)
	})
	b.Run("proto.MarshalAppend", func(b *testing.B) {
		var m flowv1.FlowRecord
		buf := make([]byte, 0, 1<<10)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p := packets[i%len(packets)]
			for j := range p.Records {
				flowtest.Fill(&m, flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), p, j)
				var err error
				if buf, err = (proto.MarshalOptions{}).MarshalAppend(buf[:0], &m); err != nil {
					b.Fatal(err)
				}
			}
		}
		perRecord(b, benchRecords)
	})
}

// BenchmarkDecodeEncodeFrame is all that is done to a record between socket and
// codec: decoding its datagram, encoding, and, batch by batch, the header with
// its checksum. With lz4-fast there is nothing left for a codec to do.
func BenchmarkDecodeEncodeFrame(b *testing.B) {
	datagrams := make([][]byte, 8192)
	for i := range datagrams {
		datagram, err := netflow5.Append(nil, flowtest.Packet(uint64(i), benchRecords))
		if err != nil {
			b.Fatal(err)
		}
		datagrams[i] = datagram
	}
	for _, c := range []Compression{CompressionNone, CompressionLZ4Fast} {
		b.Run(c.String(), func(b *testing.B) {
			buf := make([]byte, 0, 512<<10)
			open := Open(buf, c)
			wire := 0.0
			var p decoder.ExportPacket
			var e Encoder
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := netflow5.Decode(datagrams[i%len(datagrams)], &p); err != nil {
					b.Fatal(err)
				}
				if !open.Has(open.Room(benchRecords * maxRecordSize)) {
					if open.lz4 != nil {
						open.buf = open.lz4.finish(open.buf, HeaderSize)
					}
					completeBatch(open.buf, open.header(c.codec()))
					wire = float64(len(open.buf)) / float64(open.records)
					open = Open(buf, c)
				}
				e.Reset(flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), &p)
				open.Append(&e, 0, benchRecords)
			}
			perRecord(b, benchRecords)
			b.ReportMetric(wire, "B/record")
		})
	}
}

// benchBodies returns the uncompressed bodies of record batches, all different
// and together about 16 MB: a codec that sees the same batch again is twice as
// fast, because the processor has learnt its branches.
func benchBodies(size int) (bodies [][]byte, records int) {
	for seed := uint64(0); len(bodies)*size < 16<<20; {
		var body []byte
		for len(body) < size {
			body = slices.Grow(body, benchRecords*maxRecordSize+windowSize)
			body = appendTestRecords(body, seed, flowtest.Packet(seed, benchRecords))
			records += benchRecords
			seed++
		}
		bodies = append(bodies, body)
	}
	return bodies, records
}

// BenchmarkCompress measures all codecs on one pass over different batches.
func BenchmarkCompress(b *testing.B) {
	for _, size := range []int{128 << 10, 512 << 10} {
		bodies, records := benchBodies(size)
		for c := CompressionGzip; c <= CompressionZstd; c++ {
			b.Run(fmt.Sprintf("%v/%dKiB", c, size>>10), func(b *testing.B) {
				z := newCompressor(c)
				dst := make([]byte, 0, maxCompressedSize(c, size+64<<10))
				wire := 0
				b.ReportAllocs()
				for b.Loop() {
					wire = 0
					for _, body := range bodies {
						out, err := z.compress(dst, body)
						if err != nil {
							b.Fatal(err)
						}
						wire += len(out)
					}
				}
				perRecord(b, records)
				b.ReportMetric(float64(wire)/float64(records), "B/record")
			})
		}
	}
}

// BenchmarkValues compares the forms of values in full batches: encoding alone, and
// with compression.
func BenchmarkValues(b *testing.B) {
	packets := benchPackets(4096)
	for _, f := range framings {
		for _, c := range []Compression{CompressionNone, CompressionLZ4Fast, CompressionLZ4, CompressionZstd, CompressionZstdFast} {
			b.Run(fmt.Sprintf("%v/%v", f.Value, c), func(b *testing.B) {
				var m testMemory
				s := NewSealer(c)
				buf := make([]byte, 0, 1<<20)
				records, wire := 0, 0
				for i := 0; b.Loop(); {
					open := Open(buf, c)
					for open.Size() < 480<<10 {
						e := Encoder{Framing: f}
						e.Reset(flowtest.Exporter(uint64(i)), flowtest.Received(uint64(i)), packets[i%len(packets)])
						open.Append(&e, 0, benchRecords)
						i++
					}
					open.Shut()
					s.Seal(&m, &open)
					records, wire = records+open.records, wire+len(open.buf)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
				b.ReportMetric(float64(wire)/float64(records), "B/record")
			})
		}
	}
}

// BenchmarkSeal measures the header of a batch and its checksum.
func BenchmarkSeal(b *testing.B) {
	bodies, records := benchBodies(512 << 10)
	for i, body := range bodies {
		bodies[i] = append(make([]byte, HeaderSize), body...)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, body := range bodies {
			completeBatch(body, batchHeader{records: 1})
		}
	}
	perRecord(b, records)
}
