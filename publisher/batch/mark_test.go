package batch

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
	"github.com/flowpub/flowpub/internal/testwait"
	"github.com/flowpub/flowpub/publisher/zstdframe"
)

// trafficKinds are kinds of packets whose records have their parts in different places.
var trafficKinds = map[string]func(*decoder.ExportPacket){
	"IPv4":     func(*decoder.ExportPacket) {},
	"IPv6":     asIPv6,
	"extended": func(p *decoder.ExportPacket) { extendIn(p, make([]decoder.Extension, len(p.Records))) },
	"annotated": func(p *decoder.ExportPacket) {
		p.Annotation = &decoder.Annotation{Name: strings.Repeat("n", int(p.FlowSequence)%(decoder.MaxExporterName+1)), SamplingOverride: 1000}
	},
	"annotated most": func(p *decoder.ExportPacket) {
		_, _, largest := largestPacket()
		p.Header = largest.Header
		p.Annotation = &decoder.Annotation{Name: strings.Repeat("n", decoder.MaxExporterName), SamplingOverride: 1 << 31}
	},
	"no times": func(p *decoder.ExportPacket) {
		extendIn(p, make([]decoder.Extension, len(p.Records)))
		for i := range p.Records {
			r := &p.Records[i]
			r.StartTime, r.EndTime, r.FirstUptime, r.LastUptime = 0, 0, 0, 0
		}
	},
	"one time": func(p *decoder.ExportPacket) {
		for i := range p.Records {
			p.Records[i].StartTime = 0
		}
	},
	"mixed": func(p *decoder.ExportPacket) {
		asIPv6(p)
		for i := range p.Records {
			switch i % 4 {
			case 0:
				p.Records[i].SourceAddress = netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			case 1:
				p.Records[i].DestinationAddress, p.Records[i].NextHop = netip.Addr{}, netip.Addr{}
			case 2:
				p.Records[i].EndTime = p.Records[i].StartTime
				p.Records[i].LastUptime = p.Records[i].FirstUptime
			}
		}
	},
}

// trafficBatch fills a batch with packets of a kind, each of 30 records, as a partition
// does: in buffers that grow.
func trafficBatch(m *testMemory, c Compression, f Framing, packets int, change func(*decoder.ExportPacket)) *Batch {
	b := Open(m.take(Room(c, 0)), c)
	for i := range packets {
		p := flowtest.Packet(uint64(i), benchRecords)
		change(p)
		e := Encoder{Framing: f}
		e.Reset(flowtest.Exporter(uint64(i%3)), flowtest.Received(uint64(i)), p)
		for from := 0; from < benchRecords; {
			to := min(from+1+i%benchRecords, benchRecords)
			if room := b.Room(e.MaxSize(from, to)); !b.Has(room) {
				m.Give(b.Move(m.take(room)))
			}
			b.Append(&e, from, to)
			from = to
		}
	}
	b.Shut()
	return &b
}

// Whatever is marked in a batch, a reader that is not ours gets what a batch without
// compression has.
func TestMarkedBatches(t *testing.T) {
	t.Parallel()
	for name, change := range trafficKinds {
		for _, f := range framings {
			t.Run(fmt.Sprint(name, "/", f.Value), func(t *testing.T) {
				t.Parallel()
				var m testMemory
				plain, packed := NewSealer(CompressionNone), NewSealer(CompressionZstdFast)
				for _, packets := range []int{1, testwait.Fewer(10, 40)} {
					want, got := trafficBatch(&m, CompressionNone, f, packets, change), trafficBatch(&m, CompressionZstdFast, f, packets, change)
					_, known := got.appendMarks(nil)
					if got.Size() != want.Size() {
						t.Errorf("the size is %d, want %d: marks do not count", got.Size(), want.Size())
					}
					plain.Seal(&m, want)
					packed.Seal(&m, got)
					if !slices.Equal(readBatch(t, got.buf), readBatch(t, want.buf)) {
						t.Fatalf("%d packets: the records differ", packets)
					}
					// Values below 128 bytes are not written by the fast way if they are delimited.
					small := name == "no times" && f.Value == ValueProtobufDelimited
					if marked := f.Value != ValueJSON; !small && ((packed.zstd != nil) != marked || (known == packets*benchRecords) != marked) {
						t.Errorf("%d of %d records are marked", known, packets*benchRecords)
					}
				}
			})
		}
	}
}

