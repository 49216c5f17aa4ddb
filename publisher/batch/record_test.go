package batch

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/flowtest"
	"github.com/flowpub/flowpub/internal/testwait"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// goldenPacket holds a small number in every field, so that its encoding can be
// written down by hand.
func goldenPacket() (netip.AddrPort, decoder.UnixNano, *decoder.ExportPacket) {
	return netip.MustParseAddrPort("192.0.2.1:2055"), 0x1111111111111111, &decoder.ExportPacket{
		Header: decoder.Header{
			Format: decoder.FormatNetFlowV5, Count: 2, SystemUptime: 25, ExportSeconds: 1, ExportNanoseconds: 2,
			FlowSequence: 300, EngineType: 21, EngineID: 22, SamplingMode: 2, SamplingInterval: 24,
			Anomalies: decoder.AnomalyCountAbovePresent,
		},
		Records: []decoder.Record{{
			SourceAddress:      netip.MustParseAddr("10.0.0.1"),
			DestinationAddress: netip.MustParseAddr("10.0.0.2"),
			NextHop:            netip.MustParseAddr("0.0.0.0"),
			Packets:            6, Octets: 128, StartTime: 8, EndTime: 9, FirstUptime: 28, LastUptime: 29,
			InputInterface: 10, OutputInterface: 11, SourceAS: 31, DestinationAS: 65535,
			Anomalies: decoder.AnomalyStartAfterEnd, SourcePort: 3, DestinationPort: 443, Protocol: 17,
			TCPFlags: 0xff, TOS: 13, SourcePrefixLength: 33, DestinationPrefixLength: 34,
		}},
	}
}

// goldenValue is goldenPacket's record by hand, after the encoding's rules: tag =
// field number * 8 + wire type, numbers in groups of 7 bits.
const goldenValue = `
	d001 05                     26 format
	8201 04 c0000201            16 exporter_address
	d801 8710                   27 exporter_port: 2055 = 16 * 128 + 7
	a801 15                     21 engine_type
	b001 16                     22 engine_id
	b801 02                     23 sampling_mode
	c001 18                     24 sampling_interval
	8901 1111111111111111       17 receive_time_ns
	9101 02ca9a3b00000000       18 export_time_ns: 1,000,000,002
	c801 19                     25 system_uptime_ms
	9801 ac02                   19 flow_sequence: 300 = 2 * 128 + 44
	a001 01                     20 record_count
	9802 02                     35 header_count
	f001 8101                   30 anomalies: 1 + 128 (record_index is 0)
	e001 1c                     28 first_uptime_ms
	41 0800000000000000          8 start_time_ns
	e801 1d                     29 last_uptime_ms
	49 0900000000000000          9 end_time_ns
	30 06                        6 packets
	38 8001                      7 octets: 128
	60 ff01                     12 tcp_flags: 255 = 1 * 128 + 127
	28 11                        5 protocol
	68 0d                       13 tos
	18 03                        3 source_port
	20 bb03                      4 destination_port: 443 = 3 * 128 + 59
	f801 1f                     31 source_as
	8802 21                     33 source_prefix_length
	0a 04 0a000001               1 source_address
	50 0a                       10 input_interface
	58 0b                       11 output_interface
	72 04 00000000              14 next_hop
	12 04 0a000002               2 destination_address
	9002 22                     34 destination_prefix_length
	8002 ffff03                 32 destination_as: 65535 = 3 * 16384 + 127 * 128 + 127
`

// bytesOf reads the hexadecimal digits of golden data: of each line what comes
// before two spaces.
func bytesOf(t *testing.T, golden string) []byte {
	t.Helper()
	var b []byte
	for line := range strings.Lines(golden) {
		digits, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		line, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, line...)
	}
	return b
}

func TestAppendValueGolden(t *testing.T) {
	t.Parallel()
	var e Encoder
	e.Reset(goldenPacket())
	if got, want := e.appendValue(nil, 0), bytesOf(t, goldenValue); !bytes.Equal(got, want) {
		t.Errorf("got\n%x, want\n%x", got, want)
	}
}

