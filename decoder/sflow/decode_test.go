package sflow_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unsafe"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// A flow sample's heads and records, and what the specifications say is in them.
func TestSamples(t *testing.T) {
	t.Parallel()
	whole := unhex(t, macs+"0800"+ip4+tcp)
	head := func(source, in, out uint32) []byte { return opaque(1, words(9, source, 1000, 7, 2, in, out, 0)) }
	expanded := func(kind, source, inFormat, in, outFormat, out uint32) []byte {
		return opaque(3, words(9, kind, source, 1000, 7, 2, inFormat, in, outFormat, out, 0))
	}
	sampled4 := opaque(3, words(1500, 17, 0x0a010101, 0x0a010102, 53, 5353, 0, 16))
	sampledRow := row{"octets": "1500", "protocol": "17", "source_address": "10.1.1.1", "destination_address": "10.1.1.2", "source_port": "53", "destination_port": "5353", "tos": "16"}
	headerRow := with(ethernet, type4, v4, tcpPorts, row{"frame": "64"})
	for _, c := range []struct {
		name   string
		sample []byte
		want   row
	}{
		{"no records", sample(), sampleRow(nil)},
		{"VLAN as a source", head(1<<24|100, 1, 2), sampleRow(row{"source": "1:100", "source_id": "16777316", "input": "1", "output": "2"})},
		{"local", head(5, 0x3fffffff, 0x3fffffff), sampleRow(row{"input": "", "output": ""})},
		{"discarded", head(5, 1, 0x40000102), sampleRow(row{"input": "1", "output": "", "forwarding": "128"})},
		{"multiple", head(5, 1, 0x80000007), sampleRow(row{"input": "1", "output": ""})},
		{"multiple in, none that there is out", head(5, 0x80000007, 0xc0000001), sampleRow(with(row{"input": "", "output": ""}, oddValue))},
		{"expanded", expanded(0, 6, 0, 1<<30, 0, 0xfffffffe), sampleRow(row{"source": "0:6", "source_id": "6", "input": "1073741824", "output": "4294967294"})},
		{"expanded, local", expanded(0, 6, 0, 0x3fffffff, 0, 0xffffffff), sampleRow(row{"source": "0:6", "source_id": "6", "input": "", "output": ""})},
		{"expanded, discarded", expanded(0, 6, 0, 1, 1, 258), sampleRow(row{"source": "0:6", "source_id": "6", "input": "1", "output": "", "forwarding": "128"})},
		{"large ifIndex as a source", expanded(0, 369098852, 0, 1, 2, 3), sampleRow(row{"source": "0:369098852", "source_id": "369098852", "input": "1", "output": ""})},
		{"large index of another type", expanded(2, 0x1000003, 0, 1, 2, 3), sampleRow(row{"source": "2:16777219", "source_id": "33554435", "input": "1", "output": "", "anomalies": "4096"})},
		{"large type", expanded(0x102, 3, 0, 1, 2, 3), sampleRow(row{"source": "258:3", "source_id": "33554435", "input": "1", "output": "", "anomalies": "4096"})},
		{"discarded packet", opaque(5, words(9, 0, 5, 2, 11, 12, 258, 1), header(1, 64, whole)), with(sampleRow(headerRow), row{"rate": "", "forwarding": "128", "discarded": "true"})},
		{"header, then IPv4", sample(header(1, 64, whole), sampled4), sampleRow(headerRow)},
		{"IPv4, then header", sample(sampled4, header(1, 64, whole)), sampleRow(headerRow)},
		{"IPv4, header cut before it", sample(header(1, 64, whole[:20]), sampled4), sampleRow(with(ethernet, type4, sampledRow, row{"frame": "64", "anomalies": "49152"}))},
		{"two headers", sample(header(1, 64, whole), header(11, 99, whole[14:])), sampleRow(headerRow)},
		{"IPv6", sample(opaque(4, words(1500, 6), unhex(t, "20010db8000000000000000000000001 20010db8000000000000000000000002"), words(53, 5353, 18, 16))),
			sampleRow(row{"octets": "1500", "protocol": "6", "source_address": "2001:db8::1", "destination_address": "2001:db8::2", "source_port": "53", "destination_port": "5353", "tcp_flags": "18", "tos": "16"})},
		{"port of 17 bits", sample(opaque(3, words(1500, 17, 0x0a010101, 0x0a010102, 65536+53, 5353, 0, 16))), sampleRow(with(sampledRow, row{"anomalies": "4096"}))},
		{"Ethernet", sample(opaque(2, words(1518), unhex(t, "020000000001 0000 020000000002 0000"), words(0x88cc))), sampleRow(with(ethernet, row{"frame": "1518", "ethertype": "35020"}))},
		{"switch", sample(opaque(1001, words(100, 1, 200, 2))), sampleRow(row{"vlan": "100", "post_vlan": "200"})},
		{"switch, unknown VLANs", sample(opaque(1001, words(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff))), sampleRow(nil)},
		{"switch, no VLAN", sample(opaque(1001, words(4096, 0, 4095, 0))), sampleRow(with(row{"vlan": "4096", "post_vlan": "4095"}, oddValue))},
		{"switch, tagged frame", sample(header(1, 68, unhex(t, macs+vlan10+"0806")), opaque(1001, words(100, 1, 200, 2))), sampleRow(with(ethernet, row{"frame": "68", "ethertype": "2054", "vlan": "10", "post_vlan": "200"}))},
		{"router", sample(opaque(1002, words(1, 0x0a000001, 24, 0))), sampleRow(row{"next_hop": "10.0.0.1", "source_prefix": "24"})},
		{"router, IPv6", sample(opaque(1002, words(2), unhex(t, "20010db8000000000000000000000001"), words(64, 48))), sampleRow(row{"next_hop": "2001:db8::1", "source_prefix": "64", "destination_prefix": "48"})},
		{"router, unknown", sample(opaque(1002, words(0, 0, 0))), sampleRow(nil)},
		{"gateway", sample(opaque(1003, words(1, 0x0a000001, 64500, 64501, 64502, 2, 2, 2, 64503, 4200000001, 1, 1, 64505, 2, 65536, 65537, 100))),
			sampleRow(row{"bgp_next_hop": "10.0.0.1", "source_as": "64501", "previous_as": "64502", "next_as": "64503", "destination_as": "64505", "path": "[64503 4200000001 64505]", "communities": "[65536 65537]"})},
		{"gateway, no path", sample(opaque(1003, words(0, 64500, 64501, 64502, 0, 0, 100))), sampleRow(row{"source_as": "64501", "previous_as": "64502"})},
		{"gateway, 300 in the path and communities", sample(opaque(1003, words(0, 64500, 64501, 64502, 1, 2, 300), repeat(7, 299), words(8), words(300), repeat(9, 300), words(100))),
			sampleRow(row{"source_as": "64501", "previous_as": "64502", "next_as": "7", "destination_as": "8", "path": list("7", 255), "communities": list("9", 255), "anomalies": "4096"})},
		{"MPLS", sample(opaque(1006, words(1, 0x0a000001, 2, 16000<<12|64, 17<<12|1<<8|64, 1, 99<<12))), sampleRow(row{"label_address": "10.0.0.1", "labels": "[16000 17]"})},
		{"MPLS, none in", sample(opaque(1006, words(1, 0x0a000001, 0, 1, 99<<12))), sampleRow(row{"label_address": "10.0.0.1"})},
		{"NAT", sample(opaque(1007, words(1, 0x0a000001, 2), unhex(t, "20010db8000000000000000000000001"))), sampleRow(row{"nat_source": "10.0.0.1", "nat_destination": "2001:db8::1"})},
		{"NAT ports", sample(opaque(1020, words(1024, 443))), sampleRow(row{"nat_source_port": "1024", "nat_destination_port": "443"})},
		{"VNI", sample(opaque(1030, words(43981))), sampleRow(row{"segment": "72057594037971917"})},
		{"unknown records", sample(opaque(9999, words(1)), opaque(4413<<12|1, words(1, 2)), opaque(1001, words(100, 1, 200, 2)), opaque(9999)), sampleRow(row{"vlan": "100", "post_vlan": "200"})},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			maps.DeleteFunc(c.want, func(_, value string) bool { return value == "" })
			var p decoder.ExportPacket
			var s sflow.Samples
			if err := sflow.Decode(datagram(1, c.sample), &p, &s); err != nil {
				t.Fatal(err)
			}
			if r := got(&p, &s, 0); !maps.Equal(r, c.want) {
				t.Errorf("%v, want\n%v", r, c.want)
			}
		})
	}
}

