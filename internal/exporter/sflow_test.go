package exporter

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/flowpub/flowpub/decoder"
)

// decodeSFlow has a library of others read a datagram.
func decodeSFlow(t *testing.T, payload []byte) *layers.SFlowDatagram {
	t.Helper()
	d := new(layers.SFlowDatagram)
	if err := d.DecodeFromBytes(payload, gopacket.NilDecodeFeedback); err != nil {
		t.Fatalf("%v in %x", err, payload)
	}
	if d.DatagramVersion != 5 || int(d.SampleCount) != len(d.FlowSamples) || len(d.CounterSamples) != 0 {
		t.Fatalf("version %d, %d samples of %d", d.DatagramVersion, len(d.FlowSamples), d.SampleCount)
	}
	return d
}

// sampled is what the samples of a flow tell, as far as version 5 does.
func sampled(t *testing.T, s *layers.SFlowFlowSample) (r decoder.Record, frame *layers.SFlowRawPacketFlowRecord) {
	t.Helper()
	r.InputInterface, r.OutputInterface = s.InputInterface, s.OutputInterface
	for _, record := range s.Records {
		switch record := record.(type) {
		case layers.SFlowRawPacketFlowRecord:
			frame = &record
		case layers.SFlowExtendedSwitchFlowRecord:
			if record.IncomingVLAN != 1000+s.InputInterface || record.OutgoingVLAN != record.IncomingVLAN {
				t.Fatalf("VLANs of interface %d: %+v", s.InputInterface, record)
			}
		case layers.SFlowExtendedRouterFlowRecord:
			r.NextHop, _ = netip.AddrFromSlice(record.NextHop)
			r.SourcePrefixLength, r.DestinationPrefixLength = uint8(record.NextHopSourceMask), uint8(record.NextHopDestinationMask)
		case layers.SFlowExtendedGatewayFlowRecord:
			r.SourceAS, r.DestinationAS = record.SourceAS, record.ASPath[0].Members[0]
		}
	}
	if frame == nil || len(s.Records) != 4 {
		t.Fatalf("records %+v", s.Records)
	}
	// What is above the transport was not sampled, and cannot be read.
	for _, l := range frame.Header.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			r.SourceAddress, _ = netip.AddrFromSlice(l.SrcIP)
			r.DestinationAddress, _ = netip.AddrFromSlice(l.DstIP)
			r.Protocol, r.TOS, r.Octets = uint8(l.Protocol), l.TOS, uint64(l.Length)
		case *layers.IPv6:
			r.SourceAddress, _ = netip.AddrFromSlice(l.SrcIP)
			r.DestinationAddress, _ = netip.AddrFromSlice(l.DstIP)
			r.Protocol, r.TOS, r.Octets = uint8(l.NextHeader), l.TrafficClass, uint64(l.Length)+40
		case *layers.TCP:
			r.SourcePort, r.DestinationPort = uint16(l.SrcPort), uint16(l.DstPort)
			r.TCPFlags = uint16(l.Contents[13])
		case *layers.UDP:
			r.SourcePort, r.DestinationPort = uint16(l.SrcPort), uint16(l.DstPort)
		case *layers.ICMPv4:
			r.DestinationPort = uint16(l.TypeCode)
		}
	}
	return r, frame
}

// TestSFlowSaysWhatVersion5Does compares samples with the flows that the same exporter
// sends in version 5.
func TestSFlowSaysWhatVersion5Does(t *testing.T) {
	t.Parallel()
	plain, _ := record(t, Config{Flows: 5000})
	var want []decoder.Record
	for _, d := range plain {
		want = append(want, decode(t, d.payload).Records...)
	}
	sent, stats := record(t, Config{Flows: 5000, Formats: []Format{SFlow}, SamplingInterval: 100, Domains: 2})
	n, next, samples := 0, map[uint32]uint32{}, map[uint32]uint32{}
	for i := range sent {
		d := decodeSFlow(t, sent[i].payload)
		if sequence, known := next[d.SubAgentID]; known && d.SequenceNumber != sequence || d.AgentAddress.String() != "127.1.0.1" {
			t.Fatalf("sequence %d of %v, want %d", d.SequenceNumber, d.AgentAddress, sequence)
		}
		next[d.SubAgentID] = d.SequenceNumber + 1
		for j := range d.FlowSamples {
			s := &d.FlowSamples[j]
			samples[d.SubAgentID]++
			if s.SamplingRate != 100 || s.SequenceNumber != samples[d.SubAgentID] || s.SamplePool != 100*s.SequenceNumber {
				t.Fatalf("sample %d of its sub-agent: %+v", samples[d.SubAgentID], s)
			}
			got, frame := sampled(t, s)
			w := want[n]
			if frame.FrameLength != max(64, uint32(got.Octets)+18) || got.Octets > 1500 {
				t.Fatalf("a frame of %d bytes with %d octets of IP", frame.FrameLength, got.Octets)
			}
			if average := w.Octets / w.Packets; got.Octets != average && average >= 40 {
				t.Fatalf("a packet of %d octets, want %d as on average", got.Octets, average)
			}
			got.Octets, got.Packets, got.StartTime, got.EndTime = w.Octets, w.Packets, w.StartTime, w.EndTime
			got.FirstUptime, got.LastUptime = w.FirstUptime, w.LastUptime
			if got != w {
				t.Fatalf("flow %d: got %+v\nwant %+v", n, got, w)
			}
			n++
		}
	}
	if n != len(want) || len(next) != 2 || stats.Flows != uint64(n) || stats.Templates != 0 {
		t.Errorf("%d flows, want %d; sub-agents %v; counted %+v", n, len(want), next, stats.Counts)
	}
}

