package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
)

// strictLZ4 reads a frame of one block by the letter of lz4_Frame_format.md and
// lz4_Block_format.md, with all that these ask of a compressor and readers
// commonly forgive.
func strictLZ4(frame []byte) ([]byte, error) {
	sizes := map[byte]int{0x40: 64 << 10, 0x50: 256 << 10, 0x60: 1 << 20, 0x70: 4 << 20}
	if len(frame) < 15 || string(frame[:5]) != "\x04\x22\x4d\x18\x60" || string(frame[len(frame)-4:]) != "\x00\x00\x00\x00" {
		return nil, fmt.Errorf("no frame: % x", frame)
	}
	block := frame[11 : len(frame)-4]
	if int(binary.LittleEndian.Uint32(frame[7:])) != len(block) {
		return nil, fmt.Errorf("block size is %d, not %d", binary.LittleEndian.Uint32(frame[7:]), len(block))
	}
	out, err := strictLZ4Block(block)
	if most := sizes[frame[5]]; err == nil && max(len(out), len(block)) > most {
		err = fmt.Errorf("%d bytes in %d, most is %d", len(out), len(block), most)
	}
	return out, err
}

func strictLZ4Block(b []byte) (out []byte, err error) {
	length := func(half byte) int {
		n := int(half)
		for more := half == 15; more && len(b) > 0; b = b[1:] {
			n += int(b[0])
			more = b[0] == 255
		}
		return n
	}
	lastMatch := math.MinInt
	for len(b) > 0 {
		token := b[0]
		b = b[1:]
		literals := length(token >> 4)
		if literals > len(b) {
			return nil, io.ErrUnexpectedEOF
		}
		out, b = append(out, b[:literals]...), b[literals:]
		if len(b) == 0 {
			if token&15 != 0 || (lastMatch >= 0 && (literals < 5 || len(out)-lastMatch < 12)) {
				return nil, fmt.Errorf("token %#x, then %d literals, end the block", token, literals)
			}
			return out, nil
		}
		if len(b) < 2 {
			return nil, io.ErrUnexpectedEOF
		}
		distance := int(binary.LittleEndian.Uint16(b))
		b = b[2:]
		if distance == 0 || distance > len(out) {
			return nil, fmt.Errorf("distance %d at %d", distance, len(out))
		}
		lastMatch = len(out)
		for range 4 + length(token&15) {
			out = append(out, out[len(out)-distance])
		}
	}
	return nil, errors.New("no last sequence")
}

// checkLZ4Frame has three readers undo a frame.
func checkLZ4Frame(t *testing.T, frame, want []byte) {
	t.Helper()
	readers := map[string]func([]byte) ([]byte, error){
		"strict":   strictLZ4,
		"franz-go": func(b []byte) ([]byte, error) { return kgo.DefaultDecompressor().Decompress(b, kgo.CodecLz4) },
		"kafka-go": func(b []byte) ([]byte, error) {
			return io.ReadAll(compress.Lz4.Codec().NewReader(bytes.NewReader(b)))
		},
	}
	for name, read := range readers {
		if got, err := read(frame); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes, %v; want %d\nframe: %x", name, len(got), err, len(want), frame[:min(len(frame), 2000)])
		}
	}
}

// TestLZ4BlockGolden writes down by hand what becomes of two equal records but
// for their index, each 59 bytes of constants and 81 of fields (goldenValue).
func TestLZ4BlockGolden(t *testing.T) {
	t.Parallel()
	constants, fields, _ := strings.Cut(goldenValue, "f001")
	constants = strings.Replace(constants, "a001 01", "a001 02", 1) // two records
	want := bytesOf(t, lz4GoldenStart+constants+`
		f001`+fields+`
		00            no headers; so much for the first record
		be02          length 159: what follows
		00            attributes
		c801          timestamp delta 100
		08            offset delta 4
		9f00          distance 159
		2f            2 literals, match of 15 + 4 + 40 = 59
		9c02          value length 142
		9f00          distance 159
		28            40
		f0            15 + 69 = 84 literals, no match
		45            69
		78 01         15 record_index
		f001`+fields+`
		00            no headers
		00000000      no more blocks`)
	from, received, p := goldenPacket()
	p.Records = append(p.Records, p.Records[0])
	var e Encoder
	e.Reset(from, received, p)
	var z lz4Block
	b := z.begin(make([]byte, 0, lz4Room(2*maxRecordSize+windowSize)))
	b = z.appendPacket(b, &e, 0, e.Records(), 100, 3)
	if got := z.finish(b, 0); !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
}

