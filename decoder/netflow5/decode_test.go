package netflow5_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// layoutHex is a packet of one record, its fields in the order of Cisco's tables
// for version 5, all different; layoutPacket is what they say, worked out by
// hand.
const layoutHex = "" +
	// version, count; system uptime; seconds; nanoseconds
	"0005 0001" + "000f4240" + "665a6480" + "075bcd15" +
	// flow sequence; engine type, ID; sampling mode 2 and interval 100
	"01020304" + "05 06" + "8064" +
	// source, destination, next hop
	"c0000201" + "c6336402" + "cb007103" +
	// input, output interface; packets; octets
	"0708 090a" + "0b0c0d0e" + "0f101112" +
	// uptime at the first and the last packet
	"000f3e58" + "000f4178" +
	// source, destination port; padding, TCP flags, protocol, type of service
	"1314 1516" + "00 17 06 18" +
	// source, destination AS; prefix lengths; padding
	"191a 1b1c" + "1d 1e" + "0000"

func layoutPacket() decoder.ExportPacket {
	return decoder.ExportPacket{
		Header: decoder.Header{
			Format:            decoder.FormatNetFlowV5,
			Count:             1,
			DataRecords:       1,
			HasUptime:         true,
			SystemUptime:      1_000_000,
			ExportSeconds:     1_717_200_000, // 2024-06-01 00:00:00 UTC
			ExportNanoseconds: 123_456_789,
			FlowSequence:      16_909_060,
			EngineType:        5,
			EngineID:          6,
			SamplingMode:      2,
			SamplingInterval:  100,
		},
		Records: []decoder.Record{{
			SourceAddress:           netip.MustParseAddr("192.0.2.1"),
			DestinationAddress:      netip.MustParseAddr("198.51.100.2"),
			NextHop:                 netip.MustParseAddr("203.0.113.3"),
			Packets:                 185_339_150,
			Octets:                  252_711_186,
			StartTime:               1_717_199_999_123_456_789, // 1,000 ms before the export
			EndTime:                 1_717_199_999_923_456_789, // 200 ms before
			FirstUptime:             999_000,
			LastUptime:              999_800,
			InputInterface:          1_800,
			OutputInterface:         2_314,
			SourceAS:                6_426,
			DestinationAS:           6_940,
			SourcePort:              4_884,
			DestinationPort:         5_398,
			Protocol:                6,
			TCPFlags:                23,
			TOS:                     24,
			SourcePrefixLength:      29,
			DestinationPrefixLength: 30,
		}},
	}
}

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestDecodeLayout(t *testing.T) {
	t.Parallel()
	var got decoder.ExportPacket
	if err := netflow5.Decode(unhex(t, layoutHex), &got); err != nil {
		t.Fatal(err)
	}
	if want := layoutPacket(); !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n%+v, want\n%+v", got, want)
	}
}

// A verdict is what Decode says to a datagram.
type verdict struct {
	err       error
	records   int
	anomalies decoder.Anomalies
}

// verdictOf returns the verdict due to a packet of malformed.json, by what its
// kind means.
func verdictOf(t *testing.T, m malformedPacket) verdict {
	t.Helper()
	short := decoder.AnomalyCountAbovePresent
	switch m.Kind {
	case "short":
		return verdict{err: decoder.ErrShort}
	case "version":
		return verdict{err: decoder.ErrVersion}
	case "count_zero":
		return verdict{err: decoder.ErrNoRecords}
	case "trailing":
		return verdict{records: m.HeaderCount, anomalies: decoder.AnomalyTrailingBytes}
	case "count_over30":
		if m.HeaderCount == m.WholeRecords {
			return verdict{records: m.WholeRecords, anomalies: decoder.AnomalyCountAbove30}
		}
		return verdict{records: m.WholeRecords, anomalies: decoder.AnomalyCountAbove30 | short}
	case "count_gt", "partial":
		if m.WholeRecords == 0 {
			return verdict{err: decoder.ErrNoRecords}
		}
		if m.Kind == "partial" {
			short |= decoder.AnomalyPartialRecord
		}
		return verdict{records: m.WholeRecords, anomalies: short}
	case "huge", "noise", "foreign":
		return strayVerdict(m.Name)
	}
	t.Fatalf("kind %q is not one that malformed.json explains", m.Kind)
	return verdict{}
}