// TestAppendRecordGolden frames the same value, which has 140 bytes.
func TestAppendRecordGolden(t *testing.T) {
	t.Parallel()
	want := bytesOf(t, `
		ba02          length 157: what follows
		00            attributes
		c801          timestamp delta 100
		06            offset delta 3
		12            key length 9
		3139322e302e322e31
		9802          value length 140`+goldenValue+`
		00            no headers`)
	var e Encoder
	e.Reset(goldenPacket())
	for name, appendRecord := range map[string]func([]byte, int, int64, int) []byte{"common": e.appendRecord, "general": e.appendUncommon} {
		got := appendRecord(append(make([]byte, 0, 6+maxRecordSize+windowSize), "before"...), 0, 100, 3)
		if !bytes.Equal(got, append([]byte("before"), want...)) {
			t.Errorf("%s path: got\n%x, want\n%x", name, got[6:], want)
		}
	}
	if got := appendFramed(nil, []byte("192.0.2.1"), bytesOf(t, goldenValue), noHeaders, 100, 3); !bytes.Equal(got, want) {
		t.Errorf("appendFramed: got\n%x, want\n%x", got, want)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		from    netip.Addr
		key     string
		address []byte
	}{
		"IPv4":        {netip.MustParseAddr("192.0.2.1"), "192.0.2.1", []byte{192, 0, 2, 1}},
		"IPv4-mapped": {netip.MustParseAddr("::ffff:192.0.2.1"), "192.0.2.1", []byte{192, 0, 2, 1}},
		"IPv6":        {netip.MustParseAddr("2001:db8::1"), "2001:db8::1", []byte("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")},
		"zone":        {netip.MustParseAddr("fe80::1%eth0"), "fe80::1", []byte("\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")},
		"longest": {netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666"), "2001:db8:1111:2222:3333:4444:5555:6666",
			[]byte("\x20\x01\x0d\xb8\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66\x66")},
		"none": {netip.Addr{}, "", nil},
	}
	for name, tt := range tests {
		var e Encoder
		e.Reset(netip.AddrPortFrom(tt.from, 1), flowtest.Time, flowtest.Packet(1, 1))
		if got := string(e.Key()); got != tt.key {
			t.Errorf("%s: key is %q, want %q", name, got, tt.key)
		}
		var m flowv1.FlowRecord
		if err := proto.Unmarshal(e.appendValue(nil, 0), &m); err != nil || !bytes.Equal(m.GetExporterAddress(), tt.address) {
			t.Errorf("%s: exporter address is %x, %v; want %x", name, m.GetExporterAddress(), err, tt.address)
		}
	}
}

func TestResetTimestamp(t *testing.T) {
	t.Parallel()
	var e Encoder
	e.Reset(flowtest.Exporter(1), 1_767_225_600_123_999_999, flowtest.Packet(1, 1))
	if want := int64(1_767_225_600_123); e.timestamp != want {
		t.Errorf("timestamp is %d ms, want %d", e.timestamp, want)
	}
}

// largestPacket has the largest value in every field that differs between
// records and in every field of the packet.
func largestPacket() (netip.AddrPort, decoder.UnixNano, *decoder.ExportPacket) {
	address := netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	p := &decoder.ExportPacket{
		Header: decoder.Header{
			Format: math.MaxUint8, Count: math.MaxUint32, SystemUptime: math.MaxUint32, ExportSeconds: math.MaxUint32,
			ExportNanoseconds: math.MaxUint32, FlowSequence: math.MaxUint32, EngineType: math.MaxUint8,
			EngineID: math.MaxUint8, SamplingMode: math.MaxUint8, SamplingInterval: math.MaxUint16, Anomalies: math.MaxUint32,
			ObservationDomain: math.MaxUint32, AgentAddress: address,
		},
		Records: make([]decoder.Record, 2000),
	}
	for i := range p.Records {
		p.Records[i] = decoder.Record{
			SourceAddress: address, DestinationAddress: address, NextHop: address,
			Packets: math.MaxUint64, Octets: math.MaxUint64, StartTime: math.MaxUint64, EndTime: math.MaxUint64,
			FirstUptime: math.MaxUint32, LastUptime: math.MaxUint32, InputInterface: math.MaxUint32,
			OutputInterface: math.MaxUint32, SourceAS: math.MaxUint32, DestinationAS: math.MaxUint32,
			Anomalies: math.MaxUint32, SourcePort: math.MaxUint16, DestinationPort: math.MaxUint16,
			Protocol: math.MaxUint8, TCPFlags: math.MaxUint16, TOS: math.MaxUint8,
			SourcePrefixLength: math.MaxUint8, DestinationPrefixLength: math.MaxUint8,
		}
	}
	return netip.AddrPortFrom(address, math.MaxUint16), math.MaxUint64, p
}