// lz4GoldenStart is how the frame begins, up to the first record's value.
const lz4GoldenStart = `
	04224d18 60 40 82  header
	05010000      block of 261 bytes
	f6            15 + 150 = 165 literals, match of 4 + 6 = 10
	96            150
	ba02          length 157: what follows
	00            attributes
	c801          timestamp delta 100
	06            offset delta 3
	12            key length 9
	3139322e302e322e31
	9802          value length 140
`

// lz4Packet is a packet from an exporter.
type lz4Packet struct {
	from   netip.AddrPort
	packet *decoder.ExportPacket
	// staged: it comes from a stage.
	staged bool
}

// fillBatches appends packets to a batch written in LZ4, and to a plain one.
func fillBatches(t *testing.T, f Framing, packets []lz4Packet) (fast, plain *Batch) {
	t.Helper()
	room := HeaderSize + windowSize
	for i, p := range packets {
		e := Encoder{Framing: f}
		e.Reset(p.from, flowtest.Received(uint64(i)), p.packet)
		room += e.MaxSize(0, e.Records())
	}
	plain = &Batch{buf: make([]byte, HeaderSize, room)}
	fast = &Batch{lz4: new(lz4Block)}
	fast.buf = fast.lz4.begin(make([]byte, HeaderSize, fast.Room(room)))
	for i, p := range packets {
		e := Encoder{Framing: f}
		e.Reset(p.from, flowtest.Received(uint64(i)), p.packet)
		for _, b := range []*Batch{fast, plain} {
			n := e.Records()
			switch {
			case p.staged:
				b.AppendStaged(Staged{e.Timestamp(), e.Key(), n, e.AppendMessages(nil, 0, n)}, f)
			case i%3 == 2: // in pieces
				b.Append(&e, 0, n/3)
				b.Append(&e, n/3, n)
			default:
				b.Append(&e, 0, n)
			}
		}
	}
	return fast, plain
}

// checkBatches completes both and compares what is in them.
func checkBatches(t *testing.T, fast, plain *Batch) {
	t.Helper()
	start := &fast.buf[0]
	if fast.Size() != plain.Size() || fast.records != plain.records || fast.base != plain.base || fast.latest != plain.latest {
		t.Errorf("sizes %d and %d; %d and %d records; times %d to %d and %d to %d", fast.Size(), plain.Size(),
			fast.records, plain.records, fast.base, fast.latest, plain.base, plain.latest)
	}
	frame := fast.lz4.finish(fast.buf, HeaderSize)
	if &frame[0] != start {
		t.Errorf("%d bytes of %d did not fit into %d", len(frame), plain.Size(), cap(fast.buf))
	}
	checkLZ4Frame(t, frame[HeaderSize:], plain.buf[HeaderSize:])
}

// lz4Packets returns packets of different exporters with so many records each.
func lz4Packets(records ...int) []lz4Packet {
	packets := make([]lz4Packet, len(records))
	for i, n := range records {
		packets[i] = lz4Packet{from: flowtest.Exporter(uint64(i)), packet: flowtest.Packet(uint64(i), n)}
	}
	return packets
}

// lz4Changed is lz4Packets of 30 records with one thing changed.
func lz4Changed(change func(i int, p *lz4Packet)) []lz4Packet {
	packets := lz4Packets(30, 30, 30, 30)
	for i := range packets {
		change(i, &packets[i])
	}
	return packets
}

