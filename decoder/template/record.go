package template

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/flowpub/flowpub/decoder"
)

// load returns what an op takes out of a record.
func (o *op) load(rec []byte) uint64 {
	at := int(o.end)
	return binary.BigEndian.Uint64(rec[at:at+8]) & o.mask
}

// record decodes a record of fixed length, which begins lead bytes into rec, into *out and
// *x. Fields are assigned one by one: see netflow5.
func (r *Reader) record(p *Plan, rec []byte, out *decoder.Record, x *decoder.Extension) {
	s := &r.slots
	slots, values := p.slots, p.values // here no index needs a check
	for i := range slots {
		o := &slots[i]
		s[o.to%slotRoom] = o.load(rec)
	}
	for i := range values {
		o := &values[i]
		x.Values[o.to] = o.load(rec)
	}
	x.Present = p.present
	x.Values[decoder.FieldTemplateID] = uint64(r.id)
	x.Values[decoder.FieldCounterKind] = p.counterKind

	r.addresses(p, rec, out)
	out.Packets = s[slotPackets]
	out.Octets = s[slotOctets]
	out.InputInterface = uint32(s[slotInput])
	out.OutputInterface = uint32(s[slotOutput])
	out.SourceAS = uint32(s[slotSourceAS])
	out.DestinationAS = uint32(s[slotDestinationAS])
	out.SourcePort = uint16(s[slotSourcePort])
	out.DestinationPort = uint16(s[slotDestinationPort])
	out.TCPFlags = uint16(s[slotTCPFlags])
	out.Protocol = uint8(s[slotProtocol])
	out.TOS = uint8(s[slotTOS])
	out.SourcePrefixLength = uint8(s[slotSourceLength4])
	out.DestinationPrefixLength = uint8(s[slotDestinationLength4])
	out.FirstUptime = decoder.Uptime(s[slotFirst])
	out.LastUptime = decoder.Uptime(s[slotLast])

	r.found = p.anomalies | r.setAnomalies
	if p.start == clockUptime && p.end == clockUptime && r.header.HasUptime {
		out.StartTime = decoder.WallTime(r.export, r.header.SystemUptime, out.FirstUptime)
		out.EndTime = decoder.WallTime(r.export, r.header.SystemUptime, out.LastUptime)
	} else {
		r.times(p, out)
	}
	if p.flags&flagDirection != 0 {
		x.Values[decoder.FieldFlowDirection] = direction(x.Values[decoder.FieldFlowDirection])
	}
	if p.special {
		r.rare(p, rec, out, x)
	}
	if p.flags&(flagSampler|flagOwnSampling) != 0 || r.state.byInterface() {
		r.sampled(p, out, x)
	} else if r.fallback.Interval != 0 {
		r.fallback.apply(x, r.fallbackSource)
	}
	out.Anomalies = r.found | decoder.TimeAnomalies(out.StartTime, out.EndTime, r.export)
}

// addresses sets the addresses of a record.
func (r *Reader) addresses(p *Plan, rec []byte, out *decoder.Record) {
	switch {
	case p.source.in == familyIPv4 && p.destination.in == familyIPv4:
		out.SourceAddress = ip4(rec, p.source.ip4)
		out.DestinationAddress = ip4(rec, p.destination.ip4)
	case p.source.in == familyIPv6 && p.destination.in == familyIPv6:
		out.SourceAddress = ip6(rec, p.source.ip6)
		out.DestinationAddress = ip6(rec, p.destination.ip6)
	default:
		out.SourceAddress = r.address(&p.source, rec)
		out.DestinationAddress = r.address(&p.destination, rec)
	}
	out.NextHop = r.address(&p.nextHop, rec)
}

// address returns an address. Where a record has it in both families, its version says which
// counts, otherwise the one that is not zero does.
func (r *Reader) address(a *address, rec []byte) netip.Addr {
	switch a.in {
	case familyNone:
		return netip.Addr{}
	case familyIPv4:
		return ip4(rec, a.ip4)
	case familyIPv6:
		return ip6(rec, a.ip6)
	case familyBoth:
	}
	four, six := ip4(rec, a.ip4), ip6(rec, a.ip6)
	newer := four.IsUnspecified() && !six.IsUnspecified()
	if version := r.slots[slotIPVersion]; version == 4 || version == 6 {
		newer = version == 6
	}
	if newer {
		return six
	}
	return four
}

func ip4(rec []byte, at uint16) netip.Addr { return netip.AddrFrom4([4]byte(rec[at:])) }
func ip6(rec []byte, at uint16) netip.Addr { return netip.AddrFrom16([16]byte(rec[at:])) }

// rare sees to what few templates have.
func (r *Reader) rare(p *Plan, rec []byte, out *decoder.Record, x *decoder.Extension) {
	s := &r.slots
	if p.flags&flagICMPParts != 0 {
		x.Values[decoder.FieldICMPTypeCode] = s[slotICMPType]<<8 | s[slotICMPCode]
	}
	if p.flags&flagObservation != 0 {
		x.Values[decoder.FieldObservationTime] = uint64(r.time(p.observed, s[slotObservation]))
	}
	six := p.flags&flagLengthsBoth != 0 && out.SourceAddress.Is6()
	if p.flags&flagLengths6Only != 0 || six {
		out.SourcePrefixLength = uint8(s[slotSourceLength6])
		out.DestinationPrefixLength = uint8(s[slotDestinationLength6])
	}
	for i := range p.addresses {
		a := &p.addresses[i]
		x.SetAddress(a.field, r.address(&a.address, rec))
	}
	for i := range p.wide {
		if p.wide[i].load(rec) != 0 {
			r.found |= decoder.AnomalyFieldWidth
		}
	}
	if len(p.labels) != 0 {
		r.labels(p, rec, x)
	}
	if len(p.spans) != 0 {
		r.copySpans(p.spans, rec, x)
	}
}