// TestMaxRecordSize: the largest record fits, and not by far: a record count and
// an index of 2000 take two bytes where the bound has five, and the lengths of record
// and value two where it has three. TestMaxJSONSize has what is spared in JSON.
func TestMaxRecordSize(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		spared := 2 + 2*3 + maxLeadSize - f.leadSize()
		if f.Value == ValueJSON {
			spared = 2 + 24 + 2*6
		}
		e := Encoder{Framing: f}
		e.Reset(largestPacket())
		most := e.maxRecordSize()
		if f.Headers != "" {
			spared++ // for no headers
		}
		if got := len(e.appendRecord(make([]byte, 0, most+windowSize), 1999, math.MinInt64, math.MaxInt32)); got != most-spared {
			t.Errorf("%v: largest record has %d bytes, want %d", f.Value, got, most-spared)
		}
	}
}

// TestMaxAnnotation: the largest takes what the bounds have for it, and of a longer
// name no more is published.
func TestMaxAnnotation(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		from, received, p := largestPacket()
		plain := Encoder{Framing: f}
		plain.Reset(from, received, p)
		e := Encoder{Framing: f}
		for _, longer := range []int{0, 100} {
			p.Annotation = &decoder.Annotation{Name: strings.Repeat(`"`, decoder.MaxExporterName+longer), SamplingOverride: math.MaxUint32}
			e.Reset(from, received, p)
			most := maxAnnotation
			if f.Value == ValueJSON {
				most = maxJSONAnnotation
			}
			if got := len(e.appendMessage(nil, 0)) - len(plain.appendMessage(nil, 0)); got != most {
				t.Errorf("%v: the largest annotation takes %d bytes, want %d", f.Value, got, most)
			}
			if got := e.MaxSize(0, 2) - plain.MaxSize(0, 2); got != 2*most {
				t.Errorf("%v: the bound of two records is larger by %d, want %d", f.Value, got, 2*most)
			}
		}
		p.Annotation = nil
		if e.Reset(from, received, p); e.MaxSize(0, 1) != plain.MaxSize(0, 1) {
			t.Errorf("%v: the bound remembers the annotation", f.Value)
		}
	}
}

// The fields of an annotation, by hand: tag and number, tag, length and text.
func TestAnnotationGolden(t *testing.T) {
	t.Parallel()
	a := &decoder.Annotation{Name: `core "1"`, SamplingOverride: 1000}
	if got, want := string(appendAnnotation(nil, a)), "\x88\x06\xe8\x07\x92\x06\x08core \"1\""; got != want {
		t.Errorf("got %x, want %x", got, want)
	}
	if got, want := string(appendJSONAnnotation(nil, a)), `,"samplingOverride":1000,"exporterName":"core \"1\""`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	none := &decoder.Annotation{}
	if got := string(appendJSONAnnotation(appendAnnotation(nil, none), none)); got != "" {
		t.Errorf("nothing is known, and that is %q", got)
	}
}

// TestAppendRecordRoom: with the room it asks for appendRecord stays in place,
// and it touches nothing beyond.
func TestAppendRecordRoom(t *testing.T) {
	t.Parallel()
	for name, packet := range map[string]*decoder.ExportPacket{"common": flowtest.Packet(1, 30), "empty": {Records: make([]decoder.Record, 1)}} {
		for _, f := range framings {
			room := f.Value.maxRecordSize() + len(f.Headers) + windowSize
			buf := bytes.Repeat([]byte{0xee}, room+16)
			e := Encoder{Framing: f}
			e.Reset(flowtest.Exporter(1), flowtest.Time, packet)
			got := e.appendRecord(buf[:0:room], len(packet.Records)-1, 1, 1)
			if &got[0] != &buf[0] || !bytes.Equal(buf[room:], bytes.Repeat([]byte{0xee}, 16)) {
				t.Errorf("%v, %s: the record was moved, or bytes behind its room written", f.Value, name)
			}
		}
	}
}