// repeat returns a number so many times.
func repeat(v uint32, n int) (b []byte) {
	for range n {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// list is how a list of n equal numbers is written.
func list(v string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(v+" ", n), " ") + "]"
}

// Records whose content does not fit are left out; the sample stays.
func TestMalformedRecords(t *testing.T) {
	t.Parallel()
	good := opaque(1001, words(100, 1, 200, 2))
	for name, record := range map[string][]byte{
		"header of 12 bytes":          opaque(1, words(1, 64, 4)),
		"header beyond the record":    opaque(1, words(1, 64, 4, 5), words(0)),
		"header of 2^32-1 bytes":      opaque(1, words(1, 64, 4, 0xffffffff), words(0)),
		"Ethernet":                    opaque(2, words(1, 2, 3, 4, 5)),
		"IPv4":                        opaque(3, words(1, 2, 3, 4, 5, 6, 7)),
		"IPv6":                        opaque(4, repeat(1, 13)),
		"router without an address":   opaque(1002),
		"router with one of type 3":   opaque(1002, words(3, 1, 2, 3, 4, 5, 6)),
		"router with half an address": opaque(1002, words(2, 1, 2, 3)),
		"router without lengths":      opaque(1002, words(1, 2, 3)),
		"gateway":                     opaque(1003, words(1, 2, 3, 4, 5)),
		"gateway, segments beyond":    opaque(1003, words(0, 1, 2, 3, 0xffffffff, 2, 1, 7)),
		"gateway, path beyond":        opaque(1003, words(0, 1, 2, 3, 1, 2, 0x40000001, 7)),
		"gateway without communities": opaque(1003, words(0, 1, 2, 3, 1, 2, 1, 7)),
		"gateway, communities beyond": opaque(1003, words(0, 1, 2, 3, 1, 2, 1, 7, 0x40000001, 7)),
		"MPLS":                        opaque(1006, words(1)),
		"MPLS without labels":         opaque(1006, words(0)),
		"MPLS, labels beyond":         opaque(1006, words(0, 2, 1)),
		"NAT":                         opaque(1007, words(1, 2)),
		"NAT without a source":        opaque(1007, words(9)),
		"NAT ports":                   opaque(1020, words(1)),
		"VNI":                         opaque(1029),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p decoder.ExportPacket
			var s sflow.Samples
			if err := sflow.Decode(datagram(1, sample(record, good)), &p, &s); err != nil {
				t.Fatal(err)
			}
			want := sampleRow(row{"vlan": "100", "post_vlan": "200", "anomalies": "2048"})
			if r := got(&p, &s, 0); !maps.Equal(r, want) || len(p.Numbers) != 0 {
				t.Errorf("%v, and %d numbers, want\n%v", r, len(p.Numbers), want)
			}
		})
	}
	var p decoder.ExportPacket
	var s sflow.Samples
	if err := sflow.Decode(datagram(1, sample(opaque(1001, words(1, 2, 3)))), &p, &s); err != nil || p.Anomalies != decoder.AnomalyMalformedSet {
		t.Errorf("a switch's record of 12 bytes: %v, %v", p.Anomalies, err)
	}
}

