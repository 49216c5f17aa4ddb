package corpus

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"

	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// SFlowDatagram is what an independent decoder says about a datagram of sFlow.
type SFlowDatagram struct {
	Exporter  string `json:"exporter_ip"`
	Port      uint16 `json:"exporter_port"`
	Agent     *netip.Addr
	SubAgent  uint32 `json:"sub_agent"`
	Sequence  uint32
	Uptime    uint32 `json:"sysuptime"`
	Announced uint32 `json:"samples_announced"`
	Notes     []string
	// Error is why it read no further.
	Error     string
	Flows     uint32
	Counters  uint32 `json:"counter_samples"`
	Discarded uint32 `json:"discard_samples"`
}

// SFlowSample is what it says about a flow sample.
type SFlowSample struct {
	Pkt           int
	Sequence      uint32 `json:"sample_sequence"`
	SourceType    uint32 `json:"source_type"`
	SourceIndex   uint32 `json:"source_index"`
	Rate          uint32 `json:"sampling_rate"`
	Drops         uint32
	Input, Output SFlowPort
	Header        *SFlowHeader `json:"raw_header"`
	Packet        *SFlowPacket
	Ethernet      *SFlowEthernet
	IPv4, IPv6    *SFlowIP
	Switch        *SFlowSwitch
	Router        *SFlowRouter
	Gateway       *SFlowGateway
	RecordErrors  []any `json:"record_errors"`
}

// SFlowPort is an interface: what it is, and its number.
type SFlowPort struct {
	Format any
	Value  uint32
}

// SFlowHeader is a sampled header, in hexadecimal digits.
type SFlowHeader struct {
	Protocol    uint32 `json:"header_protocol"`
	FrameLength uint32 `json:"frame_length"`
	Header      string
}

// SFlowPacket is what is in a sampled header.
type SFlowPacket struct {
	SourceMAC      string `json:"src_mac"`
	DestinationMAC string `json:"dst_mac"`
	VLANs          []uint32
	EtherType      *uint32
	Labels         []uint32 `json:"mpls_labels"`
	TOS            uint32
	Length         *uint64 `json:"ip_len"`
	TTL            uint32
	Protocol       *uint32 `json:"proto"`
	Src, Dst       netip.Addr
	FragmentOffset *uint32 `json:"frag_offset"` // in octets
	MoreFragments  bool    `json:"more_fragments"`
	Sport, Dport   *uint32
	TCPFlags       *uint32 `json:"tcp_flags"`
	ICMPType       *uint32 `json:"icmp_type"`
	ICMPCode       uint32  `json:"icmp_code"`
	FlowLabel      uint32  `json:"flow_label"`
	Truncated      bool
}

// SFlowEthernet is a sampled Ethernet frame without its header.
type SFlowEthernet struct {
	Length         uint32
	SourceMAC      string `json:"src_mac"`
	DestinationMAC string `json:"dst_mac"`
	EtherType      uint32
}

// SFlowIP is a sampled IP packet without its header.
type SFlowIP struct {
	Length        uint64
	Protocol      uint32 `json:"proto"`
	Src, Dst      netip.Addr
	Sport, Dport  uint32
	TCPFlags      uint32 `json:"tcp_flags"`
	TOS, Priority uint32
}

// SFlowSwitch is what a switch adds.
type SFlowSwitch struct {
	In  uint32 `json:"src_vlan"`
	Out uint32 `json:"dst_vlan"`
}

// SFlowRouter is what a router adds.
type SFlowRouter struct {
	NextHop     netip.Addr `json:"next_hop"`
	Source      uint32     `json:"src_mask"`
	Destination uint32     `json:"dst_mask"`
}

// SFlowGateway is what a router with BGP adds.
type SFlowGateway struct {
	NextHop     netip.Addr `json:"next_hop"`
	Source      uint32     `json:"src_as"`
	Previous    uint32     `json:"src_peer_as"`
	Path        [][]any    `json:"dst_as_path"`
	Communities []uint32
}