// TestLZ4FastDiffersNot: uncompressed, a batch written in LZ4 is byte for byte
// the one that is not.
func TestLZ4FastDiffersNot(t *testing.T) {
	t.Parallel()
	many := make([]int, 3000)
	for i := range many {
		many[i] = 1 + i/2998*29
	}
	_, _, largest := largestPacket()
	tests := map[string][]lz4Packet{
		"no records":         {},
		"one record":         lz4Packets(1),
		"two":                lz4Packets(2),
		"of one record each": lz4Packets(1, 1, 1, 1, 1, 1, 1),
		"routers'":           lz4Packets(30, 30, 30, 30, 30, 7, 1, 2, 30),
		"largest datagram":   lz4Packets(30, 1364, 30, 1364),
		"one run of 400 KiB": lz4Packets(many...),
		"largest values":     {{flowtest.Exporter(1), largest, false}},
		"staged":             lz4Changed(func(_ int, p *lz4Packet) { p.staged = true }),
		"some staged":        lz4Changed(func(i int, p *lz4Packet) { p.staged = i%2 == 0 }),
		"IPv6": lz4Changed(func(i int, p *lz4Packet) {
			hosts := []string{"::1", "2001:db8::11:22", "2001:db8:1::22:3333:4444", "2001:db8:1111:2222:3333:4444:5555:6666"}
			p.from = netip.AddrPortFrom(netip.MustParseAddr(hosts[i]), uint16(i))
		}),
		"names of exporters": lz4Changed(func(i int, p *lz4Packet) {
			p.packet.Annotation = &decoder.Annotation{Name: strings.Repeat("n", i*decoder.MaxExporterName/3), SamplingOverride: uint32(i) * 1000}
		}),
		"largest values, and a name": {{flowtest.Exporter(1), func() *decoder.ExportPacket {
			p := *largest
			p.Annotation = &decoder.Annotation{Name: strings.Repeat(`"`, decoder.MaxExporterName), SamplingOverride: math.MaxUint32}
			return &p
		}(), false}},
		"no exporter":  lz4Changed(func(_ int, p *lz4Packet) { p.from = netip.AddrPort{} }),
		"empty header": lz4Changed(func(_ int, p *lz4Packet) { p.packet.Header = decoder.Header{} }),
		"the least": lz4Changed(func(_ int, p *lz4Packet) {
			p.packet.Header = decoder.Header{}
			for i, r := range p.packet.Records {
				p.packet.Records[i] = decoder.Record{
					SourceAddress: r.SourceAddress, DestinationAddress: r.DestinationAddress, NextHop: r.NextHop,
					StartTime: r.StartTime, EndTime: r.EndTime,
				}
			}
		}),
		"empty records": lz4Changed(func(_ int, p *lz4Packet) { p.packet = &decoder.ExportPacket{Records: make([]decoder.Record, 30)} }),
		"some times unset": lz4Changed(func(i int, p *lz4Packet) {
			p.packet.Records[i].StartTime = 0
			p.packet.Records[29-i].EndTime = 0
		}),
		"some IPv6 records": lz4Changed(func(i int, p *lz4Packet) {
			p.packet.Records[10+i].NextHop = netip.IPv6Loopback()
		}),
		"some short messages": lz4Changed(func(i int, p *lz4Packet) {
			for j := range p.packet.Records {
				if r := &p.packet.Records[j]; (j+i)%3 == 0 {
					*r = decoder.Record{
						SourceAddress: r.SourceAddress, DestinationAddress: r.DestinationAddress, NextHop: r.NextHop,
						StartTime: r.StartTime, EndTime: r.EndTime,
					}
				}
			}
		}),
		"some large counters": lz4Changed(func(i int, p *lz4Packet) { p.packet.Records[i].Packets = 1 << 49 }),
	}
	for name, packets := range tests {
		for _, f := range framings {
			t.Run(f.Value.String()+" "+name, func(t *testing.T) {
				t.Parallel()
				fast, plain := fillBatches(t, f, packets)
				checkBatches(t, fast, plain)
			})
		}
	}
}

