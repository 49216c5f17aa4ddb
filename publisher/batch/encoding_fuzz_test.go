package batch

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
)

// fuzzSource turns the fuzzer's bytes into numbers; after their end come zeroes.
type fuzzSource []byte

func (s *fuzzSource) uint(size int) uint64 {
	var b [8]byte
	*s = (*s)[copy(b[:size], *s):]
	return binary.LittleEndian.Uint64(b[:])
}

// address returns none, an IPv4 or an IPv6 address.
func (s *fuzzSource) address() netip.Addr {
	var b [16]byte
	switch s.uint(1) % 8 {
	case 0:
		return netip.Addr{}
	case 1:
		*s = (*s)[copy(b[:], *s):]
		return netip.AddrFrom16(b)
	case 2:
		*s = (*s)[copy(b[12:], *s):]
		b[10], b[11] = 0xff, 0xff
		return netip.AddrFrom16(b)
	default:
		*s = (*s)[copy(b[:4], *s):]
		return netip.AddrFrom4([4]byte(b[:4]))
	}
}

func (s *fuzzSource) packet() *decoder.ExportPacket {
	p := &decoder.ExportPacket{Header: decoder.Header{
		Format: decoder.Format(s.uint(1)), Count: uint32(s.uint(4)), SystemUptime: decoder.Uptime(s.uint(4)),
		ExportSeconds: uint32(s.uint(4)), ExportNanoseconds: uint32(s.uint(4)), FlowSequence: uint32(s.uint(4)),
		EngineType: uint8(s.uint(1)), EngineID: uint8(s.uint(1)), SamplingMode: uint8(s.uint(1)),
		SamplingInterval: uint16(s.uint(2)), Anomalies: decoder.Anomalies(s.uint(4)),
	}}
	for range 1 + s.uint(1)%4 {
		p.Records = append(p.Records, decoder.Record{
			SourceAddress: s.address(), DestinationAddress: s.address(), NextHop: s.address(),
			StartTime: decoder.UnixNano(s.uint(8)), EndTime: decoder.UnixNano(s.uint(8)),
			Packets: s.uint(8), Octets: s.uint(8),
			FirstUptime: decoder.Uptime(s.uint(4)), LastUptime: decoder.Uptime(s.uint(4)),
			InputInterface: uint32(s.uint(4)), OutputInterface: uint32(s.uint(4)),
			SourceAS: uint32(s.uint(4)), DestinationAS: uint32(s.uint(4)), Anomalies: decoder.Anomalies(s.uint(4)),
			SourcePort: uint16(s.uint(2)), DestinationPort: uint16(s.uint(2)), Protocol: uint8(s.uint(1)),
			TCPFlags: uint16(s.uint(2)), TOS: uint8(s.uint(1)),
			SourcePrefixLength: uint8(s.uint(1)), DestinationPrefixLength: uint8(s.uint(1)),
		})
	}
	if s.uint(1)%2 == 0 {
		for range p.Records {
			p.Extensions = append(p.Extensions, s.extension())
		}
		p.ObservationDomain, p.FirstRecord = uint32(s.uint(4)), uint32(s.uint(1))
		if s.uint(1)%4 == 0 {
			p.AgentAddress = s.address()
		}
	}
	if s.uint(1)%4 == 1 {
		p.Annotation = &decoder.Annotation{SamplingOverride: uint32(s.uint(4)), Name: s.name()}
	}
	// Real counters have few bytes.
	if last := &p.Records[len(p.Records)-1]; s.uint(1)%2 == 0 {
		last.Packets, last.Octets = last.Packets>>24, last.Octets>>15
	}
	return p
}

// name returns one of an exporter.
func (s *fuzzSource) name() string {
	name := make([]byte, s.uint(1)%(decoder.MaxExporterName+1))
	for i := range name {
		name[i] = ' ' + byte(s.uint(1)%('~'-' '+1))
	}
	return string(name)
}

// extension returns one with any fields and values, those of enumerations among
// the known ones, and lists as decoders keep them.
func (s *fuzzSource) extension() decoder.Extension {
	x := decoder.Extension{Present: decoder.FieldSet(s.uint(8)) & (1<<len(extensionFields) - 1)}
	small := s.uint(1)%2 == 0
	for f := range x.Values {
		x.Values[f] = s.uint(8)
		if small {
			x.Values[f] >>= 32
		}
		if values := extensionFields[f].values; values != nil {
			x.Values[f] %= uint64(len(values))
		}
	}
	for f := range x.Addresses {
		x.Addresses[f] = s.address()
	}
	for range s.uint(1) % 12 {
		x.MPLSLabels = append(x.MPLSLabels, uint32(s.uint(3)))
	}
	for range s.uint(1) {
		x.BGPASPath = append(x.BGPASPath, uint32(s.uint(4)))
	}
	for range s.uint(1) % 20 {
		x.BGPCommunities = append(x.BGPCommunities, uint32(s.uint(4)))
	}
	x.ApplicationID = binary.LittleEndian.AppendUint64(nil, s.uint(8))[:s.uint(1)%9]
	for range s.uint(1) % 33 {
		x.Elements = append(x.Elements, decoder.Element{Enterprise: uint32(s.uint(4)), ID: uint16(s.uint(2)), Value: make([]byte, s.uint(1)%16)})
	}
	return x
}