// Bits of anomalies.
const (
	cut       = uint32(flowv1.Anomaly_ANOMALY_TRUNCATED_HEADER)
	odd       = uint32(flowv1.Anomaly_ANOMALY_VALUE_OUT_OF_RANGE)
	malformed = uint32(flowv1.Anomaly_ANOMALY_MALFORMED_SET)
	ended     = uint32(flowv1.Anomaly_ANOMALY_COUNT_ABOVE_PRESENT | flowv1.Anomaly_ANOMALY_PARTIAL_RECORD)
	trailing  = uint32(flowv1.Anomaly_ANOMALY_TRAILING_BYTES)
)

// Messages returns what is to be published of a datagram's flow samples: by the rules of the
// message's comments, but without exporter and receive time.
func (d *SFlowDatagram) Messages(tb testing.TB, samples []*SFlowSample) (all []*flowv1.FlowRecord) {
	tb.Helper()
	anomalies := uint32(0)
	if d.Error != "" {
		anomalies |= ended
	}
	if len(d.Notes) > 0 {
		anomalies |= trailing
	}
	for _, s := range samples {
		if len(s.RecordErrors) > 0 {
			anomalies |= malformed
		}
	}
	for i, s := range samples {
		m := s.message(tb)
		m.Format = flowv1.ExportFormat_EXPORT_FORMAT_SFLOW_V5
		m.AgentAddress = d.Agent.AsSlice()
		m.ObservationDomainId, m.FlowSequence, m.SystemUptimeMs, m.HeaderCount = d.SubAgent, d.Sequence, d.Uptime, d.Announced
		m.RecordIndex, m.RecordCount = uint32(i), uint32(len(samples))
		m.Anomalies |= anomalies
		all = append(all, m)
	}
	return all
}

func (s *SFlowSample) message(tb testing.TB) *flowv1.FlowRecord {
	tb.Helper()
	m := &flowv1.FlowRecord{
		Packets:          1,
		SampleSequence:   s.Sequence,
		SourceId:         s.SourceType<<24 | s.SourceIndex,
		SamplingInterval: s.Rate,
		SamplingSource:   flowv1.SamplingSource_SAMPLING_SOURCE_SFLOW_SAMPLE,
		InputInterface:   s.Input.index(),
		OutputInterface:  s.Output.index(),
	}
	if s.Output.Format == "discard" {
		m.ForwardingStatus = 128
	}
	if x := s.Ethernet; x != nil {
		m.FrameOctets, m.EthernetType = x.Length, x.EtherType
		m.SourceMac, m.DestinationMac = macBytes(x.SourceMAC), macBytes(x.DestinationMAC)
	}
	for _, x := range []*SFlowIP{s.IPv4, s.IPv6} {
		if x != nil {
			m.SourceAddress, m.DestinationAddress = x.Src.AsSlice(), x.Dst.AsSlice()
			m.Octets, m.Protocol, m.Tos = x.Length, x.Protocol, x.TOS|x.Priority
			m.SourcePort, m.DestinationPort, m.TcpFlags = x.Sport, x.Dport, x.TCPFlags
		}
	}
	if x := s.Switch; x != nil {
		const unknown = 0xffffffff
		if x.In != unknown {
			m.VlanId = x.In
		}
		if x.Out != unknown {
			m.PostVlanId = x.Out
		}
	}
	if s.Header != nil {
		s.packet(tb, m)
	}
	s.routing(m)
	return m
}

// index is the interface's, if it is one.
func (p SFlowPort) index() uint32 {
	const local = 0x3fffffff
	if p.Format != "single" || p.Value == local {
		return 0
	}
	return p.Value
}

// macBytes returns an address as bytes, if it is whole.
func macBytes(text string) []byte {
	a, err := net.ParseMAC(text)
	if err != nil {
		return nil
	}
	return a
}

