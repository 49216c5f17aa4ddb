package exporter

import (
	"net/netip"
	"slices"

	"github.com/flowpub/flowpub/decoder"
	"github.com/flowpub/flowpub/internal/encoder"
)

// Ids of templates. A domain has a template for each family.
const (
	templateID4       = 256
	templateID6       = 257
	optionsTemplateID = 258
)

// A template has variants, in which the same elements have another order and other
// widths: what it changes to, and what other domains have for the same ID.
const variantCount = 2

// family is that of a flow's addresses.
type family uint8

const (
	familyIPv4 family = iota
	familyIPv6
	familyCount
)

// samplerID is the exporters' only sampler.
const samplerID = 1

// What records tell that synthetic flows do not differ in.
const (
	flowForwarded = 0x40 // forwarded, for no special reason: RFC 7270
	endedIdle     = 1
	firstVLAN     = 1000
)

// form is a layout with the prototypes of all conversations.
type form struct {
	layout     *encoder.Layout
	prototypes []byte
}

// prototype is that of a conversation.
func (f *form) prototype(conversation uint32) []byte {
	n := uint32(f.layout.Fixed())
	return f.prototypes[conversation*n:][:n]
}

// forms are those of a format with templates, and what options it has.
type forms struct {
	version encoder.Version
	// families are those that flows have: IPv4, or both.
	families family
	forms    [variantCount][familyCount]*form
	// options is the template of what samplers do; without fields if there are none.
	options       encoder.Template
	optionsValues []uint64
}

// newForms makes the forms of a version.
func newForms(c *Config, version encoder.Version, t *traffic) *forms {
	all := &forms{version: version, families: familyIPv4 + 1}
	if c.IPv6Share > 0 {
		all.families = familyCount
	}
	for v := range variantCount {
		for fam := range all.families {
			l := encoder.NewLayout(flowTemplate(c, version, v, fam))
			made := &form{layout: l, prototypes: make([]byte, 0, len(t.records)*l.Fixed())}
			for i := range t.records {
				f := flowOf(&t.records[i], fam)
				made.prototypes = l.AppendPrototype(made.prototypes, &f)
			}
			all.forms[v][fam] = made
		}
	}
	if c.SamplingInterval > 0 {
		all.options, all.optionsValues = samplerOptions(c, version)
	}
	return all
}

// recordLen is how long a record is, at most, with values of variable length that
// are this long.
func (f *forms) recordLen(variable int) int {
	longest := 0
	for v := range f.forms {
		for fam := range f.families {
			longest = max(longest, f.forms[v][fam].layout.RecordLen(variable))
		}
	}
	return longest
}

// packetLen is how long a packet is, at most.
func (f *forms) packetLen(records, variable int) int {
	return f.version.HeaderLen() + encoder.DataLen(records*f.recordLen(variable)) + int(f.families-1)*encoder.DataLen(0)
}

func field(id, length uint16) encoder.Field {
	return encoder.Field{Element: encoder.Element{ID: id}, Length: length}
}

// flowTemplate is the template of flows. Wide and narrow are the widths of what both
// variants hold.
func flowTemplate(c *Config, version encoder.Version, variant int, fam family) encoder.Template {
	narrow := variant > 0
	width := func(wide, reduced uint16) uint16 {
		if narrow {
			return reduced
		}
		return wide
	}
	counter := width(8, 4)
	if version == encoder.NetFlow9 {
		counter = width(4, 8) // most exporters of version 9 have 4, some have 8
	}
	t := encoder.Template{ID: templateID4, Fields: addressFields(fam)}
	if fam == familyIPv6 {
		t.ID = templateID6
	}
	t.Fields = append(t.Fields,
		field(encoder.IngressInterface, width(4, 2)), field(encoder.EgressInterface, width(4, 2)),
		field(encoder.PacketDeltaCount, counter), field(encoder.OctetDeltaCount, counter))
	t.Fields = append(t.Fields, timeFields(version)...)
	t.Fields = append(t.Fields,
		field(encoder.SourceTransportPort, 2), field(encoder.DestinationTransportPort, 2),
		field(encoder.TCPControlBits, width(1, 2)), field(encoder.ProtocolIdentifier, 1), field(encoder.IPClassOfService, 1),
		field(encoder.BGPSourceASNumber, width(4, 2)), field(encoder.BGPDestinationASNumber, width(4, 2)),
		field(encoder.FlowDirection, 1), field(encoder.VLANID, 2),
		field(encoder.FlowEndReason, 1), field(encoder.ForwardingStatus, 1))
	if c.SamplingInterval > 0 {
		t.Fields = append(t.Fields, samplerField(version))
	}
	if c.VariableLengths && version == encoder.IPFIX {
		t.Fields = slices.Insert(t.Fields, len(t.Fields)/2, field(encoder.InterfaceName, encoder.Variable))
		t.Fields = append(t.Fields, encoder.Field{Element: encoder.ExampleElement, Length: 4}, field(encoder.ApplicationName, encoder.Variable))
	}
	if narrow {
		slices.Reverse(t.Fields)
	}
	return t
}

