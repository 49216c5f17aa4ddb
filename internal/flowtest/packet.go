package flowtest

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
	flowv1 "github.com/flowpub/flowpub/proto/flow/v1"
)

// Time is the receive time of the first test packet.
const Time = decoder.UnixNano(1_767_225_600_123_456_789) // 2026-01-01 00:00 UTC

// Received returns the receive time of the test packet made from seed: they come
// 10 milliseconds apart.
func Received(seed uint64) decoder.UnixNano {
	return Time + decoder.UnixNano(seed)*decoder.UnixNano(10*time.Millisecond)
}

// Exporter returns one of 16 exporters.
func Exporter(seed uint64) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + seed%16)}), uint16(49152+seed%16))
}

// Packet returns a packet as routers send them: few popular hosts and
// ports, mostly small flows, one clock. Different seeds give different packets,
// equal ones equal packets; those of one exporter are 16 apart.
func Packet(seed uint64, records int) *decoder.ExportPacket {
	random := rand.New(rand.NewPCG(seed, 5))
	exported := Received(seed) - decoder.UnixNano(3*time.Millisecond)
	p := &decoder.ExportPacket{
		Header: decoder.Header{
			Format:            decoder.FormatNetFlowV5,
			Count:             uint32(records),
			SystemUptime:      decoder.Uptime(3_000_000_000 + seed*10 + seed%16*1_000_003),
			ExportSeconds:     uint32(exported / 1e9),
			ExportNanoseconds: uint32(exported % 1e9),
			FlowSequence:      uint32(1_000_000*(seed%16) + seed/16*uint64(records)),
			EngineID:          uint8(seed % 2),
			SamplingMode:      1,
			SamplingInterval:  100,
		},
		Records: make([]decoder.Record, records),
	}
	hosts := rand.NewZipf(random, 1.2, 10, 1<<16)
	for i := range p.Records {
		p.Records[i] = testRecord(random, hosts, p)
	}
	return p
}

func testRecord(random *rand.Rand, hosts *rand.Zipf, p *decoder.ExportPacket) decoder.Record {
	client, server := hosts.Uint64(), hosts.Uint64()
	popular := [...]uint16{443, 443, 443, 443, 53, 53, 80, 123, 22, 8080}
	r := decoder.Record{
		SourceAddress:           testHost(10<<24, client),
		DestinationAddress:      testHost(203<<24, server),
		NextHop:                 testHost(172<<24|16<<16, server%8),
		SourcePort:              uint16(32768 + random.IntN(28232)),
		DestinationPort:         popular[random.IntN(len(popular))],
		Protocol:                6,
		Packets:                 uint64(1 + random.ExpFloat64()*math.Exp(random.NormFloat64()*1.5+1)),
		InputInterface:          uint32(500 + client%6),
		OutputInterface:         uint32(600 + server%4),
		SourceAS:                64500,
		DestinationAS:           uint32(1000 + server*7%9000),
		SourcePrefixLength:      uint8(16 + client%9),
		DestinationPrefixLength: uint8(12 + server%13),
	}
	if r.DestinationPort == 53 || r.DestinationPort == 123 {
		r.Protocol = 17
	} else {
		r.TCPFlags = [...]uint16{0x1b, 0x1b, 0x1b, 0x18, 0x10, 0x02, 0x1f}[random.IntN(7)]
	}
	if random.IntN(10) == 0 {
		r.TOS = [...]uint8{0x28, 0xb8, 0x20}[random.IntN(3)]
	}
	r.Octets = r.Packets * uint64(40+random.IntN(1420))
	if random.IntN(2) == 0 { // the way back
		r.SourceAddress, r.DestinationAddress = r.DestinationAddress, r.SourceAddress
		r.SourcePort, r.DestinationPort = r.DestinationPort, r.SourcePort
		r.InputInterface, r.OutputInterface = r.OutputInterface, r.InputInterface
		r.SourceAS, r.DestinationAS = r.DestinationAS, r.SourceAS
		r.SourcePrefixLength, r.DestinationPrefixLength = r.DestinationPrefixLength, r.SourcePrefixLength
	}
	ended := uint32(random.IntN(15_000))
	r.LastUptime = p.SystemUptime - decoder.Uptime(ended)
	r.FirstUptime = r.LastUptime - decoder.Uptime(random.ExpFloat64()*20_000)
	r.StartTime = p.WallTime(r.FirstUptime)
	r.EndTime = p.WallTime(r.LastUptime)
	return r
}