// packet adds what a sampled header says.
func (s *SFlowSample) packet(tb testing.TB, m *flowv1.FlowRecord) {
	tb.Helper()
	x := s.Packet
	m.FrameOctets = s.Header.FrameLength
	m.SourceMac, m.DestinationMac = macBytes(x.SourceMAC), macBytes(x.DestinationMAC)
	before := 4 * (len(x.VLANs) + len(x.Labels))
	if len(x.VLANs) > 0 {
		m.VlanId = x.VLANs[0]
	}
	if len(x.VLANs) > 1 {
		m.CustomerVlanId = x.VLANs[1]
	}
	m.MplsLabels = x.Labels
	if x.Truncated {
		m.Anomalies |= cut
	}
	if x.EtherType != nil {
		before += 14
		m.EthernetType = *x.EtherType
		if (*x.EtherType == 0x800 || *x.EtherType == 0x86dd) && x.Length == nil {
			m.Anomalies |= cut
		}
	}
	if x.Length == nil {
		return
	}
	m.Octets, m.Tos, m.Protocol, m.Ipv6FlowLabel = *x.Length, x.TOS, *x.Protocol, x.FlowLabel
	m.MinimumTtl, m.MaximumTtl = x.TTL, x.TTL
	m.SourceAddress, m.DestinationAddress = x.Src.AsSlice(), x.Dst.AsSlice()
	if *x.Length == 0 || uint64(before)+*x.Length > uint64(s.Header.FrameLength) {
		m.Anomalies |= odd
	}
	s.fragment(tb, m, before)
	if x.FragmentOffset == nil || *x.FragmentOffset == 0 {
		x.transport(m)
	}
}

// fragment adds what an IP header, which begins behind so many bytes, says about fragments.
func (s *SFlowSample) fragment(tb testing.TB, m *flowv1.FlowRecord, before int) {
	tb.Helper()
	b, err := hex.DecodeString(s.Header.Header)
	if err != nil {
		tb.Fatal(err)
	}
	x := s.Packet
	fragment := x.FragmentOffset != nil && (*x.FragmentOffset != 0 || x.MoreFragments)
	if fragment {
		m.FragmentOffset = *x.FragmentOffset / 8
	}
	switch {
	case x.Src.Is4():
		m.FragmentFlags = uint32(b[before+6] & 0xe0)
		if fragment {
			m.FragmentIdentification = uint32(binary.BigEndian.Uint16(b[before+4:]))
		}
	case fragment:
		tb.Fatal("no IPv6 fragment was in the recordings when this was written")
	}
}

// transport adds what is behind the IP header.
func (x *SFlowPacket) transport(m *flowv1.FlowRecord) {
	switch *x.Protocol {
	case 6, 17, 132:
		if x.Sport == nil {
			m.Anomalies |= cut
			return
		}
		m.SourcePort, m.DestinationPort = *x.Sport, *x.Dport
		if *x.Protocol != 6 {
			return
		}
		if x.TCPFlags == nil {
			m.Anomalies |= cut
			return
		}
		m.TcpFlags = *x.TCPFlags
	case 1, 58:
		if x.ICMPType == nil {
			m.Anomalies |= cut
			return
		}
		m.IcmpTypeCode = *x.ICMPType<<8 | x.ICMPCode
	}
}

func (s *SFlowSample) routing(m *flowv1.FlowRecord) {
	if x := s.Router; x != nil {
		m.NextHop = x.NextHop.AsSlice()
		m.SourcePrefixLength, m.DestinationPrefixLength = x.Source, x.Destination
	}
	x := s.Gateway
	if x == nil {
		return
	}
	m.BgpNextHop = x.NextHop.AsSlice()
	m.SourceAs, m.BgpPreviousAdjacentAs, m.BgpCommunities = x.Source, x.Previous, x.Communities
	for _, segment := range x.Path {
		members, _ := segment[1].([]any)
		for _, as := range members {
			number, _ := as.(float64)
			m.BgpAsPath = append(m.BgpAsPath, uint32(number))
		}
	}
	if n := len(m.GetBgpAsPath()); n > 0 {
		m.BgpNextAdjacentAs, m.DestinationAs = m.GetBgpAsPath()[0], m.GetBgpAsPath()[n-1]
	}
}

// SFlow returns what an independent decoder found in a capture: its datagrams, and the flow
// samples of each.
func SFlow(tb testing.TB, path string) (datagrams []SFlowDatagram, samples map[int][]*SFlowSample) {
	tb.Helper()
	plain := strings.TrimSuffix(path, ".gz")
	samples = make(map[int][]*SFlowSample)
	all := Lines[SFlowSample](tb, plain+".expected.jsonl")
	for i := range all {
		samples[all[i].Pkt] = append(samples[all[i].Pkt], &all[i])
	}
	return Lines[SFlowDatagram](tb, plain+".datagrams.jsonl"), samples
}
