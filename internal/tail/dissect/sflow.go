package dissect

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Names of samples and records, by sflow.org's numbers: section "Data Formats" of sFlow
// version 5, and its registry.
var (
	sampleNames = map[uint32]string{
		1: "flow sample", 2: "counters sample", 3: "expanded flow sample", 4: "expanded counters sample", 5: "discarded packet",
	}
	flowRecordNames = map[uint32]string{
		1: "raw packet header", 2: "ethernet frame", 3: "IPv4", 4: "IPv6", 1001: "extended switch", 1002: "extended router",
		1003: "extended gateway", 1004: "extended user", 1005: "extended URL", 1006: "extended MPLS", 1007: "extended NAT",
		1020: "extended NAT port", 1021: "extended L2 tunnel egress", 1023: "extended IPv4 tunnel egress", 1029: "extended VNI egress",
		1030: "extended VNI ingress", 2100: "extended socket IPv4", 2101: "extended socket IPv6",
	}
	counterRecordNames = map[uint32]string{
		1: "generic interface", 2: "ethernet interface", 3: "token ring", 4: "100BaseVG", 5: "VLAN", 1001: "processor",
		2000: "host description", 2001: "host adapters", 2003: "host CPU", 2004: "host memory", 2005: "host disk", 2006: "host network",
	}
)

// sflow shows a datagram.
func (p *page) sflow(b []byte) {
	agent, rest, ok := takeAddress(b[4:])
	if !ok || len(rest) < 16 {
		p.cut(1, "the header", b)
		return
	}
	n := numbers{b: rest}
	domain, sequence, uptime, count := n.of32(), n.of32(), n.of32(), n.of32()
	p.line(1, "header: agent=%s sub_agent=%d sequence=%d uptime=%dms samples=%d", agent, domain, sequence, uptime, count)
	rest = rest[16:]
	for i := uint32(1); i <= count; i++ {
		format, content, behind, ok := takeOpaque(rest)
		if !ok {
			p.cut(1, fmt.Sprintf("sample %d", i), rest)
			return
		}
		p.sample(i, format, content)
		rest = behind
	}
	p.bytes(1, "behind the samples", rest)
}

// takeAddress reads an address behind its type.
func takeAddress(b []byte) (text string, rest []byte, ok bool) {
	size := 0
	if len(b) >= 4 {
		switch binary.BigEndian.Uint32(b) {
		case 1:
			size = 4
		case 2:
			size = 16
		}
	}
	if len(b) < 4+size {
		return "", nil, false
	}
	addr, known := netip.AddrFromSlice(b[4 : 4+size])
	if !known {
		return "-", b[4:], true
	}
	return addr.String(), b[4+size:], true
}

// takeOpaque reads a format, and the bytes behind their length.
func takeOpaque(b []byte) (format uint32, content, rest []byte, ok bool) {
	if len(b) < 8 {
		return 0, nil, nil, false
	}
	length := uint64(binary.BigEndian.Uint32(b[4:]))
	if length > uint64(len(b)-8) {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint32(b), b[8 : 8+length], b[8+length:], true
}

// formatName is the name of a sample's or record's format, or its number, with the enterprise.
func formatName(names map[uint32]string, format uint32) string {
	if name, ok := names[format]; ok {
		return name
	}
	return fmt.Sprintf("format %d/%d", format>>12, format&0xfff)
}

// sampleFields are what a sample begins with: all numbers of 32 bits.
var sampleFields = map[uint32][]string{
	1: {"sequence", "source_id", "sampling_rate", "sample_pool", "drops", "input", "output"},
	2: {"sequence", "source_id"},
	3: {
		"sequence", "source_type", "source_index", "sampling_rate", "sample_pool", "drops",
		"input_format", "input", "output_format", "output",
	},
	4: {"sequence", "source_type", "source_index"},
	5: {"sequence", "source_type", "source_index", "drops", "input", "output", "reason"},
}

// sample shows a sample and its records.
func (p *page) sample(index, format uint32, b []byte) {
	fields, known := sampleFields[format]
	name := formatName(sampleNames, format)
	if !known {
		p.bytes(1, fmt.Sprintf("sample %d: %s", index, name), b)
		return
	}
	if len(b) < 4*len(fields)+4 {
		p.cut(1, fmt.Sprintf("sample %d: %s", index, name), b)
		return
	}
	n := numbers{b: b}
	var text strings.Builder
	for _, field := range fields {
		fmt.Fprintf(&text, " %s=%d", field, n.of32())
	}
	count := n.of32()
	p.line(1, "sample %d: %s%s records=%d", index, name, text.String(), count)
	rest := b[n.at:]
	for range count {
		format, content, behind, ok := takeOpaque(rest)
		if !ok {
			p.cut(2, "a record", rest)
			return
		}
		p.sampleRecord(format, content, strings.HasSuffix(name, "counters sample"))
		rest = behind
	}
	p.bytes(2, "behind the records", rest)
}

func (p *page) sampleRecord(format uint32, b []byte, counters bool) {
	if counters {
		p.bytes(2, formatName(counterRecordNames, format), b)
		return
	}
	n := numbers{b: b}
	switch name := formatName(flowRecordNames, format); {
	case format == 1 && len(b) >= 16:
		p.line(2, "%s: protocol=%d frame_length=%d stripped=%d header_length=%d", name, n.of32(), n.of32(), n.of32(), n.of32())
		p.frame(binary.BigEndian.Uint32(b), b[16:][:min(len(b)-16, int(min(binary.BigEndian.Uint32(b[12:]), 1<<16)))])
	case format == 3 && len(b) >= 32:
		p.line(2, "%s: length=%d protocol=%d src=%v dst=%v srcport=%d dstport=%d tcp_flags=%#02x tos=%d", name,
			n.of32(), n.of32(), n.address4(), n.address4(), n.of32(), n.of32(), n.of32(), n.of32())
	case format == 1001 && len(b) >= 16:
		p.line(2, "%s: src_vlan=%d src_priority=%d dst_vlan=%d dst_priority=%d", name, n.of32(), n.of32(), n.of32(), n.of32())
	case format == 1002:
		p.router(name, b)
	default:
		p.bytes(2, name, b)
	}
}

func (p *page) router(name string, b []byte) {
	hop, rest, ok := takeAddress(b)
	if !ok || len(rest) < 8 {
		p.cut(2, name, b)
		return
	}
	n := numbers{b: rest}
	p.line(2, "%s: next_hop=%s src_mask=%d dst_mask=%d", name, hop, n.of32(), n.of32())
}

// frame shows a sampled packet: what its Ethernet header says, and its bytes.
func (p *page) frame(protocol uint32, b []byte) {
	const ethernet = 1
	if protocol == ethernet && len(b) >= 14 {
		p.line(3, "ethernet: dst=%s src=%s type=%#04x", net.HardwareAddr(b[:6]), net.HardwareAddr(b[6:12]), binary.BigEndian.Uint16(b[12:]))
	}
	p.bytes(3, "frame", b)
}
