package differential

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	goflow2 "github.com/netsampler/goflow2/v2/decoders/sflow"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/sflow"
)

// FuzzSFlow: valid datagrams of sFlow have the same samples for both decoders, equal in every
// value that goflow2 has.
func FuzzSFlow(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 5))
	for range 300 {
		b := make([]byte, 1500)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a := agent{b}
		datagram := a.datagram()
		var p decoder.ExportPacket
		var s sflow.Samples
		err := sflow.Decode(datagram, &p, &s)
		var theirs goflow2.Packet
		if err := goflow2.DecodeMessageVersion(bytes.NewBuffer(bytes.Clone(datagram)), &theirs); err != nil {
			t.Fatalf("goflow2 does not decode it: %v\n%x", err, datagram)
		}
		if len(theirs.Samples) == 0 {
			return
		}
		if err != nil || p.Anomalies != 0 {
			t.Fatalf("error %v, anomalies %v\n%x", err, p.Anomalies, datagram)
		}
		want := []any{[]byte(theirs.AgentIP), theirs.SubAgentId, theirs.SequenceNumber, theirs.Uptime, theirs.SamplesCount}
		got := []any{p.AgentAddress.AsSlice(), p.ObservationDomain, p.FlowSequence, uint32(p.SystemUptime), p.Count}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("header %v, want %v\n%x", got, want, datagram)
		}
		compareSFlow(t, &p, &s, theirs.Samples)
	})
}

func compareSFlow(t *testing.T, p *decoder.ExportPacket, s *sflow.Samples, samples []any) {
	t.Helper()
	flows, counters := 0, 0
	for i, sample := range samples {
		if _, is := sample.(goflow2.CounterSample); is {
			counters++
			continue
		}
		if flows == len(p.Records) {
			t.Fatalf("sample %d is missing", i)
		}
		got, want := oursOf(p, s, flows), theirsOf(t, sample)
		flows++
		for name, value := range want {
			if got[name] != value {
				t.Errorf("sample %d: %s is %s, want %s", i, name, got[name], value)
			}
		}
	}
	if flows != len(p.Records) || counters != int(s.Counters) {
		t.Errorf("%d flow samples and %d counters, want %d and %d", len(p.Records), s.Counters, flows, counters)
	}
}

// values are those of a sample as text, by name.
type values map[string]string

func (v values) set(name string, value any) { v[name] = fmt.Sprint(value) }

// theirsOf returns what goflow2 says of a sample.
func theirsOf(t *testing.T, sample any) values {
	t.Helper()
	v := values{}
	var records []goflow2.FlowRecord
	var header goflow2.SampleHeader
	switch s := sample.(type) {
	case goflow2.FlowSample:
		header, records = s.Header, s.Records
		v.set("drops", s.Drops)
		v.set("rate", s.SamplingRate)
		v.ports(s.Input>>30, s.Input&0x3fffffff, s.Output>>30, s.Output&0x3fffffff)
	case goflow2.ExpandedFlowSample:
		header, records = s.Header, s.Records
		v.set("drops", s.Drops)
		v.set("rate", s.SamplingRate)
		v.ports(s.InputIfFormat, s.InputIfValue, s.OutputIfFormat, s.OutputIfValue)
	case goflow2.DropSample:
		header, records = s.Header, s.Records
		v.set("drops", s.Drops)
		v.set("rate", 0)
		v.ports(0, s.Input, 0, s.Output)
		v.set("forwarding", 128)
	default:
		t.Fatalf("a sample is a %T", sample)
	}
	v.set("sequence", header.SampleSequenceNumber)
	v.set("source", [2]uint32{header.SourceIdType, header.SourceIdValue})
	for _, r := range records {
		v.record(t, r.Data)
	}
	if v["vlan"] != "" {
		delete(v, "switch_vlan") // the frame's tag prevails
	}
	return v
}

// ports sets the interfaces, of which goflow2 has the bits.
func (v values) ports(inFormat, in, outFormat, out uint32) {
	index := func(format, value uint32) uint32 {
		if format != 0 || value == 0x3fffffff || value == 0xffffffff {
			return 0
		}
		return value
	}
	v.set("input", index(inFormat, in))
	v.set("output", index(outFormat, out))
	if outFormat == 1 {
		v.set("forwarding", 128)
	}
}

func (v values) record(t *testing.T, data any) {
	t.Helper()
	switch r := data.(type) {
	case goflow2.SampledHeader:
		v.set("frame", r.FrameLength)
		v.header(t, &r)
	case goflow2.SampledIPv4:
		v.sampled(&r.SampledIPBase, r.Tos)
	case goflow2.SampledIPv6:
		v.sampled(&r.SampledIPBase, r.Priority)
	case goflow2.ExtendedSwitch:
		if r.SrcVlan != 0xffffffff {
			v.set("switch_vlan", r.SrcVlan)
		}
		if r.DstVlan != 0xffffffff {
			v.set("post_vlan", r.DstVlan)
		}
	case goflow2.ExtendedRouter:
		v.set("next_hop", []byte(r.NextHop))
		v.set("prefixes", [2]uint32{r.SrcMaskLen, r.DstMaskLen})
	case goflow2.ExtendedGateway:
		v.set("bgp_next_hop", []byte(r.NextHop))
		v.set("source_as", [2]uint32{r.SrcAS, r.SrcPeerAS})
		v.set("path", r.ASPath)
		v.set("communities", r.Communities)
		if n := len(r.ASPath); n > 0 {
			v.set("next_as", r.ASPath[0])
			v.set("destination_as", r.ASPath[n-1])
		}
	case goflow2.RawRecord:
	default:
		t.Fatalf("a record is a %T", data)
	}
}