// TestLZ4FastDeltas does the same for all sizes of timestamp and offset.
func TestLZ4FastDeltas(t *testing.T) {
	t.Parallel()
	var e Encoder
	e.Reset(flowtest.Exporter(1), flowtest.Time, flowtest.Packet(1, 3))
	for _, v := range borders() {
		for _, timestamp := range []int64{int64(v), -int64(v), int64(v >> 1)} {
			for _, offset := range []int{0, 62, 1<<13 - 2, 1<<20 - 2, 1 << 20} {
				var plain []byte
				for i := range 3 {
					plain = appendFramed(plain, e.Key(), e.appendValue(nil, i), e.Framing.headers(), timestamp, offset+i)
				}
				var z lz4Block
				b := z.appendPacket(z.begin(make([]byte, 0, lz4Room(3*maxRecordSize+windowSize))), &e, 0, e.Records(), timestamp, offset)
				if got, err := strictLZ4(z.finish(b, 0)); err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("deltas %d and %d: got\n%x, %v; want\n%x", timestamp, offset, got, err, plain)
				}
			}
		}
	}
}

// TestLZ4Lengths has runs and matches of all lengths at which another byte is
// needed.
func TestLZ4Lengths(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{7})
	noise := make([]byte, 2000)
	random.Read(noise)
	var lengths []int
	for _, border := range []int{15, 15 + 255, 15 + 2*255, 15 + 5*255} {
		for n := border - 15; n < border+10; n++ { // the rest of a record is literals, too
			lengths = append(lengths, n)
		}
	}
	for _, n := range lengths {
		for _, repeated := range lengths {
			var z lz4Block
			first := noise[:repeated]
			second := append(bytes.Clone(first), noise[2000-n:]...)
			plain := appendFramed(appendFramed(appendFramed(nil, nil, first, noHeaders, 0, 0), nil, second, noHeaders, 0, 1), nil, second, noHeaders, 0, 2)
			b := z.begin(make([]byte, 0, lz4Room(len(plain))))
			b = z.appendFramed(b, nil, first, noHeaders, 0, 0, 0, 0)
			b = z.appendFramed(b, nil, second, noHeaders, 0, repeated, 0, 1)
			b = z.appendFramed(b, nil, second, noHeaders, 0, repeated, 0, 2)
			if got, err := strictLZ4(z.finish(b, 0)); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d literals after a match of %d: %d bytes, %v; want %d", n, repeated, len(got), err, len(plain))
			}
		}
	}
}

// TestLZ4Distance: a match does not reach further than its two bytes.
func TestLZ4Distance(t *testing.T) {
	t.Parallel()
	value := append(make([]byte, 0, 70_000), "a beginning that is worth a match "...)
	for _, n := range []int{65_000, 65_527, 65_528, 65_529, 65_530, 70_000} {
		long := value[:n]
		plain := appendFramed(appendFramed(nil, nil, long, noHeaders, 0, 0), nil, value, noHeaders, 0, 1)
		var z lz4Block
		b := z.begin(make([]byte, 0, lz4Room(len(plain))))
		b = z.appendFramed(b, nil, long, noHeaders, 0, 0, 0, 0)
		b = z.appendFramed(b, nil, value, noHeaders, 0, len(value)-lz4MinLast, 0, 1)
		if got, err := strictLZ4(z.finish(b, 0)); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%d bytes: %d bytes, %v; want %d", n, len(got), err, len(plain))
		}
	}
}

// TestLZ4FastShrinks holds the codec to its promise.
func TestLZ4FastShrinks(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		fast, plain := fillBatches(t, f, lz4Packets(30, 30, 30, 30, 30, 30, 30, 30, 30, 30))
		leads := fast.records * f.leadSize() // stay as they are
		if frame := fast.lz4.finish(fast.buf, HeaderSize); (len(frame)-leads)*100 > (plain.Size()-leads)*65 {
			t.Errorf("%v: %d bytes of %d, want 65 %% at most, besides %d of leads", f.Value, len(frame), plain.Size(), leads)
		}
	}
}

// TestLZ4Headers checks the frames of blocks of all sizes, and that they are no
// larger than they need to be. A record takes 11 bytes besides its value; with
// 64 KiB in all the block is larger than that.
func TestLZ4Headers(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{3}).Read(noise)
	for n, size := range map[int]byte{
		1 << 10: 4, 60 << 10: 4, 64<<10 - 11: 5, 64 << 10: 5, 200 << 10: 5, 256 << 10: 6, 1000 << 10: 6, 1 << 20: 7,
	} {
		var z lz4Block
		plain := appendFramed(nil, nil, noise[:n], noHeaders, 0, 0)
		b := z.begin(make([]byte, 0, lz4Room(len(plain))))
		frame := z.finish(z.appendFramed(b, nil, noise[:n], noHeaders, 0, 0, 0, 0), 0)
		if frame[5]>>4 != size {
			t.Errorf("%d bytes: block size is %d, want %d", n, frame[5]>>4, size)
		}
		checkLZ4Frame(t, frame, plain)
	}
}