func TestEncodeAllocations(t *testing.T) {
	common := flowtest.Packet(1, 30)
	from, received, general := largestPacket()
	for _, f := range framings {
		buf := make([]byte, 0, len(general.Records)*(f.Value.maxRecordSize()+len(f.Headers))+windowSize)
		n := testing.AllocsPerRun(10, func() {
			for _, p := range []*decoder.ExportPacket{common, general} {
				e := Encoder{Framing: f}
				e.Reset(from, received, p)
				b := buf
				for i := range p.Records {
					b = e.appendRecord(b, i, 1, i)
				}
			}
		})
		if n > 0 {
			t.Errorf("%v: encoding allocates %v times", f.Value, n)
		}
	}
}

// borders are values next to those at which a varint gets longer, and the one
// at which the common path ends.
func borders() []uint64 {
	values := []uint64{0, math.MaxUint64, 0x0123_4567_89ab_cdef, 1<<48 - 1, 1 << 49}
	for bit := 7; bit < 64; bit += 7 {
		values = append(values, 1<<bit-1, 1<<bit)
	}
	for _, bits := range []int{8, 16, 32} {
		values = append(values, 1<<bits-1)
	}
	return values
}

// TestAppendRecordPaths takes a packet as routers send them and puts border
// values into one place after the other: both paths must agree with each other
// and with generated code.
func TestAppendRecordPaths(t *testing.T) {
	t.Parallel()
	fields := map[string]func(p *decoder.ExportPacket, r *decoder.Record, v uint64){
		"none":      func(*decoder.ExportPacket, *decoder.Record, uint64) {},
		"format":    func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) { p.Format = decoder.Format(v) },
		"count":     func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) { p.Count = uint32(v) },
		"sequence":  func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) { p.FlowSequence = uint32(v) },
		"sampling":  func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) { p.SamplingInterval = uint16(v) },
		"no header": func(p *decoder.ExportPacket, _ *decoder.Record, _ uint64) { p.Header = decoder.Header{} },
		"full header": func(p *decoder.ExportPacket, _ *decoder.Record, _ uint64) {
			_, _, full := largestPacket()
			p.Header = full.Header
		},
		"zones": func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) {
			r.SourceAddress = netip.MustParseAddr("fe80::1%" + strings.Repeat("z", 1+int(v%1000)))
			r.DestinationAddress, r.NextHop = r.SourceAddress, r.SourceAddress
		},
		"override": func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) {
			p.Annotation = &decoder.Annotation{SamplingOverride: uint32(v)}
		},
		"name": func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) {
			p.Annotation = &decoder.Annotation{Name: strings.Repeat(`"`, int(v%64))}
		},
		"full header, name and override": func(p *decoder.ExportPacket, _ *decoder.Record, v uint64) {
			_, _, full := largestPacket()
			p.Header = full.Header
			p.Annotation = &decoder.Annotation{Name: strings.Repeat(`\`, decoder.MaxExporterName), SamplingOverride: uint32(v)}
		},
		"anomalies":                 func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.Anomalies = decoder.Anomalies(v) },
		"source address":            func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.SourceAddress = borderAddress(v) },
		"destination address":       func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.DestinationAddress = borderAddress(v) },
		"next hop":                  func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.NextHop = borderAddress(v) },
		"packets":                   func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.Packets = v },
		"octets":                    func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.Octets = v },
		"both counters":             func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.Packets, r.Octets = v, v },
		"start":                     func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.StartTime = decoder.UnixNano(v) },
		"end":                       func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.EndTime = decoder.UnixNano(v) },
		"first uptime":              func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.FirstUptime = decoder.Uptime(v) },
		"last uptime":               func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.LastUptime = decoder.Uptime(v) },
		"input":                     func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.InputInterface = uint32(v) },
		"output":                    func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.OutputInterface = uint32(v) },
		"source AS":                 func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.SourceAS = uint32(v) },
		"destination AS":            func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.DestinationAS = uint32(v) },
		"source port":               func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.SourcePort = uint16(v) },
		"destination port":          func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.DestinationPort = uint16(v) },
		"protocol":                  func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.Protocol = uint8(v) },
		"TCP flags":                 func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.TCPFlags = uint16(v) },
		"TOS":                       func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.TOS = uint8(v) },
		"source prefix length":      func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.SourcePrefixLength = uint8(v) },
		"destination prefix length": func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) { r.DestinationPrefixLength = uint8(v) },
		"the least": func(p *decoder.ExportPacket, r *decoder.Record, _ uint64) {
			p.Header = decoder.Header{}
			*r = decoder.Record{
				SourceAddress: r.SourceAddress, DestinationAddress: r.DestinationAddress, NextHop: r.NextHop,
				StartTime: r.StartTime, EndTime: r.EndTime,
			}
		},
		"all numbers": func(_ *decoder.ExportPacket, r *decoder.Record, v uint64) {
			addresses := *r
			_, _, full := largestPacket()
			*r = full.Records[0]
			r.SourceAddress, r.DestinationAddress, r.NextHop = addresses.SourceAddress, addresses.DestinationAddress, addresses.NextHop
			r.Packets, r.Octets = v>>15, v>>15
		},
	}
	exporters := []netip.AddrPort{
		flowtest.Exporter(1), {}, netip.MustParseAddrPort("[2001:db8::1]:65535"),
		netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"),
	}
	for name, set := range fields {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, v := range testwait.Few(6, borders()) {
				for _, from := range exporters {
					received := flowtest.Time * decoder.UnixNano(i%2)
					p := flowtest.Packet(uint64(i), 2)
					set(p, &p.Records[1], v)
					for _, f := range framings {
						e := Encoder{Framing: f}
						e.Reset(from, received, p)
						value := e.appendValue(nil, 1)
						checkValue(t, f, value, flowtest.Message(from, received, p, 1))
						want := appendFramed(nil, e.Key(), value, e.Framing.headers(), 5, 5)
						if got := e.appendRecord(make([]byte, 0, e.MaxSize(1, 2)+windowSize), 1, 5, 5); !bytes.Equal(got, want) {
							t.Fatalf("%v, %#x from %v: got\n%x, want\n%x", f.Value, v, from, got, want)
						}
					}
				}
			}
		})
	}
}

// borderAddress returns no address, an IPv6 or an IPv4 address.
func borderAddress(v uint64) netip.Addr {
	switch {
	case v == 0:
		return netip.Addr{}
	case v>>32 != 0:
		return netip.AddrFrom16([16]byte{0: 0x20, 15: byte(v)})
	default:
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
}

// TestAppendRecordDeltas does the same for timestamp and offset.
func TestAppendRecordDeltas(t *testing.T) {
	t.Parallel()
	var e Encoder
	e.Reset(flowtest.Exporter(1), flowtest.Time, flowtest.Packet(1, 30))
	e.packet.Records[29].SourceAddress = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	for _, v := range borders() {
		for _, timestamp := range []int64{int64(v), -int64(v), int64(v >> 1)} {
			for _, offset := range []int{0, 1, 63, 64, 1<<13 - 1, 1 << 13, 1<<20 - 1, 1 << 20, math.MaxInt32} {
				want := appendFramed(nil, e.Key(), e.appendValue(nil, 29), e.Framing.headers(), timestamp, offset)
				got := e.appendRecord(make([]byte, 0, maxRecordSize+windowSize), 29, timestamp, offset)
				if !bytes.Equal(got, want) {
					t.Fatalf("deltas %d and %d: got\n%x, want\n%x", timestamp, offset, got, want)
				}
			}
		}
	}
}

// TestPutVarint compares with the standard library, for all that varint fields can
// hold on the common path.
func TestPutVarint(t *testing.T) {
	t.Parallel()
	for _, v := range borders() {
		v &= 1<<49 - 1
		var w window
		n := putVarint(&w, 0, v)
		if want := binary.AppendUvarint(nil, v); !bytes.Equal(w[:n], want) {
			t.Errorf("%#x is written as % x, want % x", v, w[:n], want)
		}
	}
}