// What is wrong with a sample, or where the datagram ends, loses no other sample.
func TestMalformedSamples(t *testing.T) {
	t.Parallel()
	good := sample(header(1, 64, unhex(t, macs+"0800"+ip4+tcp)))
	counters, unknown := opaque(2, words(1, 2, 0)), opaque(77<<12|1, words(1))
	const (
		above, partial = decoder.AnomalyCountAbovePresent, decoder.AnomalyPartialRecord
		trailing, bad  = decoder.AnomalyTrailingBytes, decoder.AnomalyMalformedSet
	)
	for _, c := range []struct {
		name      string
		payload   []byte
		anomalies decoder.Anomalies
		want      string
	}{
		{"two", datagram(2, good, good), 0, "2 0 0 0 [0 0]"},
		{"all kinds", datagram(5, counters, good, unknown, opaque(4), good), 0, "2 0 2 1 [0 0]"},
		{"counters only", datagram(1, counters), 0, "0 0 1 0 [0 0]"},
		{"unknown only", datagram(1, unknown), 0, "0 0 0 1 [0 0]"},
		{"another sample follows", datagram(1, good, good), trailing, "1 0 0 0 [0 0]"},
		{"one is missing", datagram(2, good), above, "1 0 0 0 [0 0]"},
		{"2^32-1 announced", datagram(-1, good), above, "1 0 0 0 [0 0]"},
		{"format only", datagram(2, good, words(1)), above | partial, "1 0 0 0 [0 0]"},
		{"cut", datagram(2, good, good[:len(good)-1]), above | partial, "1 0 0 0 [1 0]"},
		{"length 2^32-1", datagram(3, good, words(1, 0xffffffff), good), above | partial, "1 0 0 0 [1 0]"},
		{"counters beyond the datagram", datagram(2, good, words(2, 0xffffffff)), above | partial, "1 0 0 0 [0 0]"},
		{"short flow sample", datagram(2, opaque(1, repeat(0, 7)), good), bad, "1 0 0 0 [1 0]"},
		{"short expanded sample", datagram(2, opaque(3, repeat(0, 10)), good), bad, "1 0 0 0 [1 0]"},
		{"short discarded packet", datagram(2, opaque(5, repeat(0, 7)), good), bad, "1 0 0 0 [1 0]"},
		{"record beyond its sample", datagram(2, sample(words(1, 20, 0)), good), bad, "1 0 0 0 [1 0]"},
		{"a record is missing", datagram(2, opaque(1, words(9, 5, 1, 1, 0, 1, 2, 2), opaque(1001, words(1, 2, 3, 4))), good), bad, "1 0 0 0 [1 0]"},
		{"2^32-1 records", datagram(2, opaque(1, words(9, 5, 1, 1, 0, 1, 2, 0xffffffff), opaque(1001, words(1, 2, 3, 4))), good), bad, "1 0 0 0 [1 0]"},
		{"64 records", datagram(1, sample(repeated(opaque(1001, words(1, 2, 3, 4)), 64)...)), 0, "1 0 0 0 [0 0]"},
		{"256 samples", datagram(256, repeated(sample(), 256)...), 0, "256 0 0 0 [0 0]"},
		{"258 samples", datagram(260, append(repeated(sample(), 258), counters, opaque(5, words(0, 0, 0, 0, 0, 0, 0, 0)))...), 0, "256 0 1 0 [0 3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var p decoder.ExportPacket
			var s sflow.Samples
			if err := sflow.Decode(c.payload, &p, &s); err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprint(s.Flows, s.Discarded, s.Counters, s.Unknown, s.Dropped); text != c.want || p.Anomalies != c.anomalies {
				t.Errorf("%s and %v, want %s and %v", text, p.Anomalies, c.want, c.anomalies)
			}
			if n := int(s.Flows + s.Discarded); len(p.Records) != n || len(p.Extensions) != n || len(s.Sources) != n || p.DataRecords != uint32(n) {
				t.Errorf("%d records, %d extensions, %d sources, %d data records for %d samples", len(p.Records), len(p.Extensions), len(s.Sources), p.DataRecords, n)
			}
		})
	}
}