// TestLZ4FastSeal: a batch written in LZ4 is an LZ4 batch to its readers, in a
// buffer that fits, and can be split; if it is no smaller for that it is plain.
func TestLZ4FastSeal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		records []int
		codec   byte
	}{{[]int{30, 30, 30}, 3}, {[]int{1364}, 3}, {[]int{1}, 0}, {[]int{1, 1, 1}, 0}} {
		fast, plain := fillBatches(t, Framing{}, lz4Packets(tt.records...))
		var m testMemory
		fast.Move(m.take(900 << 10))
		fast.Shut()
		s := NewSealer(CompressionLZ4Fast)
		s.Seal(&m, fast)
		if !fast.sealed || fast.buf[22] != tt.codec || len(fast.buf) > plain.Size() || cap(fast.buf) > 256<<10 || m.held != cap(fast.buf) {
			t.Errorf("%v: sealed %v, codec %d, %d bytes of %d, holds %d, charged %d", tt.records,
				fast.sealed, fast.buf[22], len(fast.buf), plain.Size(), cap(fast.buf), m.held)
		}
		completeBatch(plain.buf, plain.header(CompressionNone))
		want := readBatch(t, plain.buf)
		compareRecords(t, "sealed", readBatch(t, fast.buf), want)
		if fast.records == 1 {
			continue
		}
		second, err := s.Split(&m, fast)
		if err != nil {
			t.Fatal(err)
		}
		if tt.codec == 3 && (fast.buf[22] != 3 || second.buf[22] != 3) {
			t.Errorf("%v: codecs of the halves are %d and %d", tt.records, fast.buf[22], second.buf[22])
		}
		got := readBatch(t, fast.buf)
		for _, r := range readBatch(t, second.buf) {
			r.offset += int64(fast.records)
			got = append(got, r)
		}
		compareRecords(t, "split", got, want)
	}
}

func TestLZ4FastAllocations(t *testing.T) {
	packets := lz4Packets(30, 30, 30)
	buf := make([]byte, 0, lz4Room(100*maxRecordSize+windowSize))
	n := testing.AllocsPerRun(10, func() {
		var z lz4Block
		b := z.begin(buf)
		for i, p := range packets {
			var e Encoder
			e.Reset(p.from, flowtest.Time, p.packet)
			b = z.appendPacket(b, &e, 0, e.Records(), 5, i*30)
		}
		z.finish(b, 0)
	})
	if n > 0 {
		t.Errorf("writing a block allocates %v times", n)
	}
}

// FuzzLZ4Fast holds batches written in LZ4 to plain ones, for any packets, and
// their frames to three readers.
func FuzzLZ4Fast(f *testing.F) {
	for _, fill := range []byte{0x00, 0x01, 0x03, 0x7f, 0x80, 0xff} {
		f.Add(bytes.Repeat([]byte{fill}, 1200), fill)
	}
	counting := make([]byte, 3000)
	for i := range counting {
		counting[i] = byte(i * i >> 3)
	}
	f.Add(counting, uint8(0b10100))
	f.Add(bytes.Repeat([]byte{4, 5, 0}, 500), uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, staged uint8) {
		source := fuzzSource(data)
		var packets []lz4Packet
		for i := 0; i < 8 && len(source) > 0; i++ {
			p := lz4Packet{netip.AddrPortFrom(source.address(), uint16(source.uint(2))), source.packet(), staged>>i&1 != 0}
			if source.uint(1)%2 == 0 { // as routers send them
				p.packet.Records = append(p.packet.Records, flowtest.Packet(uint64(i), int(source.uint(1)%20)).Records...)
			}
			packets = append(packets, p)
		}
		for _, f := range framings {
			fast, plain := fillBatches(t, f, packets)
			checkBatches(t, fast, plain)
		}
	})
}