// FuzzEncode holds the encoder to generated code, for any packet and every form of
// values: the value is the message that generated code builds, no bytes of it are
// superfluous, and both paths and appendFramed write the same record.
func FuzzEncode(f *testing.F) {
	for _, fill := range []byte{0x00, 0x01, 0x03, 0x7f, 0x80, 0xff} {
		f.Add(bytes.Repeat([]byte{fill}, 400), int64(fill), int32(fill))
	}
	counting := make([]byte, 400)
	for i := range counting {
		counting[i] = byte(i)
	}
	f.Add(counting, int64(-1), int32(1<<20))
	many := make([]byte, 6000)
	for i := range many {
		many[i] = byte(i * 37 >> 3)
	}
	f.Add(many, int64(5), int32(7))
	f.Add(bytes.Repeat([]byte{0xfe}, 8000), int64(5), int32(7))
	f.Add(bytes.Repeat([]byte{4, 5, 0}, 130), int64(1<<34), int32(8000))
	f.Fuzz(func(t *testing.T, data []byte, timestampDelta int64, offsetDelta int32) {
		source := fuzzSource(data)
		from := netip.AddrPortFrom(source.address(), uint16(source.uint(2)))
		received := decoder.UnixNano(source.uint(8))
		p := source.packet()
		for _, f := range framings {
			e := Encoder{Framing: f}
			e.Reset(from, received, p)
			for i := range p.Records {
				value := e.appendValue(nil, i)
				checkValue(t, f, value, flowtest.Message(from, received, p, i))
				want := appendFramed(nil, e.Key(), value, e.Framing.headers(), timestampDelta, int(offsetDelta))
				got := e.appendRecord(make([]byte, 0, e.MaxSize(i, i+1)+windowSize), i, timestampDelta, int(offsetDelta))
				if !bytes.Equal(got, want) {
					t.Fatalf("%v: record %d is\n%x, want\n%x", f.Value, i, got, want)
				}
				checkFraming(t, f, value, e.appendMessage(nil, i))
			}
		}
	})
}

// FuzzRecordBatch seals keys and values cut from any bytes and has two other
// clients read the batch; then splits it.
func FuzzRecordBatch(f *testing.F) {
	f.Add([]byte("some keys and values, of one byte and more"), uint8(4), int64(0), uint8(1))
	f.Add(bytes.Repeat([]byte{0xff, 0}, 3000), uint8(2), int64(1<<40), uint8(255))
	f.Add([]byte{}, uint8(1), int64(-5), uint8(0))
	compressors := make([]*compressor, len(codecs))
	for i, c := range codecs {
		compressors[i] = newCompressor(c)
	}
	f.Fuzz(func(t *testing.T, data []byte, codec uint8, step int64, size uint8) {
		step %= 1 << 40
		c := codecs[codec%5]
		h := goldenHeader()
		var body []byte
		var want []readRecord
		for chunk := range slices.Chunk(append(data, 'x'), int(size)+1) {
			key, value := chunk[:len(chunk)/2], chunk[len(chunk)/2:]
			delta := step * int64(len(want)%3)
			body = appendFramed(body, key, value, noHeaders, delta, len(want))
			want = append(want, readRecord{int64(len(want)), h.baseTimestamp + delta, string(key), string(value), ""})
		}
		h.records, h.compression = len(want), c
		batch, err := compressors[c].compress(make([]byte, HeaderSize), body)
		if err != nil {
			t.Fatal(err)
		}
		completeBatch(batch, h)
		for _, read := range []func([]byte) ([]readRecord, error){readFranz, readKafkaGo} {
			got, err := read(batch)
			if err != nil {
				t.Fatal(err)
			}
			compareRecords(t, "whole", got, want)
		}
		again, err := decompress(c, nil, batch[HeaderSize:])
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("%v: %d bytes became %d, %v", c, len(body), len(again), err)
		}
		renumbered, err := appendRenumbered(nil, body, 0, len(want))
		if err != nil || !bytes.Equal(renumbered, body) {
			t.Fatalf("all records renumbered differ: %v", err)
		}
	})
}

// FuzzRecords feeds bytes that are no records to what walks through them.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{0x10, 0, 0, 0, 2, 'k', 2, 'v', 0, 0x0e, 0, 0xc8, 1, 2, 0, 0, 0}, uint8(0), uint8(2))
	f.Fuzz(func(t *testing.T, body []byte, from, to uint8) {
		out, err := appendRenumbered(nil, body, int(from), int(to))
		if err != nil {
			return
		}
		for i := int(from); i < int(to); i++ {
			if _, out, err = nextRecord(out); err != nil {
				t.Fatalf("record %d of what came out: %v", i, err)
			}
		}
		if len(out) != 0 {
			t.Fatalf("%d bytes follow", len(out))
		}
	})
}

// FuzzDecompress feeds bytes that are no compressed data to decompress.
func FuzzDecompress(f *testing.F) {
	for _, c := range codecs {
		out, err := newCompressor(c).compress(nil, []byte("one record, two records, three records"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(c), out)
	}
	f.Fuzz(func(t *testing.T, codec uint8, src []byte) {
		out, err := decompress(codecs[codec%5], []byte("kept"), src)
		if !bytes.HasPrefix(out, []byte("kept")) || (err == nil && len(out) > 4+maxDecompressedSize) {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	})
}