// repeated returns the same bytes n times.
func repeated(b []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

// Records beyond the 64th are not looked at.
func TestRecordsOfSampleAreBounded(t *testing.T) {
	t.Parallel()
	records := append(repeated(opaque(9999), 64), opaque(1001, words(100, 0, 200, 0)))
	var p decoder.ExportPacket
	var s sflow.Samples
	if err := sflow.Decode(datagram(1, sample(records...)), &p, &s); err != nil || p.Extensions[0].Present.Has(decoder.FieldVLANID) {
		t.Errorf("%v, %+v", err, got(&p, &s, 0))
	}
}

// What is behind the 1,024th byte of a header is not looked at.
func TestHeaderIsBounded(t *testing.T) {
	t.Parallel()
	tags := unhex(t, macs+strings.Repeat(vlan10, 300)+"0800"+ip4+tcp)
	if r := decodeFrame(t, 1, tags); r["source_address"] != "" || r["anomalies"] != "32768" {
		t.Errorf("%v", r)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	good := datagram(1, sample())
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"nothing", nil, decoder.ErrShort},
		{"3 bytes", good[:3], decoder.ErrShort},
		{"NetFlow v5", []byte{0, 5, 0, 1, 0, 0, 0, 0}, decoder.ErrVersion},
		{"version 4", append([]byte{0, 0, 0, 4}, good[4:]...), decoder.ErrVersion},
		{"version 6, short", []byte{0, 0, 0, 6}, decoder.ErrVersion},
		{"version only", good[:4], decoder.ErrShort},
		{"23 bytes", good[:23], decoder.ErrShort},
		{"within the header", good[:27], decoder.ErrShort},
		{"within an IPv6 agent", join(words(5, 2), repeat(1, 4)), decoder.ErrShort},
		{"without the count", join(words(5, 2), repeat(1, 4), words(1, 2, 3)), decoder.ErrShort},
		{"address type 3", join(words(5, 3), repeat(1, 20)), decoder.ErrVersion},
		{"no samples", datagram(0), decoder.ErrNoRecords},
		{"no samples, bytes behind", datagram(0, sample()), decoder.ErrNoRecords},
		{"samples missing", datagram(3), decoder.ErrNoRecords},
		{"one, cut", good[:len(good)-1], decoder.ErrNoRecords},
		{"one, malformed", datagram(1, sample(words(1, 20, 0))), decoder.ErrNoRecords},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, s := used(t)
			if err := sflow.Decode(c.payload, p, s); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			checkEmpty(t, p, s)
		})
	}
}