func (v values) sampled(r *goflow2.SampledIPBase, tos uint32) {
	v.set("octets", r.Length)
	v.set("protocol", r.Protocol)
	v.set("source_address", []byte(r.SrcIP))
	v.set("destination_address", []byte(r.DstIP))
	v.set("source_port", r.SrcPort)
	v.set("destination_port", r.DstPort)
	v.set("tcp_flags", r.TcpFlags)
	v.set("tos", tos)
}

const ipv6Fragment = 44

// header sets what goflow2's producer finds in a header.
func (v values) header(t *testing.T, r *goflow2.SampledHeader) {
	t.Helper()
	var m protoproducer.ProtoProducerMessage
	if err := protoproducer.ParseSampledHeader(&m, r); err != nil {
		t.Fatal(err)
	}
	v.set("macs", [2]uint64{m.SrcMac, m.DstMac})
	if m.VlanId != 0 {
		v.set("vlan", m.VlanId)
	}
	v.set("labels", m.MplsLabel)
	if len(m.MplsLabel) == 0 {
		v.set("ethertype", m.Etype)
	}
	if m.Proto != ipv6Fragment {
		v.set("protocol", m.Proto) // of a fragment of IPv6 it does not look behind that header
	}
	v.set("source_address", m.SrcAddr)
	v.set("destination_address", m.DstAddr)
	v.set("source_port", m.SrcPort)
	v.set("destination_port", m.DstPort)
	v.set("tcp_flags", m.TcpFlags)
	v.set("tos", m.IpTos)
	v.set("ttl", m.IpTtl)
	v.set("flow_label", m.Ipv6FlowLabel)
}

// oursOf returns what our decoder says of a sample.
func oursOf(p *decoder.ExportPacket, s *sflow.Samples, i int) values {
	r, x, source := &p.Records[i], &p.Extensions[i], &s.Sources[i]
	v := values{}
	v.set("drops", source.Drops)
	v.set("source", [2]uint32{source.Type, source.Index})
	v.set("input", r.InputInterface)
	v.set("output", r.OutputInterface)
	v.set("octets", r.Octets)
	v.set("protocol", r.Protocol)
	v.set("source_address", r.SourceAddress.AsSlice())
	v.set("destination_address", r.DestinationAddress.AsSlice())
	v.set("source_port", r.SourcePort)
	v.set("destination_port", r.DestinationPort)
	v.set("tcp_flags", r.TCPFlags)
	v.set("tos", r.TOS)
	v.set("next_hop", r.NextHop.AsSlice())
	v.set("prefixes", [2]uint8{r.SourcePrefixLength, r.DestinationPrefixLength})
	v.set("destination_as", r.DestinationAS)
	number := func(f decoder.Field) uint64 {
		if x.Present.Has(f) {
			return x.Values[f]
		}
		return 0
	}
	v.set("source_as", [2]uint64{uint64(r.SourceAS), number(decoder.FieldBGPPreviousAdjacentAS)})
	v.set("macs", [2]uint64{number(decoder.FieldSourceMAC), number(decoder.FieldDestinationMAC)})
	for name, f := range map[string]decoder.Field{
		"rate": decoder.FieldSamplingInterval, "sequence": decoder.FieldSampleSequence, "forwarding": decoder.FieldForwardingStatus,
		"frame": decoder.FieldFrameOctets, "vlan": decoder.FieldVLANID, "switch_vlan": decoder.FieldVLANID, "post_vlan": decoder.FieldPostVLANID,
		"ethertype": decoder.FieldEthernetType, "ttl": decoder.FieldMinimumTTL, "flow_label": decoder.FieldIPv6FlowLabel,
		"next_as": decoder.FieldBGPNextAdjacentAS,
	} {
		v.set(name, number(f))
	}
	for name, list := range map[string]struct {
		decoder.Field
		values []uint32
	}{
		"labels": {decoder.FieldMPLSLabels, x.MPLSLabels}, "path": {decoder.FieldBGPASPath, x.BGPASPath},
		"communities": {decoder.FieldBGPCommunities, x.BGPCommunities},
	} {
		if !x.Present.Has(list.Field) {
			list.values = nil
		}
		v.set(name, list.values)
	}
	if x.Present.Has(decoder.FieldBGPNextHop) {
		v.set("bgp_next_hop", x.Address(decoder.FieldBGPNextHop).AsSlice())
	}
	return v
}
