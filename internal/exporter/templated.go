package exporter

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/flowpub/flowpub/internal/encoder"
)

// Lengths of the application names that records of variable length have: mostly up to
// usualName bytes, now and then longName, which needs a longer prefix.
const (
	usualName     = 24
	longName      = 300
	longNameEvery = 256
)

// interfaceName is what all interfaces are called.
const interfaceName = "TenGigE0/0/0/1"

// nameText is what application names are the beginning of.
var nameText = []byte(strings.Repeat("application-", longName/12))

// templatedMaker makes packets of version 9 and IPFIX.
type templatedMaker struct {
	config  *Config
	traffic *traffic
	forms   *forms
	booted  time.Time

	domains []domain
	next    int // whose turn it is
	ipv6    share

	// Of the templates.
	variant   int       // how often they were changed
	changed   time.Time // when they were last, or first sent
	announced time.Time
	since     int // packets since then
	made      []announcement

	// Of the last packet: how many records are before its last set, and where that
	// begins.
	before, lastSet int

	names encoder.Names
}

// domain is an observation domain, of which a part of the exporter's packets is.
type domain struct{ sequence uint32 }

// newTemplated makes the maker of an exporter, whose first sequence is first.
func newTemplated(c *Config, first uint32, t *traffic, f *forms) *templatedMaker {
	m := &templatedMaker{config: c, traffic: t, forms: f, domains: make([]domain, c.Domains), ipv6: share{of: c.IPv6Share}}
	for i := range m.domains {
		m.domains[i].sequence = firstOfDomain(first, i)
	}
	m.names.Interface = []byte(interfaceName)
	return m
}

// firstOfDomain is the first sequence of an exporter's domain.
func firstOfDomain(first uint32, domain int) uint32 { return scatter(first + uint32(domain)) }

func (m *templatedMaker) start(booted time.Time) { m.booted = booted }

// quiet is how many packets are left until templates are due by number. By time
// they are due when they are asked for.
func (m *templatedMaker) quiet() int { return max(1, m.config.TemplatePackets-m.since) }

// announce makes the templates and options of all domains if they are due.
func (m *templatedMaker) announce(now time.Time) []announcement {
	c, first := m.config, m.announced.IsZero()
	change := !first && c.TemplateChange > 0 && now.Sub(m.changed) >= c.TemplateChange
	if !first && !change && m.since < c.TemplatePackets && now.Sub(m.announced) < c.TemplateInterval {
		return nil
	}
	if change {
		m.variant++
	}
	if first || change {
		m.changed = now
	}
	m.announced, m.since = now, 0
	m.made = m.made[:0]
	for i := range m.domains {
		m.made = append(m.made, announcement{payload: m.templates(i, now), losable: !change})
		if m.config.SamplingInterval > 0 {
			m.made = append(m.made, announcement{payload: m.options(i, now)})
		}
	}
	return m.made
}

// form is that of a domain and a family. Neighbouring domains have different ones.
func (m *templatedMaker) form(domain int, fam family) *form {
	return m.forms.forms[(m.variant+domain)%variantCount][fam]
}

// begin begins a packet of a domain behind b.
func (m *templatedMaker) begin(b []byte, domain int, now time.Time) encoder.Packet {
	return m.forms.version.NewPacket(b, &encoder.Header{
		Uptime:   m.uptime(now),
		Export:   now,
		Sequence: m.domains[domain].sequence,
		Domain:   uint32(domain),
	})
}

func (m *templatedMaker) uptime(now time.Time) uint32 {
	return uint32(now.Sub(m.booted).Milliseconds())
}

// count counts a packet with this many data records in the sequence of its domain.
func (m *templatedMaker) count(domain, records int) {
	if m.forms.version == encoder.NetFlow9 {
		records = 1
	}
	m.domains[domain].sequence += uint32(records)
}