// Each data source numbers its samples, so that a gap means that one is missing.
func TestSFlowNumbersSamplesOfASource(t *testing.T) {
	t.Parallel()
	sent, _ := record(t, Config{Formats: []Format{SFlow}, Flows: 300, Domains: 2, Seed: 5})
	type source struct{ subAgent, index uint32 }
	last := make(map[source]uint32)
	for _, datagram := range sent {
		d := decodeSFlow(t, datagram.payload)
		for _, s := range d.FlowSamples {
			of := source{d.SubAgentID, uint32(s.SourceIDIndex)}
			if before, known := last[of]; known && s.SequenceNumber != before+1 {
				t.Fatalf("a sample of %+v has the number %d after %d", of, s.SequenceNumber, before)
			}
			last[of] = s.SequenceNumber
		}
	}
	if len(last) != 2 {
		t.Errorf("samples are of %d data sources, want one of each sub-agent: %v", len(last), last)
	}
}

// TestSFlowNumbersWhatIsWithheld: a datagram that is not sent is missing in both sequences.
func TestSFlowNumbersWhatIsWithheld(t *testing.T) {
	t.Parallel()
	sent, stats := record(t, Config{Flows: 6000, RecordsPerPacket: 5, Formats: []Format{SFlow}, SequenceGaps: 0.25})
	datagram := decodeSFlow(t, sent[0].payload).SequenceNumber
	sample := decodeSFlow(t, sent[0].payload).FlowSamples[0].SequenceNumber
	missing := uint32(0)
	for i := range sent {
		d := decodeSFlow(t, sent[i].payload)
		missing += d.SequenceNumber - datagram
		if got := d.FlowSamples[0].SequenceNumber - sample; got != 5*(d.SequenceNumber-datagram) {
			t.Fatalf("%d samples and %d datagrams are missing", got, d.SequenceNumber-datagram)
		}
		datagram, sample = d.SequenceNumber+1, d.FlowSamples[4].SequenceNumber+1
	}
	// The first or the last may be missing, which nobody sees.
	if missing < 299 || missing > 300 || stats.WithheldFlows != 1500 {
		t.Errorf("%d datagrams are missing, counted %+v; want 300", missing, stats.Counts)
	}
}

func TestSFlowHasIPv6(t *testing.T) {
	t.Parallel()
	sent, _ := record(t, Config{Flows: 8000, Formats: []Format{SFlow}, IPv6Share: 0.25})
	ipv6 := 0
	for i := range sent {
		d := decodeSFlow(t, sent[i].payload)
		if len(sent[i].payload) > 1472 {
			t.Fatalf("a datagram of %d bytes does not fit into a frame", len(sent[i].payload))
		}
		for j := range d.FlowSamples {
			r, _ := sampled(t, &d.FlowSamples[j])
			if !r.SourceAddress.Is6() {
				continue
			}
			ipv6++
			if !r.DestinationAddress.Is6() || !r.NextHop.Is6() || r.SourcePrefixLength < 112 || r.Octets < 48 {
				t.Fatalf("%+v", r)
			}
		}
	}
	if ipv6 != 2000 {
		t.Errorf("%d flows of IPv6, want 2,000 of 8,000", ipv6)
	}
}

// TestSFlowIsDamaged reads what is left of samples by their lengths, as the
// specification has them.
func TestSFlowIsDamaged(t *testing.T) {
	t.Parallel()
	sent, stats := record(t, Config{Exporters: 2, Flows: 48_000, Formats: []Format{SFlow}, MalformedShare: 0.25, SequenceGaps: 0.1})
	var got Counts
	for i := range sent {
		got.Datagrams++
		samples, whole := wholeSamples(sent[i].payload)
		if whole {
			got.Flows += uint64(samples)
		} else {
			got.Malformed++
			got.MalformedFlows += uint64(samples)
		}
	}
	got.WithheldFlows = 48_000 - got.Flows - got.MalformedFlows
	if got != stats.Counts {
		t.Errorf("read %+v, counted %+v", got, stats.Counts)
	}
}

// wholeSamples is how many samples can be read, and whether nothing is wrong.
func wholeSamples(b []byte) (n int, whole bool) {
	const header = 28
	if len(b) < header || binary.BigEndian.Uint32(b) != 5 {
		return 0, false
	}
	announced := int(binary.BigEndian.Uint32(b[header-4:]))
	for b = b[header:]; n < announced && len(b) >= 8; n++ {
		length := binary.BigEndian.Uint32(b[4:])
		if uint64(length) > uint64(len(b)-8) {
			return n, false
		}
		b = b[8+length:]
	}
	return n, n == announced && len(b) == 0
}