// direction turns element 61 into the values of flow.v1.FlowDirection: there 0 is none.
func direction(exported uint64) uint64 { return min(exported, 2) + 1 }

// labels sets the labels of a record: of three bytes each the upper 20 bits. Places of the
// stack that are not used are zero.
func (r *Reader) labels(p *Plan, rec []byte, x *decoder.Extension) {
	const trafficClassAndBottom = 4
	first := len(r.packet.Numbers)
	for i := range p.labels {
		if v := p.labels[i].load(rec); v != 0 {
			r.packet.Numbers = append(r.packet.Numbers, uint32(v>>trafficClassAndBottom))
		}
	}
	if n := len(r.packet.Numbers); n > first {
		x.MPLSLabels = r.packet.Numbers[first:n:n]
		x.Present |= 1 << decoder.FieldMPLSLabels
	}
}

// copySpans copies the fields that are wanted as bytes.
func (r *Reader) copySpans(spans []span, rec []byte, x *decoder.Extension) {
	first, octets := len(r.packet.Elements), 0
	for i := range spans {
		s := &spans[i]
		var value []byte
		if s.variable {
			value = r.variable[i]
		} else {
			value = rec[lead+s.offset:][:s.length]
		}
		if octets += len(value); octets > maxElementOctets {
			octets -= len(value)
			x.Present &^= s.lost()
			continue
		}
		value = r.keep(value)
		if s.application {
			x.ApplicationID = value
		}
		if s.wanted {
			r.packet.Elements = append(r.packet.Elements,
				decoder.Element{Enterprise: s.element.enterprise, ID: s.element.id, Value: value})
		}
	}
	if n := len(r.packet.Elements); n > first {
		x.Elements = r.packet.Elements[first:n:n]
		x.Present |= 1 << decoder.FieldElements
	}
}

// lost returns the fields that a record has not when the span does not fit into it.
func (s *span) lost() decoder.FieldSet {
	if s.application {
		return 1 << decoder.FieldApplicationID
	}
	return 0
}

// keep copies bytes of the datagram into the packet.
func (r *Reader) keep(b []byte) []byte {
	first := len(r.packet.Octets)
	r.packet.Octets = append(r.packet.Octets, b...)
	return r.packet.Octets[first:len(r.packet.Octets):len(r.packet.Octets)]
}

// times sets a record's times where they are not both uptimes of a header with one.
func (r *Reader) times(p *Plan, out *decoder.Record) {
	s := &r.slots
	out.StartTime = r.bound(p.start, s[slotStart], out.FirstUptime)
	out.EndTime = r.bound(p.end, s[slotEnd], out.LastUptime)
	if p.duration == clockNone || (p.start == clockNone) == (p.end == clockNone) {
		return
	}
	d := uint64(r.time(p.duration, s[slotDuration]))
	if p.end == clockNone {
		if out.StartTime != 0 {
			out.EndTime = out.StartTime + decoder.UnixNano(d)
		}
	} else if uint64(out.EndTime) > d {
		out.StartTime = out.EndTime - decoder.UnixNano(d)
	}
}

// bound returns the start or the end of a flow: v read off the clock c, or the uptime.
func (r *Reader) bound(c clock, v uint64, uptime decoder.Uptime) decoder.UnixNano {
	if c != clockUptime {
		return r.time(c, v)
	}
	if r.header.HasUptime {
		return decoder.WallTime(r.export, r.header.SystemUptime, uptime)
	}
	// IPFIX headers have no uptime: the record tells when the exporter booted, or
	// its options have.
	boot := r.slots[slotInitTime]
	if boot == 0 {
		boot = r.state.initTime()
	}
	if boot == 0 {
		return 0
	}
	return r.scale(boot+uint64(uptime), time.Millisecond)
}

// ntpEpoch is 1970 in seconds since 1900, where NTP counts from.
const ntpEpoch = 2208988800

// time returns the time that v is on the clock c. One that cannot be expressed is unset.
func (r *Reader) time(c clock, v uint64) decoder.UnixNano {
	switch c {
	case clockSeconds:
		return r.scale(v, time.Second)
	case clockMilliseconds:
		return r.scale(v, time.Millisecond)
	case clockMicroseconds:
		return r.scale(v, time.Microsecond)
	case clockNTPMicroseconds:
		const unused = 1<<11 - 1 // RFC 7011, section 6.1.9
		return ntp(v &^ unused)
	case clockNTP:
		return ntp(v)
	case clockBeforeExport:
		age := r.scale(v, time.Microsecond)
		return r.export - min(age, r.export)
	default:
		return 0
	}
}

// ntp reads seconds and their fractions of 32 bits. Seconds count from 1900, and have done so anew
// since they were full in 2036: those without the highest bit are of that era, until 2104 (RFC 4330,
// section 3). Zero is no time (RFC 5905, section 6).
func ntp(v uint64) decoder.UnixNano {
	const era = 1 << 32
	seconds, fraction := v>>32, v&math.MaxUint32
	if seconds < era/2 {
		seconds += era
	}
	if v == 0 || seconds < ntpEpoch {
		return 0
	}
	return decoder.UnixNano((seconds-ntpEpoch)*uint64(time.Second) + fraction*uint64(time.Second)>>32)
}

// scale returns v units in nanoseconds.
func (r *Reader) scale(v uint64, unit time.Duration) decoder.UnixNano {
	if v > math.MaxUint64/uint64(unit) {
		r.found |= decoder.AnomalyValueOutOfRange
		return 0
	}
	return decoder.UnixNano(v * uint64(unit))
}