// templates is the datagram with the templates of a domain.
func (m *templatedMaker) templates(domain int, now time.Time) []byte {
	p := m.begin(nil, domain, now)
	var flows []encoder.Template
	for fam := range m.forms.families {
		flows = append(flows, m.form(domain, fam).layout.Template)
	}
	p.Templates(flows...)
	if m.config.SamplingInterval > 0 {
		p.Templates(m.forms.options)
	}
	m.count(domain, 0)
	return p.End()
}

// options is the datagram with the options of a domain.
func (m *templatedMaker) options(domain int, now time.Time) []byte {
	p := m.begin(nil, domain, now)
	p.OpenData(optionsTemplateID)
	p.Numbers(&m.forms.options, m.forms.optionsValues...)
	p.CloseData()
	m.count(domain, 1)
	return p.End()
}

// turn is the domain of the next packet.
func (m *templatedMaker) turn() int {
	d := m.next
	m.next = (m.next + 1) % len(m.domains)
	m.since++
	return d
}

func (m *templatedMaker) skip(records int) { m.count(m.turn(), records) }

// packet writes a packet with one set, or one for each family.
func (m *templatedMaker) packet(b []byte, flow uint32, records int, now time.Time) []byte {
	d := m.turn()
	p := m.begin(b[:0], d, now)
	ipv6 := 0
	for range records {
		if m.ipv6.next() {
			ipv6++
		}
	}
	ipv4 := records - ipv6
	m.before = 0
	if ipv4 > 0 {
		m.set(&p, m.form(d, familyIPv4), flow, ipv4, now)
	}
	if ipv6 > 0 {
		m.before = ipv4
		m.set(&p, m.form(d, familyIPv6), flow+uint32(ipv4), ipv6, now)
	}
	m.lastSet = p.SetOffset()
	m.count(d, records)
	return p.End()
}

// set adds a set of records, the first of which has number flow.
func (m *templatedMaker) set(p *encoder.Packet, f *form, flow uint32, records int, now time.Time) {
	uptime, milliseconds := m.uptime(now), now.UnixMilli()
	p.OpenData(f.layout.Template.ID)
	for i := range uint32(records) {
		d := m.traffic.draw(flow + i)
		v := values(d, uptime, milliseconds)
		m.names.Application = applicationName(flow + i)
		p.Record(f.layout, f.prototype(d.index()), &v, &m.names)
	}
	p.CloseData()
}

// applicationName is that of a flow, by its number.
func applicationName(flow uint32) []byte {
	if flow%longNameEvery == longNameEvery-1 {
		return nameText
	}
	return nameText[:flow%(usualName+1)]
}

// values are those of a flow that is exported at uptime, the moment milliseconds of
// Unix.
func values(d drawn, uptime uint32, milliseconds int64) encoder.Values {
	lag := d.lag()
	last := uptime - lag
	end := milliseconds - int64(lag)
	record := &d.conversation.record
	v := encoder.Values{
		encoder.MovingPackets:     uint64(d.shape.packets),
		encoder.MovingOctets:      uint64(d.octets()),
		encoder.MovingTCPFlags:    uint64(d.shape.tcpFlags),
		encoder.MovingFirstUptime: uint64(last - d.shape.duration),
		encoder.MovingLastUptime:  uint64(last),
		encoder.MovingStart:       uint64(end - int64(d.shape.duration)),
		encoder.MovingEnd:         uint64(end),
	}
	switch d.conversation.clientPort {
	case offSourcePort:
		v[encoder.MovingSourcePort] = uint64(d.clientPort())
		v[encoder.MovingDestinationPort] = uint64(binary.BigEndian.Uint16(record[offDestinationPort:]))
	case offDestinationPort:
		v[encoder.MovingSourcePort] = uint64(binary.BigEndian.Uint16(record[offSourcePort:]))
		v[encoder.MovingDestinationPort] = uint64(d.clientPort())
	}
	return v
}
