package netflow5_test

import (
	"bytes"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

func TestMarshalLayout(t *testing.T) {
	t.Parallel()
	p := layoutPacket()
	got, err := netflow5.Append(nil, &p)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, layoutHex); !bytes.Equal(got, want) {
		t.Errorf("encoded\n%x, want\n%x", got, want)
	}
}

// What is decoded from an encoded packet is that packet.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	full := netip.MustParseAddr("255.255.255.255")
	for _, c := range []struct {
		name   string
		change func(*decoder.ExportPacket)
	}{
		{"as it is", func(*decoder.ExportPacket) {}},
		{"largest values", func(p *decoder.ExportPacket) {
			p.SystemUptime, p.ExportSeconds, p.FlowSequence = math.MaxUint32, math.MaxUint32, math.MaxUint32
			p.EngineType, p.EngineID, p.SamplingMode, p.SamplingInterval = 255, 255, 3, 16_383
			p.ExportNanoseconds = 999_999_999
			p.Records[0] = decoder.Record{
				SourceAddress: full, DestinationAddress: full, NextHop: full,
				Packets: math.MaxUint32, Octets: math.MaxUint32,
				StartTime: 4_294_967_295_999_999_999, EndTime: 4_294_967_295_999_999_999,
				FirstUptime: math.MaxUint32, LastUptime: math.MaxUint32,
				InputInterface: 65_535, OutputInterface: 65_535, SourceAS: 65_535, DestinationAS: 65_535,
				SourcePort: 65_535, DestinationPort: 65_535, Protocol: 255, TCPFlags: 255, TOS: 255,
				SourcePrefixLength: 255, DestinationPrefixLength: 255,
			}
		}},
		{"no values", func(p *decoder.ExportPacket) {
			p.Header = decoder.Header{
				Format: decoder.FormatNetFlowV5, Count: 2, DataRecords: 1, HasUptime: true,
				Anomalies: decoder.AnomalyCountAbovePresent,
			}
			none := netip.IPv4Unspecified()
			p.Records[0] = decoder.Record{
				SourceAddress: none, DestinationAddress: none, NextHop: none,
				Anomalies: decoder.AnomalyStartUnset | decoder.AnomalyEndUnset,
			}
		}},
		{"wrong count", func(p *decoder.ExportPacket) {
			p.Count = math.MaxUint16
			p.Anomalies = decoder.AnomalyCountAbovePresent | decoder.AnomalyCountAbove30
		}},
		{"several records", func(p *decoder.ExportPacket) {
			second := p.Records[0]
			second.Octets = 1
			p.Count, p.DataRecords, p.Records = 2, 2, append(p.Records, second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := layoutPacket()
			c.change(&want)
			b, err := netflow5.Append(nil, &want)
			if err != nil {
				t.Fatal(err)
			}
			var got decoder.ExportPacket
			if err := netflow5.Decode(b, &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("decoded\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// What is encoded from a decoded recording is that recording.
func TestRoundTripRecordings(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"crafted_edges", "fprobe_live_seqgaps", "pmacctd_synth400_as", "softflowd_synth6200"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p decoder.ExportPacket
			for _, d := range readCapture(t, "testdata/"+name+".pcap") {
				if err := netflow5.Decode(d.payload, &p); err != nil {
					t.Fatal(err)
				}
				checkEncoding(t, d.payload, &p)
			}
		})
	}
}

func TestAppendKeepsPrefix(t *testing.T) {
	t.Parallel()
	p := layoutPacket()
	got, err := netflow5.Append([]byte("before"), &p)
	if err != nil {
		t.Fatal(err)
	}
	if want := append([]byte("before"), unhex(t, layoutHex)...); !bytes.Equal(got, want) {
		t.Errorf("appended\n%x, want\n%x", got, want)
	}
}

// Not parallel: AllocsPerRun counts the whole process.
func TestAppendDoesNotAllocate(t *testing.T) {
	p := layoutPacket()
	buffer := make([]byte, 0, 72)
	allocations := testing.AllocsPerRun(100, func() {
		if _, err := netflow5.Append(buffer, &p); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations, want none", allocations)
	}
}

func TestEncodeRefusesWhatTheFormatCannotHold(t *testing.T) {
	t.Parallel()
	type packet = *decoder.ExportPacket
	type record = *decoder.Record
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")
	for name, change := range map[string]func(packet, record){
		"Count":              func(p packet, _ record) { p.Count = 65_536 },
		"SamplingMode":       func(p packet, _ record) { p.SamplingMode = 4 },
		"SamplingInterval":   func(p packet, _ record) { p.SamplingInterval = 16_384 },
		"SourceAddress":      func(_ packet, r record) { r.SourceAddress = netip.IPv6Loopback() },
		"DestinationAddress": func(_ packet, r record) { r.DestinationAddress = mapped },
		"NextHop":            func(_ packet, r record) { r.NextHop = netip.Addr{} },
		"Packets":            func(_ packet, r record) { r.Packets = 1 << 32 },
		"Octets":             func(_ packet, r record) { r.Octets = 1 << 32 },
		"TCPFlags":           func(_ packet, r record) { r.TCPFlags = 256 },
		"InputInterface":     func(_ packet, r record) { r.InputInterface = 65_536 },
		"OutputInterface":    func(_ packet, r record) { r.OutputInterface = 65_536 },
		"SourceAS":           func(_ packet, r record) { r.SourceAS = 65_536 },
		"DestinationAS":      func(_ packet, r record) { r.DestinationAS = 65_536 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := layoutPacket()
			change(&p, &p.Records[0])
			got, err := netflow5.Append([]byte("before"), &p)
			if err == nil || !strings.HasPrefix(err.Error(), "netflow5: ") || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one of the package that names %s", err, name)
			}
			if string(got) != "before" {
				t.Errorf("returned %q beside the error, want what was passed", got)
			}
			if b, err := netflow5.Append(nil, &p); b != nil || err == nil {
				t.Errorf("Append gave %x, %v; want no bytes and an error", b, err)
			}
		})
	}
}
