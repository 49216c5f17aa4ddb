package exporter

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/internal/encoder"
)

// maxIPLen is the longest packet that is sampled.
const maxIPLen = 1500

// flows are what the flows of each conversation have in common, by family.
type flows [familyCount][]encoder.Flow

func newFlows(t *traffic) *flows {
	var all flows
	for fam := range familyCount {
		all[fam] = make([]encoder.Flow, len(t.records))
		for i := range t.records {
			all[fam][i] = flowOf(&t.records[i], fam)
		}
	}
	return &all
}

// sflowMaker makes datagrams of sFlow: a sample is a packet of a flow, of its average
// length. Domains are sub-agents. It has nothing to announce.
type sflowMaker struct {
	traffic   *traffic
	flows     *flows
	agent     netip.Addr
	booted    time.Time
	rate      uint32
	subAgents []subAgent
	next      int // whose turn it is
	ipv6      share

	lastSample int // where it begins in the last datagram
}

// dataSource is the only one of a sub-agent, whose samples it numbers: sFlow numbers those of each
// data source apart.
const dataSource = 1

// subAgent counts datagrams, and the samples in them.
type subAgent struct{ datagrams, samples uint32 }

// newSFlow makes the maker of an exporter that sends from agent.
func newSFlow(c *Config, agent netip.Addr, first uint32, t *traffic, f *flows) *sflowMaker {
	m := &sflowMaker{
		traffic: t, flows: f, agent: agent,
		rate:      uint32(max(1, c.SamplingInterval)),
		subAgents: make([]subAgent, c.Domains),
		ipv6:      share{of: c.IPv6Share},
	}
	for i := range m.subAgents {
		m.subAgents[i].datagrams = scatter(first + uint32(i))
	}
	return m
}

func (m *sflowMaker) start(booted time.Time) { m.booted = booted }

func (*sflowMaker) announce(time.Time) []announcement { return nil }

func (*sflowMaker) quiet() int { return math.MaxInt }

// turn is the sub-agent of the next datagram.
func (m *sflowMaker) turn() (id uint32, a *subAgent) {
	i := m.next
	m.next = (i + 1) % len(m.subAgents)
	return uint32(i), &m.subAgents[i]
}

func (m *sflowMaker) skip(records int) {
	_, a := m.turn()
	a.datagrams++
	a.samples += uint32(records)
}

// packet writes a datagram with a sample of each flow.
func (m *sflowMaker) packet(b []byte, flow uint32, records int, now time.Time) []byte {
	id, a := m.turn()
	uptime := uint32(now.Sub(m.booted).Milliseconds())
	b = encoder.AppendSFlowHeader(b[:0], &encoder.SFlowHeader{Agent: m.agent, SubAgent: id, Sequence: a.datagrams, Uptime: uptime}, records)
	a.datagrams++
	for i := range uint32(records) {
		m.lastSample = len(b)
		d := m.traffic.draw(flow + i)
		fam := familyIPv4
		if m.ipv6.next() {
			fam = familyIPv6
		}
		f, v := &m.flows[fam][d.index()], values(d, uptime, 0)
		a.samples++
		b = encoder.AppendFlowSample(b, &encoder.Sample{
			Sequence: a.samples,
			Source:   dataSource,
			Rate:     m.rate,
			Pool:     a.samples * m.rate,
			Octets:   packetOctets(f, d),
		}, f, &v)
	}
	return b
}

// packetOctets is how long a flow's packets are on average, if that is long enough for
// the headers.
func packetOctets(f *encoder.Flow, d drawn) uint16 {
	least := uint32(encoder.IPLen(f.Source) + encoder.TransportLen(f.Protocol))
	return uint16(min(max(d.octets()/d.shape.packets, least), maxIPLen))
}

// sflowLen is how long a datagram is, at most.
func sflowLen(samples int) int { return encoder.SFlowHeaderLen + samples*encoder.SFlowSampleLen }

// sflowDamage is a way in which datagrams of sFlow arrive broken.
type sflowDamage uint8

const (
	// sflowEmpty: no byte is left.
	sflowEmpty sflowDamage = iota
	// sflowShort: the header is cut.
	sflowShort
	// sflowHeaderOnly: samples are announced and none follows.
	sflowHeaderOnly
	// sflowTruncated: the last sample is cut.
	sflowTruncated
	// sflowVersion: it is of an older version, or of none.
	sflowVersion
	// sflowSampleLong: the last sample says it goes on behind the datagram's end.
	sflowSampleLong
	// sflowCountHigh: more samples are announced than follow.
	sflowCountHigh
	// sflowNoise: random bytes.
	sflowNoise
	sflowDamageCount
)

// damage damages the datagram that was made last.
func (m *sflowMaker) damage(packet []byte, records int, turn uint32) (left []byte, readable int) {
	kind, variant := sflowDamage(turn%uint32(sflowDamageCount)), turn/uint32(sflowDamageCount)
	const shortest = 28 // a header with an IPv4 address
	header := shortest
	if m.agent.Is6() {
		header = encoder.SFlowHeaderLen
	}
	switch kind {
	case sflowEmpty:
		return packet[:0], 0
	case sflowShort:
		return packet[:1+int(variant)%(header-1)], 0
	case sflowHeaderOnly:
		return packet[:header], 0
	case sflowTruncated:
		cut := 1 + int(variant)%(len(packet)-m.lastSample)
		return packet[:len(packet)-cut], records - 1
	case sflowVersion:
		packet[3] = [...]byte{2, 4, 3, 6}[variant%4]
		return packet, 0
	case sflowSampleLong:
		binary.BigEndian.PutUint32(packet[m.lastSample+4:], 0x1000+variant)
		return packet, records - 1
	case sflowCountHigh:
		binary.BigEndian.PutUint32(packet[header-4:], uint32(records)+1+variant)
		return packet, records
	case sflowNoise:
		noise(packet, variant)
		return packet, 0
	default:
		return packet, records
	}
}