// What the marks say is where the parts of records are.
func TestMarksAreTrue(t *testing.T) {
	t.Parallel()
	for name, change := range trafficKinds {
		for _, f := range framings {
			if f.Value == ValueJSON {
				continue
			}
			var m testMemory
			b := trafficBatch(&m, CompressionZstdFast, f, 3, change)
			marks, _ := b.appendMarks(nil)
			body := b.buf[HeaderSize:]
			for i, mark := range marks {
				p := flowtest.Packet(uint64(i/benchRecords), benchRecords)
				change(p)
				r := &p.Records[i%benchRecords]
				record := body[mark.Start:]
				if mark.Fields == 0 {
					continue // TestMarkedBatches counts those
				}
				key := record[mark.Key:]
				if want := flowtest.Exporter(uint64(i / benchRecords % 3)).Addr().String(); int(key[0])/2 != len(want) || string(key[1:1+len(want)]) != want {
					t.Fatalf("%s, %v: record %d has the key % x, want %s", name, f.Value, i, key[:16], want)
				}
				wantMarked(t, fmt.Sprintf("%s, %v: record %d", name, f.Value, i), record, &mark, r)
				if first := i%benchRecords == 0; first != mark.First {
					t.Errorf("%s: record %d: first is %v", name, i, mark.First)
				}
			}
		}
	}
}

func wantMarked(t *testing.T, name string, record []byte, m *zstdframe.Mark, r *decoder.Record) {
	t.Helper()
	if record[m.Message] != fieldFormat<<3 || record[m.Fields] != fieldRecordIndex<<3 && record[m.Fields] == 0 {
		t.Errorf("%s: message begins with %#x", name, record[m.Message])
	}
	if m.AddressSize == 0 {
		if r.SourceAddress.IsValid() && r.DestinationAddress.IsValid() && r.SourceAddress.Is4() == r.DestinationAddress.Is4() {
			t.Errorf("%s: the addresses are not marked", name)
		}
		return
	}
	source, destination := r.SourceAddress.AsSlice(), r.DestinationAddress.AsSlice()
	if n := len(source); int(m.AddressSize) != n || !bytes.Equal(record[m.SourceAddress:][:n], source) || !bytes.Equal(record[m.Destination:][:n], destination) {
		t.Errorf("%s: addresses of %d bytes at %d and %d are not there", name, m.AddressSize, m.SourceAddress, m.Destination)
	}
	if r.TCPFlags != 0 && record[m.Header] != fieldTCPFlags<<3 {
		t.Errorf("%s: the flags are not at %d", name, m.Header)
	}
	if m.StartTime == 0 {
		if r.StartTime != 0 && r.EndTime != 0 {
			t.Errorf("%s: the times are not marked", name)
		}
		return
	}
	for i := range 8 {
		if record[int(m.StartTime)+i] != byte(r.StartTime>>(8*i)) || record[int(m.EndTime)+i] != byte(r.EndTime>>(8*i)) {
			t.Errorf("%s: times at %d and %d are not there", name, m.StartTime, m.EndTime)
			return
		}
	}
}

// Records that waited for their partition have no marks, and are compressed as others are.
func TestStagedRecordsHaveNoMarks(t *testing.T) {
	t.Parallel()
	var m testMemory
	packet := flowtest.Packet(1, benchRecords)
	var e Encoder
	e.Reset(flowtest.Exporter(1), flowtest.Time, packet)
	messages := e.AppendMessages(nil, 0, benchRecords)
	staged := Staged{Timestamp: e.Timestamp(), Key: e.Key(), Records: benchRecords, Messages: messages}
	b := Open(m.take(Room(CompressionZstdFast, staged.MaxSize(Framing{})+e.MaxSize(0, 5))), CompressionZstdFast)
	b.AppendStaged(staged, Framing{})
	b.Append(&e, 0, 5)
	b.Shut()
	s := NewSealer(CompressionZstdFast)
	s.Seal(&m, &b)
	if got := len(readBatch(t, b.buf)); got != benchRecords+5 || s.zstd != nil {
		t.Errorf("%d records, want %d; a frame of marked records: %v", got, benchRecords+5, s.zstd != nil)
	}
}

// Marked records take not much more than those in which a codec searched for everything.
func TestMarkedSize(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"IPv4", "IPv6", "extended", "no times"} {
		for packets, most := range map[int]int{2: 120, 110: 112} {
			if kind == "no times" {
				most += 9 // a third less to begin with
			}
			var m testMemory
			b := trafficBatch(&m, CompressionZstdFast, Framing{}, packets, trafficKinds[kind])
			searched, err := newCompressor(CompressionZstd).compress(nil, b.buf[HeaderSize:])
			if err != nil {
				t.Fatal(err)
			}
			NewSealer(CompressionZstdFast).Seal(&m, b)
			size := len(b.buf) - HeaderSize
			t.Logf("%s, %d packets: %d bytes, %d by searching, %d %%", kind, packets, size, len(searched), 100*size/len(searched))
			if 100*size > most*len(searched) {
				t.Errorf("%s, %d packets: %d bytes, above %d %% of %d", kind, packets, size, most, len(searched))
			}
		}
	}
}