// strayVerdict returns the verdict due to what is hardly NetFlow: not version 5,
// save for those whose first bytes happen to be 0, 5.
func strayVerdict(name string) verdict {
	const noise = decoder.AnomalyCountAbove30 | decoder.AnomalyCountAbovePresent |
		decoder.AnomalyNanosecondsOutOfRange
	switch name {
	case "huge_65507_v5_count30":
		return verdict{records: 30, anomalies: decoder.AnomalyTrailingBytes}
	case "huge_65507_v5_count1363":
		return verdict{records: 1363, anomalies: decoder.AnomalyTrailingBytes | decoder.AnomalyCountAbove30}
	case "noise_v5hdr_72":
		return verdict{records: 1, anomalies: noise}
	case "noise_v5hdr_1464":
		return verdict{records: 30, anomalies: noise}
	case "dns_query_txid5":
		return verdict{err: decoder.ErrNoRecords}
	default:
		return verdict{err: decoder.ErrVersion}
	}
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	m := readMalformed(t)
	for _, packet := range m.Packets {
		t.Run(packet.Name, func(t *testing.T) {
			t.Parallel()
			checkVerdict(t, unhex(t, packet.Hex), verdictOf(t, packet))
		})
	}
	for _, control := range m.Controls {
		t.Run(control.Name, func(t *testing.T) {
			t.Parallel()
			checkVerdict(t, unhex(t, control.Hex), verdict{records: control.Records})
		})
	}
}

func checkVerdict(t *testing.T, payload []byte, want verdict) {
	t.Helper()
	p := layoutPacket() // must not show through
	err := netflow5.Decode(payload, &p)
	if !errors.Is(err, want.err) {
		t.Fatalf("error %v, want %v", err, want.err)
	}
	if len(p.Records) != want.records || p.Anomalies != want.anomalies {
		t.Fatalf("%d records with %v, want %d with %v", len(p.Records), p.Anomalies, want.records, want.anomalies)
	}
	if err != nil && p.Header != (decoder.Header{}) {
		t.Errorf("header %+v beside an error, want none", p.Header)
	}
	if err == nil {
		checkEncoding(t, payload, &p)
	}
}

// checkEncoding checks that p says what payload does up to its last whole
// announced record: encoded again it is the same, but for padding.
func checkEncoding(t *testing.T, payload []byte, p *decoder.ExportPacket) {
	t.Helper()
	again, err := netflow5.Append(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	if want := withoutPadding(payload, len(p.Records)); !bytes.Equal(again, want) {
		t.Errorf("encoded again:\n%x, want\n%x", again, want)
	}
}

// withoutPadding returns the header and n records of payload, padding zeroed:
// bytes 36, 46 and 47 of a record.
func withoutPadding(payload []byte, n int) []byte {
	b := bytes.Clone(payload[:24+48*n])
	for i := 24; i < len(b); i += 48 {
		b[i+36], b[i+46], b[i+47] = 0, 0, 0
	}
	return b
}

// The version is judged before the length: a short datagram of another protocol
// is known for what it is.
func TestDecodeOrderOfErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, payload string
		want          error
	}{
		{"nothing", "", decoder.ErrShort},
		{"half a version", "00", decoder.ErrShort},
		{"version 5 only", "0005", decoder.ErrShort},
		{"version 9 only", "0009", decoder.ErrVersion},
		{"IPFIX header, 16 bytes", "000a0010665a64800000000000000000", decoder.ErrVersion},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := netflow5.Decode(unhex(t, c.payload), new(decoder.ExportPacket)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// Not parallel: AllocsPerRun counts the whole process.
func TestDecodeDoesNotAllocate(t *testing.T) {
	full := fullPacket(t, 1364)
	var p decoder.ExportPacket
	if err := netflow5.Decode(full, &p); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"largest packet", full, nil},
		{"smallest packet", full[:72], nil},
		{"short", full[:23], decoder.ErrShort},
		{"version", []byte("GET / HTTP/1.1"), decoder.ErrVersion},
		{"no records", full[:71], decoder.ErrNoRecords},
	} {
		t.Run(c.name, func(t *testing.T) {
			allocations := testing.AllocsPerRun(100, func() {
				if err := netflow5.Decode(c.payload, &p); !errors.Is(err, c.want) {
					t.Fatalf("error %v, want %v", err, c.want)
				}
			})
			if allocations != 0 {
				t.Errorf("%v allocations, want none", allocations)
			}
		})
	}
}

// A packet of the specification's size warms up for all others of that size.
func TestDecodeGrowsOnce(t *testing.T) {
	var p decoder.ExportPacket
	if err := netflow5.Decode(fullPacket(t, 1), &p); err != nil {
		t.Fatal(err)
	}
	if cap(p.Records) < netflow5.MaxRecords {
		t.Errorf("room for %d records after a small packet, want at least %d", cap(p.Records), netflow5.MaxRecords)
	}
}

// fullPacket returns an encoded packet of n equal records.
func fullPacket(tb testing.TB, n int) []byte {
	tb.Helper()
	p := layoutPacket()
	p.Count = uint32(n)
	for len(p.Records) < n {
		p.Records = append(p.Records, p.Records[0])
	}
	b, err := netflow5.Append(nil, &p)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