// used returns a packet that holds something.
func used(tb testing.TB) (*decoder.ExportPacket, *sflow.Samples) {
	tb.Helper()
	var p decoder.ExportPacket
	var s sflow.Samples
	gateway := opaque(1003, words(1, 0x0a000001, 64500, 64501, 64502, 1, 2, 2, 64503, 4200000001, 2, 65536, 65537, 100))
	if err := sflow.Decode(datagram(2, sample(gateway, header(13, 9, unhex(tb, "03e80040 00011140"+ip6+tcp))), opaque(2)), &p, &s); err != nil {
		tb.Fatal(err)
	}
	return &p, &s
}

// checkEmpty checks that nothing is left of what a packet held.
func checkEmpty(tb testing.TB, p *decoder.ExportPacket, s *sflow.Samples) {
	tb.Helper()
	if p.Header != (decoder.Header{}) || len(p.Records)+len(p.Extensions)+len(p.Numbers)+len(s.Sources) != 0 || s.Flows+s.Discarded+s.Counters+s.Unknown != 0 || s.Dropped != [2]uint32{} {
		tb.Fatalf("%+v and %+v beside an error, want them empty", p, s)
	}
}

// Agents have addresses of either family, or none.
func TestAgents(t *testing.T) {
	t.Parallel()
	tail := join(words(3, 7, 123456, 1), sample())
	for _, c := range []struct {
		agent []byte
		want  string
	}{
		{words(0), "invalid IP"},
		{words(1, 0xc00002c8), "192.0.2.200"},
		{join(words(2), unhex(t, "20010db8000000000000000000000001")), "2001:db8::1"},
	} {
		var p decoder.ExportPacket
		var s sflow.Samples
		if err := sflow.Decode(join(words(5), c.agent, tail), &p, &s); err != nil || p.AgentAddress.String() != c.want || p.FlowSequence != 7 || p.ObservationDomain != 3 {
			t.Errorf("agent %v, error %v, header %+v, want %s", p.AgentAddress, err, p.Header, c.want)
		}
	}
}

func TestDropReasons(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprint(sflow.DropMalformed, sflow.DropLimit); got != "malformed limit" {
		t.Error(got)
	}
}

// The largest datagrams, made to be as dear as can be, take no more memory than a few
// hundred KiB.
func TestFloodsAreBounded(t *testing.T) {
	t.Parallel()
	const largest = 65507
	fill := func(part []byte, head int) int { return (largest - head) / len(part) }
	tiny := opaque(1, words(9, 5, 1, 1, 0, 1, 2, 0))
	stack := sample(header(13, 2000, repeat(1<<12, 256)))
	segments := bytes.Repeat(words(2, 0), (largest-200)/8)
	numbers := repeat(7, (largest-200)/4)
	records := bytes.Repeat(words(9999, 0), (largest-100)/8)
	for name, payload := range map[string][]byte{
		"samples without records":  datagram(fill(tiny, 28), repeated(tiny, fill(tiny, 28))...),
		"labels":                   datagram(fill(stack, 28), repeated(stack, fill(stack, 28))...),
		"empty segments of a path": datagram(1, sample(opaque(1003, words(0, 1, 2, 3, uint32(len(segments)/8)), segments, words(0, 0)))),
		"a path":                   datagram(1, sample(opaque(1003, words(0, 1, 2, 3, 1, 2, uint32(len(numbers)/4)), numbers, words(0, 0)))),
		"records":                  datagram(1, opaque(1, words(9, 5, 1, 1, 0, 1, 2, uint32(len(records)/8)), records)),
		"unknown samples":          datagram(1<<30, bytes.Repeat(words(9999, 0), (largest-28)/8)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(payload) > largest || len(payload) < largest*9/10 {
				t.Fatalf("%d bytes", len(payload))
			}
			var p decoder.ExportPacket
			var s sflow.Samples
			if err := sflow.Decode(payload, &p, &s); err != nil {
				t.Fatal(err)
			}
			checkCounts(t, payload, &p, &s)
			taken := cap(p.Records)*int(unsafe.Sizeof(decoder.Record{})) + cap(p.Extensions)*int(unsafe.Sizeof(decoder.Extension{})) +
				cap(p.Numbers)*4 + cap(s.Sources)*int(unsafe.Sizeof(sflow.Source{}))
			if taken > 512<<10 {
				t.Errorf("it takes %d KiB, want 512 at most", taken>>10)
			}
		})
	}
}
