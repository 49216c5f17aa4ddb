package exporter

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/decoder/netflow5"
)

// engineType is what routers give their line cards.
const engineType = 1

// netflow5Maker makes packets of version 5. It has nothing to announce.
type netflow5Maker struct {
	traffic  *traffic
	header   [netflow5.HeaderLen]byte // but for what differs from packet to packet
	booted   time.Time
	sequence uint32
}

// newNetflow5 makes the maker of exporter i.
func newNetflow5(c *Config, i int, first uint32, t *traffic) (*netflow5Maker, error) {
	p := decoder.ExportPacket{Header: decoder.Header{
		Format:           decoder.FormatNetFlowV5,
		EngineType:       engineType,
		EngineID:         uint8(i),
		SamplingMode:     uint8(c.SamplingMode),
		SamplingInterval: uint16(c.SamplingInterval),
	}}
	header, err := netflow5.Append(nil, &p)
	if err != nil {
		return nil, fmt.Errorf("exporter: making a header: %w", err)
	}
	return &netflow5Maker{traffic: t, header: [netflow5.HeaderLen]byte(header), sequence: first}, nil
}

func (m *netflow5Maker) start(booted time.Time) { m.booted = booted }

func (*netflow5Maker) announce(time.Time) []announcement { return nil }

func (*netflow5Maker) quiet() int { return math.MaxInt }

func (m *netflow5Maker) skip(records int) { m.sequence += uint32(records) }

// packet writes a whole packet into b.
func (m *netflow5Maker) packet(b []byte, flow uint32, records int, now time.Time) []byte {
	uptime := uint32(now.Sub(m.booted).Milliseconds())
	b = b[:netflow5.HeaderLen+records*netflow5.RecordLen]
	copy(b, m.header[:])
	binary.BigEndian.PutUint16(b[offCount:], uint16(records))
	binary.BigEndian.PutUint32(b[offSystemUptime:], uptime)
	binary.BigEndian.PutUint32(b[offExportSeconds:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(b[offExportNanoseconds:], uint32(now.Nanosecond()))
	binary.BigEndian.PutUint32(b[offFlowSequence:], m.sequence)
	for i := range records {
		m.traffic.writeRecord(b[netflow5.HeaderLen+i*netflow5.RecordLen:], flow+uint32(i), uptime)
	}
	m.skip(records)
	return b
}

func (*netflow5Maker) damage(packet []byte, records int, turn uint32) (left []byte, readable int) {
	return damage(turn%uint32(damageCount)).apply(packet, records, turn/uint32(damageCount))
}

// netflow5Len is how long a packet is.
func netflow5Len(records int) int { return netflow5.HeaderLen + records*netflow5.RecordLen }