// testHost is the nth address of a network, in an order that looks like none.
func testHost(network uint32, n uint64) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], network|uint32(n*2_654_435_761)>>16)
	return netip.AddrFrom4(b)
}

// Message returns the message of a packet's record as generated code has it: what
// the encoder is held to.
func Message(from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket, index int) *flowv1.FlowRecord {
	var m flowv1.FlowRecord
	Fill(&m, from, received, p, index)
	return &m
}

// Fill makes m that message.
func Fill(m *flowv1.FlowRecord, from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket, index int) {
	r := &p.Records[index]
	m.SourceAddress = r.SourceAddress.AsSlice()
	m.DestinationAddress = r.DestinationAddress.AsSlice()
	m.SourcePort = uint32(r.SourcePort)
	m.DestinationPort = uint32(r.DestinationPort)
	m.Protocol = uint32(r.Protocol)
	m.Packets = r.Packets
	m.Octets = r.Octets
	m.StartTimeNs = uint64(r.StartTime)
	m.EndTimeNs = uint64(r.EndTime)
	m.InputInterface = r.InputInterface
	m.OutputInterface = r.OutputInterface
	m.TcpFlags = uint32(r.TCPFlags)
	m.Tos = uint32(r.TOS)
	m.NextHop = r.NextHop.AsSlice()
	m.RecordIndex = p.FirstRecord + uint32(index)
	m.FirstUptimeMs = uint32(r.FirstUptime)
	m.LastUptimeMs = uint32(r.LastUptime)
	m.Anomalies = uint32(p.Anomalies | r.Anomalies)
	m.SourceAs = r.SourceAS
	m.DestinationAs = r.DestinationAS
	m.SourcePrefixLength = uint32(r.SourcePrefixLength)
	m.DestinationPrefixLength = uint32(r.DestinationPrefixLength)
	fillHeader(m, from, received, p)
	if len(p.Extensions) == 0 {
		return
	}
	x := p.Extensions[index]
	if p.AgentAddress.IsValid() {
		x.Present &^= 1 << decoder.FieldAgentAddress // the header's counts
	}
	m.SamplingInterval = 0 // so does the record's
	fillExtension(m, &x)
}

// fillHeader sets what is equal in all messages of a packet.
func fillHeader(m *flowv1.FlowRecord, from netip.AddrPort, received decoder.UnixNano, p *decoder.ExportPacket) {
	m.ExporterAddress = from.Addr().Unmap().AsSlice()
	if a := p.Annotation; a != nil {
		m.ExporterName, m.SamplingOverride = a.Name, a.SamplingOverride
	}
	m.ReceiveTimeNs = uint64(received)
	m.ExportTimeNs = uint64(p.ExportTime())
	m.FlowSequence = p.FlowSequence
	m.RecordCount = uint32(len(p.Records))
	m.EngineType = uint32(p.EngineType)
	m.EngineId = uint32(p.EngineID)
	m.SamplingMode = uint32(p.SamplingMode)
	m.SamplingInterval = uint32(p.SamplingInterval)
	m.SystemUptimeMs = uint32(p.SystemUptime)
	m.Format = flowv1.ExportFormat(p.Format)
	m.ExporterPort = uint32(from.Port())
	m.HeaderCount = p.Count
	m.ObservationDomainId = p.ObservationDomain
	m.AgentAddress = p.AgentAddress.AsSlice()
}