func addressFields(fam family) []encoder.Field {
	if fam == familyIPv6 {
		return []encoder.Field{
			field(encoder.SourceIPv6Address, 16), field(encoder.DestinationIPv6Address, 16), field(encoder.IPNextHopIPv6Address, 16),
			field(encoder.SourceIPv6PrefixLength, 1), field(encoder.DestinationIPv6PrefixLength, 1), field(encoder.ICMPTypeCodeIPv6, 2),
		}
	}
	return []encoder.Field{
		field(encoder.SourceIPv4Address, 4), field(encoder.DestinationIPv4Address, 4), field(encoder.IPNextHopIPv4Address, 4),
		field(encoder.SourceIPv4PrefixLength, 1), field(encoder.DestinationIPv4PrefixLength, 1), field(encoder.ICMPTypeCodeIPv4, 2),
	}
}

// timeFields are the times that a version has customarily.
func timeFields(version encoder.Version) []encoder.Field {
	if version == encoder.NetFlow9 {
		return []encoder.Field{field(encoder.FlowStartSysUpTime, 4), field(encoder.FlowEndSysUpTime, 4)}
	}
	return []encoder.Field{field(encoder.FlowStartMilliseconds, 8), field(encoder.FlowEndMilliseconds, 8)}
}

// samplerField is which sampler chose a flow's packets.
func samplerField(version encoder.Version) encoder.Field {
	if version == encoder.NetFlow9 {
		return field(encoder.SamplerID, 1)
	}
	return field(encoder.SelectorID, 4)
}

// Modes of samplers: those of version 5, which version 9 has too, and those of IPFIX.
const (
	modeDeterministic   = 1
	modeRandom          = 2
	algorithmSystematic = 1 // count-based
	algorithmRandom     = 3 // n out of N
)

// samplerOptions are the template and the values of the options that tell what the
// sampler does.
func samplerOptions(c *Config, version encoder.Version) (encoder.Template, []uint64) {
	interval := uint64(c.SamplingInterval)
	switch {
	case version == encoder.NetFlow9:
		return encoder.Template{ID: optionsTemplateID, Scopes: 1, Fields: []encoder.Field{
			field(encoder.ScopeSystem, 4), field(encoder.SamplerID, 1), field(encoder.SamplerMode, 1), field(encoder.SamplerRandomInterval, 4),
		}}, []uint64{0, samplerID, uint64(max(c.SamplingMode, modeDeterministic)), interval}
	case c.SamplingMode == modeRandom:
		return encoder.Template{ID: optionsTemplateID, Scopes: 1, Fields: []encoder.Field{
			field(encoder.SelectorID, 4), field(encoder.SelectorAlgorithm, 2), field(encoder.SamplingSize, 4), field(encoder.SamplingPopulation, 4),
		}}, []uint64{samplerID, algorithmRandom, 1, interval}
	default:
		return encoder.Template{ID: optionsTemplateID, Scopes: 1, Fields: []encoder.Field{
			field(encoder.SelectorID, 4), field(encoder.SelectorAlgorithm, 2), field(encoder.SamplingPacketInterval, 4), field(encoder.SamplingPacketSpace, 4),
		}}, []uint64{samplerID, algorithmSystematic, 1, interval - 1}
	}
}

// flowOf is what the flows of a conversation have in common, in a family.
func flowOf(r *decoder.Record, fam family) encoder.Flow {
	f := encoder.Flow{
		Source:                  r.SourceAddress,
		Destination:             r.DestinationAddress,
		NextHop:                 r.NextHop,
		SourcePrefixLength:      r.SourcePrefixLength,
		DestinationPrefixLength: r.DestinationPrefixLength,
		InputInterface:          r.InputInterface,
		OutputInterface:         r.OutputInterface,
		SourceAS:                r.SourceAS,
		DestinationAS:           r.DestinationAS,
		Protocol:                r.Protocol,
		TOS:                     r.TOS,
		VLAN:                    uint16(firstVLAN + r.InputInterface),
		ForwardingStatus:        flowForwarded,
		EndReason:               endedIdle,
		Sampler:                 samplerID,
		ApplicationID:           uint32(r.DestinationPort),
	}
	if r.Protocol == protocolICMP {
		f.ICMPTypeCode = r.DestinationPort
	}
	if fam == familyIPv6 {
		toIPv6(&f)
	}
	return f
}

// documentation is the prefix of addresses for examples, RFC 3849. An IPv4 address is
// put behind its 96 bits.
var documentation = netip.MustParseAddr("2001:db8::").As16()

const documentationBits = 96

// toIPv6 turns a flow of IPv4 into one of IPv6.
func toIPv6(f *encoder.Flow) {
	f.Source, f.Destination, f.NextHop = mapped(f.Source), mapped(f.Destination), mapped(f.NextHop)
	f.SourcePrefixLength += documentationBits
	f.DestinationPrefixLength += documentationBits
	if f.Protocol == protocolICMP {
		f.Protocol = protocolICMPv6
		f.ICMPTypeCode = icmpv6EchoReply
		if f.ApplicationID == icmpEchoRequest {
			f.ICMPTypeCode = icmpv6EchoRequest
		}
	}
}

func mapped(a netip.Addr) netip.Addr {
	b, a4 := documentation, a.As4()
	copy(b[documentationBits/8:], a4[:])
	return netip.AddrFrom16(b)
}
